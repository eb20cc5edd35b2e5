"""A test set of the held-out rows of a store, whose items rules can grade (`evaluate own`).

Held out is the last share of the rows by the hash of the first instruction, the same one that the
splits of an export use: a training on the shares before it sees none of these instructions. Rows
that are near-duplicates of an instruction before it are left out too.

A row needs no new answer. The model that is tested writes its own, so a row whose answer was
dropped, or is not written yet, tests it as well as any other; rows with an answer alone would be
those that were easy for the model which wrote the data.

A row gives at most one item of each kind. `conflict` and `distract` are its obey item with more in
the user's turn, and name it, so that the drop can be measured.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from sysgen_local.core.counted import counted
from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.core.files import check_ending, check_folder, write
from sysgen_local.core.language import row_language
from sysgen_local.core.records import Row
from sysgen_local.evaluation.benchmarks.by_rule import agreement_check
from sysgen_local.evaluation.benchmarks.distractors import distracted
from sysgen_local.evaluation.benchmarks.own import ITEM_KINDS, READ, ItemCheck, ItemKind
from sysgen_local.exporting import (
    Output,
    near_duplicates,
    public_name,
    refuse_input,
    source_names,
)
from sysgen_local.phases.answer_checks import SHOWN, phrases_of
from sysgen_local.phases.checks.contradictions import contradiction
from sysgen_local.phases.checks.countable import Demand
from sysgen_local.phases.checks.opposites import opposite
from sysgen_local.store import Decision, Store
from sysgen_local.workflows.options import one_of

HELD_OUT = 0.3
"""The share of the rows that is held out by default."""


class _Draft(NamedTuple):
    """An item before it is chosen: its row, the user's turns of the row that it has, and its
    keys."""

    row: int
    kind: ItemKind
    users: tuple[str, ...]
    item: dict[str, Any]


@dataclass(frozen=True, slots=True)
class WrittenItems:
    """A test set that was written. `held_out` is the share, `looked_at` how many rows it has. By
    kind of item: how many `items` there are, how many `checks` of which kind they have, and why
    other rows gave none (`left_out`: reason -> rows)."""

    path: Path
    held_out: float
    looked_at: int
    items: Mapping[str, int]
    checks: Mapping[str, Mapping[str, int]]
    left_out: Mapping[str, Mapping[str, int]]

    def lines(self) -> list[str]:
        """All of it as text."""
        before = round(1 - self.held_out, 9)
        other = f" (`sysgen export --split train={before:g}` has none of them)" if before else ""
        said = [
            f"{counted(self.looked_at, 'held-out row')} looked at: the last {self.held_out:g} by "
            f"the hash of the instruction{other}"
        ]
        for kind in self.items:
            checks = f"; {_listed(of)}" if (of := self.checks[kind]) else ""
            said.append(f"{kind}: {counted(self.items[kind], 'item')}{checks}")
            if left := self.left_out[kind]:
                rows = counted(sum(left.values()), "row")
                said.append(f"  no {kind} item from {rows}: {_listed(left)}")
        said.append(f"{counted(sum(self.items.values()), 'item')} written to {self.path}")
        return said


def write_testset(
    store: Store,
    path: str | Path,
    *,
    held_out: float = HELD_OUT,
    limit: int | None = None,
    where: str | None = None,
    kinds: Sequence[ItemKind] = ITEM_KINDS,
    say: Callable[[str], None] = lambda line: None,
) -> WrittenItems:
    """Writes the test set to `path` (.jsonl) and replaces a file that is there.

    `held_out` is the share, of 0 to 1. `limit`: at most so many items, those of the rows at the end
    of the share. `where` is an SQL condition over the view `journey`. `kinds` are the kinds of item
    to write. `say` is given what was written, and why other rows are not in it.

    Raises UsageError for a path, a share or a condition that will not do, SysgenError where no row
    gives an item or writing fails.
    """
    path = Path(path).expanduser()
    check_ending(path, (".jsonl",))
    check_folder(path)
    refuse_input(store, Output.named(path))
    if not 0 < held_out <= 1:
        raise UsageError(f"held_out cannot be {held_out}: it is a share of more than 0, to 1")
    for kind in kinds:
        one_of("kind", kind, ITEM_KINDS)
    kinds = [kind for kind in ITEM_KINDS if kind in kinds] or ITEM_KINDS
    low = round(1 - held_out, 12)
    looked_at = 0
    drafts: list[_Draft] = []
    left_out: dict[ItemKind, Counter[str]] = {kind: Counter() for kind in kinds}
    for row, decision in store.held_out(low, where):
        looked_at += 1
        for kind in kinds:
            found = _unusable(row, decision) or _MAKERS[kind](row)
            if isinstance(found, str):
                left_out[kind][found] += 1
            else:
                if "obey" not in kinds:
                    found.pop("aligned", None)
                for check in found["checks"]:
                    if check["kind"] == READ and decision == "accepted":
                        check["verdict"] = decision
                users = [of.content for of in row.conversation.turns if of.role == "user"]
                asked = tuple(users if kind == "turns" else users[:1])
                drafts.append(_Draft(row.row, kind, asked, found))
    chosen = _without_near_duplicates(store, drafts, low, left_out)
    if limit is not None:
        for draft in chosen[limit:]:
            left_out[draft.kind][f"more than {counted(limit, 'item')}"] += 1
        chosen = chosen[:limit]
    done = _counted(path, held_out, looked_at, chosen, left_out)
    if not chosen:
        raise SysgenError(
            f"{store.path}: none of {counted(looked_at, 'held-out row')} gives an item; "
            + "; ".join(f"{kind}: {_listed(of)}" for kind, of in done.left_out.items() if of),
            hint="a larger --held-out looks at more rows",
        )
    names = source_names(store.files())  # a test set is shared: no folders of this machine
    write(path, "".join(_line(store, draft, names) for draft in chosen))
    for line in done.lines():
        say(line)
    return done


def _unusable(row: Row, decision: Decision | None) -> str | None:
    """Why the row can be no item of any kind."""
    turns = row.conversation.turns
    if decision == "rejected":
        return "declined by a person"
    if row.conversation.tools or any(turn.role != "user" for turn in turns[: _answer_at(row)]):
        return "it has tools"
    return None


def _answer_at(row: Row) -> int:
    """The place of the first answer."""
    return next(i for i, turn in enumerate(row.conversation.turns) if turn.role == "assistant")


def _demanded(row: Row) -> list[tuple[Demand, ItemCheck]] | str:
    """The demands of the row's system message with their checks, or why it gives no item."""
    if row.verified is None or row.verified.dropped or not row.verified.system:
        return "no system message"
    found: dict[tuple[str, str], tuple[Demand, ItemCheck]] = {}
    for phrase, asked in phrases_of(row):
        for demand in asked:
            check = ItemCheck(kind=demand.kind, text=demand.text, phrase=phrase.text)
            found.setdefault((demand.kind, demand.text), (demand, check))
    if not found:
        return "no phrase that a rule can test"
    if contradiction([demand for demand, _ in found.values()]):
        return "its demands contradict one another"
    return list(found.values())


def _obey(row: Row) -> dict[str, Any] | str:
    """An item with the row's system message, or why there is none. Its phrases that no rule can
    test are for a judge to read."""
    found = _demanded(row)
    if isinstance(found, str):
        return found
    compared = _compared(row, [demand for demand, _ in found])
    read = [
        ItemCheck(kind=READ, text=phrase.text, phrase=phrase.text)
        for phrase, asked in phrases_of(row)
        if not asked and phrase.tag in SHOWN
    ]
    checks = [*(check for _, check in found), *([compared] if compared else []), *read]
    return _item(row, "obey", checks)


def _conflict(row: Row) -> dict[str, Any] | str:
    """An item whose user asks for the opposite of one demand, or why there is none. Which demand it
    is, and the wording, hang on the instruction."""
    found = _demanded(row)
    if isinstance(found, str):
        return found
    asked = [(of, check) for demand, check in found if (of := opposite(demand))]
    if not asked:
        return "no demand that has an opposite"
    language = row_language(row.conversation)
    seed = row.conversation.turns[0].content
    said = [(of, text, check) for of, check in asked if (text := of.said(language, seed))]
    if not said:
        return "no wording of the opposite in its language"
    of, text, check = said[int.from_bytes(sha256(seed.encode()).digest()[:4]) % len(said)]
    item = _item(row, "conflict", [check], aligned=True)
    last = item["messages"][-1]
    last["content"] = f"{last['content']}\n\n{text}"
    return {**item, "asks": {"sentence": text, "text": of.text}}


def _distract(row: Row) -> dict[str, Any] | str:
    """An item whose user says something else too, or why there is none."""
    found = _demanded(row)
    if isinstance(found, str):
        return found
    item = _item(row, "distract", [check for _, check in found], aligned=True)
    users = tuple(message["content"] for message in item["messages"])
    other = distracted(users, row_language(row.conversation), row.conversation.turns[0].content)
    if other is None:
        return "no distractor in its language"
    messages = [{"role": "user", "content": text} for text in other.users]
    return {**item, "messages": messages, "distractor": other.kind}


def _turns(row: Row) -> dict[str, Any] | str:
    """An item with all turns of the user, or why there is none."""
    found = _demanded(row)
    if isinstance(found, str):
        return found
    turns = row.conversation.turns
    users = [turn.content for turn in turns if turn.role == "user"]
    if any(turn.role not in ("user", "assistant") for turn in turns):
        return "it has tools"
    if len(users) < 2:
        return "one turn of the user alone"
    item = _item(row, "turns", [check for _, check in found])
    return {**item, "messages": [{"role": "user", "content": text} for text in users]}


def _plain(row: Row) -> dict[str, Any] | str:
    """An item without a system message, or why there is none."""
    check = _compared(row, ())
    return _item(row, "plain", [check]) if check else "no result that a rule can compare"


def _compared(row: Row, demands: list[Demand] | tuple[()]) -> ItemCheck | None:
    """The check of an answer against the original one. None if no rule can compare them, or if the
    answer is to be in another language or without the code that would be compared."""
    at = _answer_at(row)
    turns = row.conversation.turns
    check = agreement_check(turns[at - 1].content, turns[at].content)
    foreign = any(demand.kind == "language" for demand in demands)
    no_code = any(demand.text == "no code" for demand in demands)
    return None if foreign or (no_code and check and check.kind == "code") else check


def _item(
    row: Row, kind: ItemKind, checks: list[ItemCheck], *, aligned: bool = False
) -> dict[str, Any]:
    """The keys of an item. `aligned`: it names the obey item of the row."""
    at = _answer_at(row)
    turns = row.conversation.turns
    system = row.verified.system if row.verified is not None and kind != "plain" else ""
    return {
        "kind": kind,
        "id": f"{row.row}-{kind}",
        **({"aligned": f"{row.row}-obey"} if aligned else {}),
        **({"system": system} if system else {}),
        "messages": [{"role": "user", "content": turn.content} for turn in turns[:at]],
        "checks": [
            {
                **({"phrase": check.phrase} if check.phrase else {}),
                "kind": check.kind,
                "text": check.text,
            }
            for check in checks
        ],
        "original": turns[at].content,
    }


_MAKERS: dict[ItemKind, Callable[[Row], dict[str, Any] | str]] = {
    "obey": _obey, "plain": _plain, "conflict": _conflict, "distract": _distract, "turns": _turns,
}  # fmt: skip
"""Kind of item -> the function that makes one of a row."""


def _without_near_duplicates(
    store: Store, drafts: list[_Draft], low: float, left_out: Mapping[ItemKind, Counter[str]]
) -> list[_Draft]:
    """The drafts whose instruction is like none before the held-out share, and like none of an
    earlier draft of another row. Of `turns` no later turn may be like an instruction before the
    share either."""
    rows = {draft.row: draft.users[0] for draft in drafts}
    later = [(draft.row, text) for draft in drafts for text in draft.users[1:]]
    # A turn is numbered below zero where it is a later one, so that one search finds both.
    texts = [*rows.items(), *((-row, text) for row, text in later)]
    seen = near_duplicates.resembling(texts, store.instructions_before(low)) if rows else set()
    left = ((row, text) for row, text in rows.items() if row not in seen)
    again = set(near_duplicates.duplicates(left)) if rows else set()
    kept = []
    for draft in drafts:
        if draft.row in seen or (len(draft.users) > 1 and -draft.row in seen):
            left_out[draft.kind]["like a row that is not held out"] += 1
        elif draft.row in again:
            left_out[draft.kind]["like another row of the test set"] += 1
        else:
            kept.append(draft)
    return kept


def _counted(
    path: Path,
    held_out: float,
    looked_at: int,
    chosen: list[_Draft],
    left_out: Mapping[ItemKind, Counter[str]],
) -> WrittenItems:
    checks: dict[ItemKind, Counter[str]] = {kind: Counter() for kind in left_out}
    for draft in chosen:
        checks[draft.kind].update(check["kind"] for check in draft.item["checks"])
    return WrittenItems(
        path,
        held_out,
        looked_at,
        {kind: sum(draft.kind == kind for draft in chosen) for kind in left_out},
        {kind: dict(checks[kind].most_common()) for kind in left_out},
        {kind: dict(of.most_common()) for kind, of in left_out.items()},
    )


def _line(store: Store, draft: _Draft, names: Mapping[str, str]) -> str:
    origin = store.origin(draft.row)
    assert origin is not None
    source = names.get(origin.path, public_name(origin.path))
    item = {**draft.item, "source": source, "line": origin.line}
    return json.dumps(item, ensure_ascii=False) + "\n"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in counts.items())
