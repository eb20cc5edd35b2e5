"""Tables and sentences about the agreement of judges with people (`evaluation.trust`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sysgen_local.core.counted import counted
from sysgen_local.evaluation.trust import FEWEST, NARROW
from sysgen_local.report.grid import Table

COLUMNS = ("", "labels", "agree", "95 %", "kappa", "95 %")
_THINGS = {"phrase": "phrases", "pair": "pairs of answers"}
_GOOD = {"phrase": ("good", "kept or removed"), "pair": ("new better", "new better or not")}
_WIDTH = 20
_OTHERS = {
    "asked_for_doubt": "asked because the judge was unsure, so they are no random sample",
    "unclear": "without an opinion",
    "outdated": "about phrases or answers that have no verdict now",
}


def trust_tables(found: Mapping[str, Any], review: str = "sysgen review --blind") -> list[Table]:
    """The tables for the result of `evaluation.trust.trust`: of each judge its agreement and, with
    enough labels, the reliability diagram; then the agreement of reviewers with each other.
    `review` is the command that asks for labels."""
    tables = []
    for judge in found["judges"]:
        tables.append(_agreement(judge, found["labels"][judge["of"]], review))
        if judge["enough"]:
            tables.append(_reliability(judge))
    if found["reviewers"]:
        tables.append(_reviewers(found["reviewers"]))
    return tables


def _agreement(judge: Mapping[str, Any], labels: Mapping[str, int], review: str) -> Table:
    what = _THINGS[judge["of"]]
    title = f"{judge['judge']} on {what} (prompts: {judge['prompt_set']}), and people"
    rows = [_line("same verdict", judge["agreement"])]
    if judge["cases"]:
        rows += [_line(_GOOD[judge["of"]][1], judge["kept"])]
    rows += [_line(tag, of) for tag, of in judge["by_tag"].items()]
    return Table(title, COLUMNS, tuple(rows), tuple(_notes(judge, labels, review)))


def _line(name: str, of: Mapping[str, Any]) -> tuple[str, ...]:
    kappa = of["kappa"]
    return (
        name, f"{of['cases']:,}", _percent(of["share"]), _range(of["low"], of["high"]),
        _number(kappa["value"]), _interval(kappa),
    )  # fmt: skip


def _notes(judge: Mapping[str, Any], labels: Mapping[str, int], review: str) -> Iterator[str]:
    yield verdict(judge, review)
    if judge["enough"]:
        said = {word: sum(of.values()) for word, of in judge["verdicts"].items()}
        word = max(said, key=said.__getitem__)
        yield f"always saying {word} would agree on {_percent(said[word] / judge['cases'])}"
        yield _calibration(judge)
    if order := judge["order"]:
        yield (
            f"order: the verdict changes with the order in {order['flipped']:,} of "
            f"{counted(order['pairs'], 'judged pair')}, {_percent(order['share'])} "
            f"[{_range(order['low'], order['high'])}]; {_percent(order['first'])} of its choices "
            "were of the answer shown first (50 %: no influence)"
        )
    what = _THINGS[judge["of"]]
    others = [f"{labels[name]:,} {why}" for name, why in _OTHERS.items() if labels[name]]
    if others:
        yield f"labels that do not count: {'; '.join(others)}"
    if judge["divided"]:
        yield (
            f"reviewers are divided on {judge['divided']:,} of the {what}: the word of most of "
            "them counts, else that of the first"
        )


def verdict(judge: Mapping[str, Any], review: str = "sysgen review --blind") -> str:
    """One sentence: how far the judge can be trusted, and what would settle it."""
    what, cases = _THINGS[judge["of"]], judge["cases"]
    if not cases:
        return f"no label of {what} counts yet, so nothing is known: `{review}` asks for some"
    if not judge["enough"]:
        return (
            f"too few to tell: {cases:,} labels of {what} count, and {FEWEST} are the least; "
            f"`{review}` asks for more"
        )
    of, more = judge["agreement"], judge["more"]
    settled = (
        f"about {more:,} more would narrow that to +-{NARROW * 100:.0f} points (`{review}`)"
        if more
        else "more labels would hardly change that"
    )
    return (
        f"it agrees with people on {_percent(of['share'])} of {cases:,} {what} "
        f"[{_range(of['low'], of['high'])}]; {settled}"
    )


def _calibration(judge: Mapping[str, Any]) -> str:
    error, auc = judge["calibration_error"], judge["auc"]
    told = f"calibration error {_number(error['value'])} {_interval(error, brackets=True)}"
    if auc["value"] is None:
        return f"{told}; people gave one kind of label alone, so no AUC"
    return f"{told}; AUC {_number(auc['value'])} {_interval(auc, brackets=True)}"


def _reliability(judge: Mapping[str, Any]) -> Table:
    """The reliability diagram as text: # is the share that people call good, | the mean of the
    judge's probabilities."""
    good = _GOOD[judge["of"]][0]
    rows = [
        (
            f"{of['start']:.1f} to {of['end']:.1f}", f"{of['cases']:,}", f"{of['p']:.2f}",
            f"{of['share']:.2f}", f"{of['low']:.2f} to {of['high']:.2f}",
            _bar(of["share"], of["p"]),
        )
        for of in judge["bins"] if of["cases"]
    ]  # fmt: skip
    columns = (f"p({good})", "labels", "mean p", f"people: {good}", "95 %", "0 to 1")
    note = "# the share that people call so; | the mean p, at the end of the # where it is right"
    return Table(f"{judge['judge']}: are its probabilities right?", columns, tuple(rows), (note,))


def _bar(share: float, p: float) -> str:
    drawn = ["#" if (i + 0.5) / _WIDTH < share else "." for i in range(_WIDTH)]
    drawn[min(int(p * _WIDTH), _WIDTH - 1)] = "|"
    return "".join(drawn)


def _reviewers(pairs: Sequence[Mapping[str, Any]]) -> Table:
    rows = [_line(f"{' and '.join(of['reviewers'])}, {_THINGS[of['of']]}", of) for of in pairs]
    note = "a judge cannot agree with people more than they do with each other"
    return Table("Reviewers with each other", COLUMNS, tuple(rows), (note,))


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share * 100:.0f} %"


def _range(low: float | None, high: float | None) -> str:
    return "-" if low is None or high is None else f"{low * 100:.0f} to {high * 100:.0f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _interval(of: Mapping[str, float | None], *, brackets: bool = False) -> str:
    if of["low"] is None or of["high"] is None:
        return "" if brackets else "-"
    text = f"{of['low']:.2f} to {of['high']:.2f}"
    return f"[{text}]" if brackets else text
