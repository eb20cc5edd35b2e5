"""Figures of verdicts: their distribution over the tags, and their agreement with labelled
phrases."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from benchmarks.quality.figures import Share, Tree, shares
from sysgen_local.core.errors import UsageError
from sysgen_local.core.intervals import bootstrap
from sysgen_local.core.records import (
    LABELS,
    TAGS,
    Conversation,
    Filtered,
    Generated,
    Phrase,
    Row,
    Source,
    Tag,
    Turn,
    Verdict,
    in_order,
)
from sysgen_local.core.records import Label as Word
from sysgen_local.evaluation.benchmarks.files import checked, entries
from sysgen_local.evaluation.trust import auc
from sysgen_local.store import Label, Store
from sysgen_local.store.rows import RowQuery

LABELLER = "labelled phrases"
"""Who said what the file has as labels, in a store."""

FEWEST_GOOD = 5
"""Minimum number of good phrases of a tag for the least recall."""

_HINT = (
    'each line is {"row": "gsm8k:1", "instruction": ..., "answer": ..., "tag": "role", "text": '
    '..., "label": "good", "made_by": ...}'
)


def spread(rows: Sequence[Row]) -> Tree:
    """The distribution of the verdicts of a run."""
    found = [v for row in rows if row.verified for v in row.verified.verdicts]
    return {
        name: {
            "phrases": len(of),
            **{label: Share.among(v.label == label for v in of) for label in LABELS},
        }
        for name in ("all", *TAGS)
        for of in [[v for v in found if name in ("all", v.tag)]]
    }


class Labelled(BaseModel):
    """A phrase that people labelled, and the row that it was written for."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    row: str
    instruction: str
    answer: str
    tag: Tag
    text: str
    label: Word
    made_by: str

    @property
    def group(self) -> tuple[str, str]:
        """The phrases of one row by one writer are judged together, as they were written."""
        return self.row, self.made_by


@dataclass(frozen=True, slots=True)
class Judged:
    """A labelled phrase with its verdict; None if its row could not be judged."""

    phrase: Labelled
    verdict: Verdict | None


def read(path: Path) -> list[Labelled]:
    """The labelled phrases of a file. Raises UsageError with file, line and field."""
    found = [checked(Labelled, entry, hint=_HINT) for entry in entries(path)]
    if not found:
        raise UsageError(f"{path} holds no phrases", hint=_HINT)
    return found


def judge(phrases: Sequence[Labelled], db: Path, verify: Callable[[Path], None]) -> list[Judged]:
    """The phrases with their verdicts. `db` is the path of a new store, which gets these phrases
    and their labels; `verify` does phase 3 for it."""
    groups: dict[tuple[str, str], list[Labelled]] = {}
    for phrase in phrases:
        groups.setdefault(phrase.group, []).append(phrase)
    rows = dict(enumerate(groups.values(), 1))
    with Store.open(db) as store:
        conversations = [_conversation(number, of) for number, of in rows.items()]
        store.ingest(Source("phrases", "phrases", "labelled"), conversations)
        for number, of in rows.items():
            written = in_order(Phrase(p.tag, p.text) for p in of)
            store.commit(
                [
                    (number, "generate", Generated(written)),
                    (number, "filter", Filtered(written)),
                ]
            )
            store.add_labels(
                [Label(number, "phrase", p.label, LABELLER, p.tag, p.text) for p in of]
            )
    verify(db)
    judged = []
    with Store.open(db) as store:
        for row in store.find(RowQuery(limit=None)):
            verdicts = row.verified.verdicts if row.verified else ()
            by_phrase = {(v.tag, v.text): v for v in verdicts}
            judged += [Judged(p, by_phrase.get((p.tag, p.text))) for p in rows[row.row]]
    return judged


def _conversation(number: int, phrases: Sequence[Labelled]) -> Conversation:
    """Several writers may have the same conversation: its line tells them apart in a file of
    labels."""
    first = phrases[0]
    return Conversation((Turn("user", first.instruction), Turn("assistant", first.answer)), number)


def measured(judged: Sequence[Judged]) -> Tree:
    """The agreement of verdicts and labels: for all phrases, by tag, and by writer."""
    known = [one for one in judged if one.verdict is not None]
    by_tag = {tag: of for tag in TAGS if (of := [j for j in known if j.phrase.tag == tag])}
    makers = dict.fromkeys(j.phrase.made_by for j in known)
    recalls = {tag: recall_of_good(of) for tag, of in by_tag.items()}
    enough = {tag: r for tag, r in recalls.items() if r.of >= FEWEST_GOOD}
    least = min(enough, key=lambda tag: enough[tag].value or 0.0, default=None)
    return {
        "not_judged": Share(len(judged) - len(known), len(judged)),
        **_agreement(known),
        "least_recall_of_good": None if least is None else enough[least],
        "which_is_that_of": least,
        "verdicts_on": {
            label: shares(
                _verdict_counts(known, label), sum(j.phrase.label == label for j in known)
            )
            for label in LABELS
        },
        "by_tag": {tag: _agreement(of) for tag, of in by_tag.items()},
        "by_made_by": {
            name: _agreement([j for j in known if j.phrase.made_by == name]) for name in makers
        },
    }


def _agreement(judged: Sequence[Judged]) -> Tree:
    groups: dict[tuple[str, str], list[tuple[float, bool]]] = {}
    for one in judged:
        p = one.verdict.good if one.verdict else 0.0
        groups.setdefault(one.phrase.group, []).append((p, one.phrase.label == "good"))
    return {
        "phrases": len(judged),
        "auc": bootstrap(list(groups.values()), lambda some: auc([p for of in some for p in of])),
        "recall_of_good": recall_of_good(judged),
        "recall_of_not_good": Share.among(
            _label(one) != "good" for one in judged if one.phrase.label != "good"
        ),
    }


def recall_of_good(judged: Sequence[Judged]) -> Share:
    """The share of phrases labelled good whose verdict is good."""
    return Share.among(_label(one) == "good" for one in judged if one.phrase.label == "good")


def _label(one: Judged) -> Word | None:
    return one.verdict.label if one.verdict else None


def _verdict_counts(judged: Sequence[Judged], label: Word) -> Mapping[str, int]:
    """Verdict -> number of phrases with this label."""
    labels = [_label(one) for one in judged if one.phrase.label == label]
    return {verdict: labels.count(verdict) for verdict in LABELS}
