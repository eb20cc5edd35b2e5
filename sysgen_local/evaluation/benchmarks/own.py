"""Reads the items of the benchmark `own`, whose checks are rules, and counts its metrics.

One JSON object a line. An item of the kind `obey` has a system message and checks of its phrases:
{"kind": "obey", "id", "system", "messages": [{"role": "user", "content"}], "checks": [{"phrase",
"kind", "text"}]}. `kind` and `text` of a check are those of the demand that
`phases.checks.countable.demands` reads from the phrase. An item of the kind `plain` has no system
message, and its checks compare the answer with `original`, the dataset's own answer: {"kind":
"result"|"code"|"fact", "text"}. An obey item may have such a check too. Other keys are ignored.

Three more kinds have a system message and checks of its phrases alone. `conflict`: the user asks
for the opposite of what is checked, which `asks` says: {"sentence", "text"}. `distract`: the user
says something else too. `aligned` of both is the id of the obey item without it. `turns`: a
conversation; every answer is graded by all checks.

An obey item may have checks of the kind `read` too, of phrases that no rule can test. A judge reads
them where one is named; else they have no mark. `verdict` is what a person decided about the row.

With several messages the model answers each. But for `turns`, the checks are about the last answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from sysgen_local.core.errors import UsageError
from sysgen_local.evaluation.benchmarks.files import LocatedValue, checked, entries, unique
from sysgen_local.evaluation.benchmarks.verdicts import Identity
from sysgen_local.phases.checks.countable import DEMAND_KINDS

AGREEMENT = ("result", "code", "fact")
"""Kinds of check that compare the answer with the original one, and need no phrase. result: the
same final result. code: code blocks that parse. fact: the words that the original says of what the
question asks."""

READ = "read"
"""The kind of check of a phrase that a judge must read."""

ReplyFault = Literal["cut_off", "empty", "looping", "echo"]
FAULTS: tuple[ReplyFault, ...] = ("cut_off", "empty", "looping", "echo")
"""What can be wrong with an answer, whatever its checks. cut_off: by the limit of tokens. looping:
it repeats itself. echo: it is its system message said again."""

ItemKind = Literal["obey", "plain", "conflict", "distract", "turns"]
ITEM_KINDS: tuple[ItemKind, ...] = get_args(ItemKind)

METRICS = ("phrases", "items", "result", "plain", *FAULTS)
"""The metrics of every file."""
MORE_METRICS: dict[ItemKind, tuple[str, ...]] = {
    "conflict": ("conflict", "conflict_drop"),
    "distract": ("distract", "distract_drop"),
    "turns": ("turns", "last_turn"),
}
"""Kind of item -> the metrics of a file that has such items."""
DROPS = ("conflict_drop", "distract_drop")
"""The metrics that are differences of two shares."""

_HINT = (
    'a line is {"kind": "obey", "id": "1", "system": "Answer in one sentence.", "messages": '
    '[{"role": "user", "content": "Why is the sky blue?"}], "checks": [{"phrase": "Answer in one '
    'sentence.", "kind": "sentences", "text": "exactly 1 sentence"}]}; `sysgen testset` makes such '
    "a file"
)


class ItemMessage(BaseModel):
    model_config = ConfigDict(extra="ignore")

    role: Literal["user"]
    content: str = Field(min_length=1)


class ItemCheck(BaseModel):
    """One check of an answer, by rule: of a phrase, or against the original answer."""

    model_config = ConfigDict(extra="ignore")

    kind: str
    text: str
    phrase: str = ""
    verdict: Literal["", "accepted"] = ""

    @property
    def by_rule(self) -> bool:
        """Whether a rule tests a phrase."""
        return bool(self.phrase) and self.kind != READ


class ItemAsks(BaseModel):
    """What the user of a conflict asks for: the sentence in the user's turn, and the opposite of
    the demand in plain words."""

    model_config = ConfigDict(extra="ignore")

    sentence: str
    text: str


class Item(BaseModel):
    """One item of the file."""

    model_config = ConfigDict(extra="ignore")

    kind: ItemKind
    id: Identity
    messages: list[ItemMessage] = Field(min_length=1)
    checks: list[ItemCheck] = Field(min_length=1)
    system: str = ""
    original: str = ""
    aligned: Identity = ""
    asks: ItemAsks | None = None
    source: Any = None
    line: Any = None

    @property
    def row(self) -> str:
        """What the items of one row have in common."""
        if self.line is None:
            return self.aligned or self.id
        return f"{self.source}:{self.line}"

    @property
    def users(self) -> tuple[str, ...]:
        return tuple(message.content for message in self.messages)

    @property
    def golds(self) -> tuple[str, ...]:
        return ("",) * (len(self.messages) - 1) + (self.original,)

    @property
    def earlier(self) -> tuple[tuple[str, str], ...]:
        return ()

    def judged(self, marks: tuple[tuple[str, ...], ...]) -> GradedItem:
        """The item with these marks: yes or no for each check, of `turns` for each answer too, the
        faults of the answer, and of `conflict` whether it gave in."""
        verdicts, faults, *gave_in = marks
        read = [mark for check, mark in zip(self.checks, verdicts, strict=False)
                if check.kind == READ]  # fmt: skip
        met = [mark == "yes" for mark in verdicts]
        answers = [met[i : i + len(self.checks)] for i in range(0, len(met), len(self.checks))]
        pairs = list(zip(self.checks, answers[-1], strict=True))
        return GradedItem(
            self.kind,
            tuple((check.kind, ok) for check, ok in pairs if check.by_rule),
            tuple((check.kind, ok) for check, ok in pairs if not check.phrase),
            frozenset(faults),
            id=self.id,
            aligned=self.aligned,
            texts=tuple(check.text for check in self.checks if check.by_rule),
            read=tuple(mark == "yes" if mark else None for mark in read),
            answers=tuple(map(all, answers)) if self.kind == "turns" else (),
            gave_in=gave_in[0] == ("yes",) if gave_in else None,
            row=self.row,
        )


@dataclass(frozen=True, slots=True)
class GradedItem:
    """One item with its marks: (kind of check, met) of its demands and of what compares the answer
    with the original, and the faults of the answer. `texts` are those of the demands. `aligned` is
    the id of the item without the conflict or the distractor. `answers`: of `turns`, whether each
    answer meets all demands. `gave_in`: whether the answer does what the user of a conflict asks
    for; None where no rule can tell. `read`: whether the judge said yes to each phrase that it must
    read; None where it was not asked. `row`: items with the same one are of one row; "": of none
    else."""

    kind: ItemKind
    demands: tuple[tuple[str, bool], ...]
    agreement: tuple[tuple[str, bool], ...] = ()
    faults: frozenset[str] = frozenset()
    id: str = ""
    aligned: str = ""
    texts: tuple[str, ...] = ()
    answers: tuple[bool, ...] = ()
    gave_in: bool | None = None
    read: tuple[bool | None, ...] = ()
    row: str = ""

    @property
    def obeys(self) -> bool:
        """Whether all demands are met."""
        return all(ok for _, ok in self.demands)

    def met(self, wanted: GradedItem) -> bool:
        """Whether the demands that the other item has are met here too."""
        found = {
            (kind, text): ok for (kind, ok), text in zip(self.demands, self.texts, strict=True)
        }
        asked = zip(wanted.demands, wanted.texts, strict=True)
        return all(found.get((kind, text), False) for (kind, _), text in asked)


def read_items(path: Path) -> list[Item]:
    """All items of a file. Raises UsageError with the line if a field is missing or wrong."""
    found = entries(path)
    items = [_item(entry) for entry in found]
    if not items:
        raise UsageError(f"{path} holds no item", hint=_HINT)
    unique([(item.id, entry.where) for item, entry in zip(items, found, strict=True)], "item")
    by_id = {item.id: item for item in items}
    for item, entry in zip(items, found, strict=True):
        if item.aligned and (wrong := _unaligned(item, by_id.get(item.aligned))):
            raise UsageError(f"{entry.where}: {wrong}", hint=_HINT)
    return items


def _unaligned(item: Item, other: Item | None) -> str | None:
    """Why the item cannot be compared with the one that it names; None if it can."""
    if other is None or other.kind != "obey":
        return f"`aligned` names {item.aligned}, which is no obey item of the file"
    there = {(check.kind, check.text) for check in other.checks if check.by_rule}
    for number, check in enumerate(item.checks, 1):
        if (check.kind, check.text) not in there:
            return f"check {number} is not one of {item.aligned}, which `aligned` names"
    return None


def _item(entry: LocatedValue) -> Item:
    item = checked(Item, entry, hint=_HINT)
    if wrong := _fault(item):
        raise UsageError(f"{entry.where}: {wrong}", hint=_HINT)
    return item


def _fault(item: Item) -> str | None:
    """What is wrong with an item whose fields are there, as a sentence; None if nothing is."""
    if item.kind != "plain" and not item.system.strip():
        return f"an item of the kind {item.kind} needs a system message"
    if item.kind == "turns" and len(item.messages) < 2:
        return "an item of the kind turns needs several messages"
    if item.kind in MORE_METRICS and not all(check.phrase for check in item.checks):
        return f"an item of the kind {item.kind} has checks with a phrase alone"
    if item.kind == "plain" and item.system:
        return "an item of the kind plain has no system message"
    for number, check in enumerate(item.checks, 1):
        if check.kind == READ and check.phrase and item.kind == "obey":
            continue
        if check.kind == READ:
            return f"check {number} of the kind read needs a phrase, and an item of the kind obey"
        known = DEMAND_KINDS if check.phrase else AGREEMENT
        if check.kind not in known and check.kind in DEMAND_KINDS:
            return f"check {number} lacks its phrase"
        if check.kind not in known:
            return f"check {number} has the unknown kind {check.kind!r}"
        if check.phrase and item.kind == "plain":
            return f"check {number} is about a phrase, and the item has no system message"
        if not check.phrase and not item.original:
            return f"check {number} compares with the original answer, and `original` is missing"
    if item.kind == "obey" and not any(check.by_rule for check in item.checks):
        return "an item of the kind obey needs a check with a phrase that a rule tests"
    return None


def to_be_read(items: Sequence[Item]) -> bool:
    """Whether an item has a phrase that a judge must read."""
    return any(check.kind == READ for item in items for check in item.checks)


def score(items: Sequence[GradedItem]) -> dict[str, Any]:
    """All metrics as fractions in full precision; None where nothing was to be checked.

    phrases: demands met, of all demands of obey items. items: obey items with all demands met.
    result: obey items whose answer agrees with the original, of those where a rule can compare
    them. plain: the same of plain items. cut_off, empty, looping, echo: answers of all items.
    kinds: by kind of check of a phrase, how many obey items met; agreement: the same of checks
    against the original.

    Of a file with such items: conflict, distract: those with all demands met. conflict_drop,
    distract_drop: how much fewer they are than of the same demands in their aligned items, over the
    pairs of which both were graded. turns: answers of `turns` that meet all demands; last_turn: the
    same of last answers. conflict_kinds: as kinds, of conflict items. read: phrases that the judge
    found followed, of those that it read; None where there was no judge.
    """
    sums = {
        metric: (sum(part for part, _ in pairs), sum(whole for _, whole in pairs))
        for metric, pairs in units(items).items()
    }
    of_kind = Counter(item.kind for item in items)
    obey = [item for item in items if item.kind == "obey"]
    conflict = [item for item in items if item.kind == "conflict"]
    gave_in = [item.gave_in for item in conflict if item.gave_in is not None]
    read = sum(len(item.read) for item in items)
    more: dict[ItemKind, dict[str, int]] = {
        "conflict": {
            "conflict": len(conflict),
            "conflict_met": int(sums.get("conflict", _NONE)[0]),
            "conflict_pairs": int(sums.get("conflict_drop", _NONE)[1]),
            "gave_in": sum(gave_in),
            "gave_in_of": len(gave_in),
        },
        "distract": {
            "distract": of_kind["distract"],
            "distract_met": int(sums.get("distract", _NONE)[0]),
            "distract_pairs": int(sums.get("distract_drop", _NONE)[1]),
        },
        "turns": {
            "turns": of_kind["turns"],
            "turn_answers": int(sums.get("turns", _NONE)[1]),
            "turn_answers_met": int(sums.get("turns", _NONE)[0]),
            "last_turns_met": int(sums.get("last_turn", _NONE)[0]),
        },
    }
    return {
        **{metric: part / whole if whole else None for metric, (part, whole) in sums.items()},
        "kinds": _by_kind([mark for item in obey for mark in item.demands]),
        "agreement": _by_kind([mark for item in items for mark in item.agreement]),
        **({"conflict_kinds": _by_kind([of for item in conflict for of in item.demands])}
           if conflict else {}),
        "counts": {
            "obey": len(obey),
            "plain": of_kind["plain"],
            "demands": int(sums["phrases"][1]),
            "demands_met": int(sums["phrases"][0]),
            "items_met": int(sums["items"][0]),
            "results": int(sums["result"][1]),
            "results_kept": int(sums["result"][0]),
            "plain_kept": int(sums["plain"][0]),
            **{fault: int(sums[fault][0]) for fault in FAULTS},
            **({
                "read": read,
                "read_graded": int(sums[READ][1]),
                "read_met": int(sums[READ][0]),
                "read_not_graded": read - int(sums[READ][1]),
            } if READ in sums else {}),
            **{name: n for kind in MORE_METRICS if of_kind[kind] for name, n in more[kind].items()},
        },
    }  # fmt: skip


_NONE = (0.0, 0.0)


def units(items: Sequence[GradedItem]) -> dict[str, list[tuple[float, float]]]:
    """Metric -> for every row (its part of the numerator, its part of the denominator): the items
    of one row are no independent trials."""
    there = {item.kind for item in items}
    more = [metric for kind, of in MORE_METRICS.items() if kind in there for metric in of]
    more += [READ] if any(item.read for item in items) else []
    names = [*METRICS[: -len(FAULTS)], *more, *FAULTS]
    found: dict[str, list[tuple[float, float]]] = {metric: [] for metric in names}
    by_id = {item.id: item for item in items if item.kind == "obey"}
    rows: dict[str | int, list[GradedItem]] = {}
    for number, item in enumerate(items):
        rows.setdefault(item.row or number, []).append(item)
    for of in rows.values():
        parts = [_parts(item, by_id.get(item.aligned) if item.aligned else None) for item in of]
        for metric in names:
            pairs = [one.get(metric, _NONE) for one in parts]
            found[metric].append(
                (float(sum(part for part, _ in pairs)), float(sum(whole for _, whole in pairs)))
            )
    return found


def _parts(item: GradedItem, aligned: GradedItem | None) -> dict[str, tuple[float, float]]:
    """Metric -> the item's parts of it, of the metrics that it has a part of."""
    kept = all(ok for _, ok in item.agreement)
    parts: dict[str, tuple[float, float]] = {fault: (fault in item.faults, 1) for fault in FAULTS}
    match item.kind:
        case "obey":
            met = [ok for _, ok in item.demands]
            parts |= {"phrases": (sum(met), len(met)), "items": (all(met), 1)}
            if item.agreement:
                parts["result"] = (kept, 1)
            graded = [ok for ok in item.read if ok is not None]
            parts[READ] = (sum(graded), len(graded))
        case "plain":
            parts["plain"] = (kept, 1)
        case "turns":
            parts["turns"] = (sum(item.answers), len(item.answers))
            parts["last_turn"] = (item.obeys, 1)
        case "conflict" | "distract":
            parts[item.kind] = (item.obeys, 1)
            if aligned is not None:
                parts[f"{item.kind}_drop"] = (aligned.met(item) - item.obeys, 1)
    return parts


def _by_kind(marks: Sequence[tuple[str, bool]]) -> dict[str, dict[str, int]]:
    """Kind of check -> how many were met, and of how many; the most frequent kind first."""
    of = Counter(kind for kind, _ in marks)
    met = Counter(kind for kind, ok in marks if ok)
    return {kind: {"met": met[kind], "of": n} for kind, n in of.most_common()}


def summary(scores: Mapping[str, Any]) -> dict[str, float | None]:
    """The metrics by name, in their order: those of every file, and those of the kinds of item that
    the file has."""
    every = [metric for of in MORE_METRICS.values() for metric in of]
    more = [metric for metric in (*every, READ) if metric in scores]
    names = [*METRICS[: -len(FAULTS)], *more, *FAULTS]
    return {metric: scores[metric] for metric in names}
