"""Reads the items of the benchmark `own`, whose checks are rules, and counts its metrics.

One JSON object a line. An item of the kind `obey` has a system message and checks of its phrases:
{"kind": "obey", "id", "system", "messages": [{"role": "user", "content"}], "checks": [{"phrase",
"kind", "text"}]}. `kind` and `text` of a check are those of the demand that
`phases.checks.countable.demands` reads from the phrase. An item of the kind `plain` has no system
message, and its checks compare the answer with `original`, the dataset's own answer: {"kind":
"result"|"code"|"fact", "text"}. An obey item may have such a check too. Other keys are ignored.

With several messages the model answers each, and the checks are about the last answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sysgen_local.core.errors import UsageError
from sysgen_local.evaluation.benchmarks.files import LocatedValue, checked, entries, unique
from sysgen_local.evaluation.benchmarks.verdicts import Identity
from sysgen_local.phases.checks.countable import DEMAND_KINDS

AGREEMENT = ("result", "code", "fact")
"""Kinds of check that compare the answer with the original one, and need no phrase. result: the
same final result. code: code blocks that parse. fact: the words that the original says of what the
question asks."""

ReplyFault = Literal["cut_off", "empty", "looping", "echo"]
FAULTS: tuple[ReplyFault, ...] = ("cut_off", "empty", "looping", "echo")
"""What can be wrong with an answer, whatever its checks. cut_off: by the limit of tokens. looping:
it repeats itself. echo: it is its system message said again."""

METRICS = ("phrases", "items", "result", "plain", *FAULTS)

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


class Item(BaseModel):
    """One item of the file."""

    model_config = ConfigDict(extra="ignore")

    kind: Literal["obey", "plain"]
    id: Identity
    messages: list[ItemMessage] = Field(min_length=1)
    checks: list[ItemCheck] = Field(min_length=1)
    system: str = ""
    original: str = ""

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
        """The item with these marks: yes or no for each check, and the faults of the answer."""
        verdicts, faults = marks
        met = [mark == "yes" for mark in verdicts]
        pairs = list(zip(self.checks, met, strict=True))
        return GradedItem(
            self.kind,
            tuple((check.kind, ok) for check, ok in pairs if check.phrase),
            tuple((check.kind, ok) for check, ok in pairs if not check.phrase),
            frozenset(faults),
        )


@dataclass(frozen=True, slots=True)
class GradedItem:
    """One item with its marks: (kind of check, met) of its demands and of what compares the answer
    with the original, and the faults of the answer."""

    kind: Literal["obey", "plain"]
    demands: tuple[tuple[str, bool], ...]
    agreement: tuple[tuple[str, bool], ...] = ()
    faults: frozenset[str] = frozenset()


def read_items(path: Path) -> list[Item]:
    """All items of a file. Raises UsageError with the line if a field is missing or wrong."""
    found = entries(path)
    items = [_item(entry) for entry in found]
    if not items:
        raise UsageError(f"{path} holds no item", hint=_HINT)
    unique([(item.id, entry.where) for item, entry in zip(items, found, strict=True)], "item")
    return items


def _item(entry: LocatedValue) -> Item:
    item = checked(Item, entry, hint=_HINT)
    if wrong := _fault(item):
        raise UsageError(f"{entry.where}: {wrong}", hint=_HINT)
    return item


def _fault(item: Item) -> str | None:
    """What is wrong with an item whose fields are there, as a sentence; None if nothing is."""
    if item.kind == "obey" and not item.system.strip():
        return "an item of the kind obey needs a system message"
    if item.kind == "plain" and item.system:
        return "an item of the kind plain has no system message"
    for number, check in enumerate(item.checks, 1):
        known = DEMAND_KINDS if check.phrase else AGREEMENT
        if check.kind not in known and check.kind in DEMAND_KINDS:
            return f"check {number} lacks its phrase"
        if check.kind not in known:
            return f"check {number} has the unknown kind {check.kind!r}"
        if check.phrase and item.kind == "plain":
            return f"check {number} is about a phrase, and the item has no system message"
        if not check.phrase and not item.original:
            return f"check {number} compares with the original answer, and `original` is missing"
    if item.kind == "obey" and not any(check.phrase for check in item.checks):
        return "an item of the kind obey needs a check with a phrase"
    return None


def score(items: Sequence[GradedItem]) -> dict[str, Any]:
    """All metrics as fractions in full precision; None where nothing was to be checked.

    phrases: demands met, of all demands. items: obey items with all demands met. result: obey items
    whose answer agrees with the original, of those where a rule can compare them. plain: the same
    of plain items. cut_off, empty, looping, echo: answers of all items. kinds: by kind of check of
    a phrase, how many were met; agreement: the same of checks against the original.
    """
    sums = {
        metric: (sum(part for part, _ in pairs), sum(whole for _, whole in pairs))
        for metric, pairs in units(items).items()
    }
    obey = [item for item in items if item.kind == "obey"]
    return {
        **{metric: part / whole if whole else None for metric, (part, whole) in sums.items()},
        "kinds": _by_kind([mark for item in items for mark in item.demands]),
        "agreement": _by_kind([mark for item in items for mark in item.agreement]),
        "counts": {
            "obey": len(obey),
            "plain": len(items) - len(obey),
            "demands": int(sums["phrases"][1]),
            "demands_met": int(sums["phrases"][0]),
            "items_met": int(sums["items"][0]),
            "results": int(sums["result"][1]),
            "results_kept": int(sums["result"][0]),
            "plain_kept": int(sums["plain"][0]),
            **{fault: int(sums[fault][0]) for fault in FAULTS},
        },
    }


def units(items: Sequence[GradedItem]) -> dict[str, list[tuple[float, float]]]:
    """Metric -> for every item (its part of the numerator, its part of the denominator)."""
    found: dict[str, list[tuple[float, float]]] = {metric: [] for metric in METRICS}
    for item in items:
        met = [ok for _, ok in item.demands]
        kept = all(ok for _, ok in item.agreement)
        obeys, compared = item.kind == "obey", bool(item.agreement)
        for metric, part, whole in (
            ("phrases", sum(met), len(met)),
            ("items", obeys and all(met), obeys),
            ("result", obeys and compared and kept, obeys and compared),
            ("plain", not obeys and kept, not obeys),
            *((fault, fault in item.faults, True) for fault in FAULTS),
        ):
            found[metric].append((float(part), float(whole)))
    return found


def _by_kind(marks: Sequence[tuple[str, bool]]) -> dict[str, dict[str, int]]:
    """Kind of check -> how many were met, and of how many; the most frequent kind first."""
    of = Counter(kind for kind, _ in marks)
    met = Counter(kind for kind, ok in marks if ok)
    return {kind: {"met": met[kind], "of": n} for kind, n in of.most_common()}


def summary(scores: Mapping[str, Any]) -> dict[str, float | None]:
    """The metrics by name, in their order."""
    return {metric: scores[metric] for metric in METRICS}
