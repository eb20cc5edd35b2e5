"""Figures of new answers: agreement with the original, following the system message, checks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from benchmarks.quality.figures import Leaf, Share, Tree, mean, shares
from sysgen_local.core.records import Check, Row

TENTHS = tuple(f"{i / 10:.1f} to {(i + 1) / 10:.1f}" for i in range(10))


def answers(rows: Sequence[Row], final: Collection[int], *, first_only: bool = False) -> Tree:
    """All figures of this module. `final`: the numbers of the finished rows. `first_only`: only the
    first turn of each row has a new answer."""
    finished = [row for row in rows if row.row in final]
    return {
        "results": results(rows, final, first_only=first_only),
        "countable_phrases_obeyed": countable(finished, first_only=first_only),
        **checks(rows),
    }


def results(rows: Sequence[Row], final: Collection[int], *, first_only: bool = False) -> Tree:
    """Figures of rows whose original answer has a result that a rule can read. A row with several
    results must keep all of them."""
    from sysgen_local.phases.checks.results import final_result, keeps_result

    became, kept = [], []
    by_kind: dict[str, list[bool]] = {}
    for row in rows:
        there = [
            (result, at)
            for at, asked, original in _turns(row, first_only)
            if (result := final_result(asked, original)) is not None
        ]
        if not there:
            continue
        became.append(row.row in final)
        if row.row in final:
            held = [keeps_result(result, row.answers[at].content) for result, at in there]
            kept.append(all(held))
            for (result, _), holds in zip(there, held, strict=True):
                by_kind.setdefault(str(result.kind), []).append(holds)
    return {
        "rows_with_a_checkable_result": Share(len(became), len(rows)),
        "of_these_final": Share.among(became),
        "final_with_another_result": Share.among(not whole for whole in kept),
        "kept_by_kind": {kind: Share.among(of) for kind, of in sorted(by_kind.items())},
    }


def countable(rows: Sequence[Row], *, first_only: bool = False) -> Tree:
    """How often new answers meet the countable demands of phrases in the system message."""
    from sysgen_local.phases.answer_checks import phrases_of

    by_kind: dict[str, list[bool]] = {}
    for row in rows:
        for _, demands in phrases_of(row):
            for demand in demands:
                for at, asked, _ in _turns(row, first_only):
                    met = demand.met(row.answers[at].content, asked)
                    by_kind.setdefault(demand.kind, []).append(met)
    found = {kind: Share.among(of) for kind, of in sorted(by_kind.items())}
    return {"all": sum(found.values(), Share(0, 0)), **found}


def checks(rows: Sequence[Row]) -> Tree:
    """The results of phase `check` for all rows that reached it; None if it did not run."""
    looked = [row.checked for row in rows if row.checked]
    if not looked:
        return {"checks": None}
    every = [check for one in looked for check in one.checks]
    kinds = sorted({(check.by, check.kind) for check in every})
    agrees = {True: "yes", False: "no", None: "nothing to look at"}
    return {
        "checks": {
            f"{kind}, by {by}": _check([c for c in every if (c.by, c.kind) == (by, kind)])
            for by, kind in kinds
        },
        "agrees": shares(Counter(agrees[one.agrees] for one in looked), len(looked)),
        "obeys": mean([one.obeys for one in looked if one.obeys is not None]),
        "tries": shares(Counter(str(one.tries) for one in looked), len(looked)),
        "answers_not_taken": _not_taken([a.fault for one in looked for a in one.attempts]),
    }


def _check(found: Sequence[Check]) -> Tree:
    """`p` is a histogram of the probabilities in ten parts. A rule gives only 0 or 1."""
    tree: dict[str, Tree | Leaf] = {"held": Share.among(check.p >= 0.5 for check in found)}
    if any(check.by != "rule" for check in found):
        tenths = Counter(TENTHS[min(int(check.p * 10), 9)] for check in found)
        tree["p"] = {name: Share(tenths[name], len(found), part=True) for name in TENTHS}
    return tree


def _not_taken(faults: Sequence[str]) -> Tree:
    return shares(Counter(fault or "passed, another was better" for fault in faults), len(faults))


def _turns(row: Row, first_only: bool) -> Iterator[tuple[int, str, str]]:
    """(index, user's text, original answer) of every turn that gets a new answer."""
    turns = row.conversation.turns
    for at, turn in enumerate(turns):
        if turn.role == "assistant":
            yield at, turns[at - 1].content, turn.content
            if first_only:
                return
