"""Tables of benchmark scores for a terminal, Markdown and the report page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sysgen_local.report.grid import Table
from sysgen_local.store.evaluation import Comparison, Evaluation

if TYPE_CHECKING:
    from rich.console import RenderableType


def sysbench_table(scores: Mapping[str, Any]) -> RenderableType:
    """CSR by type, ISR and SSR by group, and the rounds, in per cent as in the paper."""
    from rich.console import Group
    from rich.table import Table as RichTable

    csr = RichTable(title="CSR: criteria satisfied, %", title_justify="left")
    for name in scores["csr"]:
        csr.add_column(name, justify="right")
    csr.add_row(*(percent(value) for value in scores["csr"].values()))
    groups = ("total", "dependent", "parallel")
    turns = RichTable(title="ISR: turns passed; SSR: turns passed before the first that is not, %",
                  title_justify="left")  # fmt: skip
    for name in ("sessions", ">ISR", ">aligned", ">misaligned", ">SSR", ">ISR strict",
                 ">SSR strict"):  # fmt: skip
        turns.add_column(name.lstrip(">"), justify="right" if name[0] == ">" else "left")
    for group in groups:
        prefix = "" if group == "total" else f"{group}/"
        numbers = [
            scores["isr"][group],
            scores["isr"][f"{prefix}aligned"],
            scores["isr"][f"{prefix}misaligned"],
            scores["ssr"][group],
            scores["strict"]["isr"][group],
            scores["strict"]["ssr"][group],
        ]
        turns.add_row(group, *map(percent, numbers))
    rounds = RichTable(
        title="R: first turns all passed; T: that turn passed, %", title_justify="left"
    )
    rounds.add_column("sessions")
    names = [name for name in scores["rounds"]["total"] if not name.startswith("mean")]
    for name in names:
        rounds.add_column(name, justify="right")
    for group in groups:
        rounds.add_row(group, *(percent(scores["rounds"][group][name]) for name in names))
    return Group(csr, turns, rounds)


def percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}".rstrip("%")


def multifacet_table(scores: Mapping[str, Any]) -> RenderableType:
    """The averages by benchmark and overall, with notes where the official code differs."""
    from rich.table import Table as RichTable

    table = RichTable(
        title="Multifacet: mean of the instances' means, 1 to 5", title_justify="left"
    )
    for name in ("benchmark", ">instances", ">rated", ">average"):
        table.add_column(name.lstrip(">"), justify="right" if name[0] == ">" else "left")
    for name, of in [*scores["benchmarks"].items(), ("all", scores)]:
        average = of["average_of_rated"]
        cells = [str(of[key]) for key in ("instances", "rated")]
        table.add_row(name, *cells, "-" if average is None else f"{average:.2f}")
    counts = scores["counts"]
    remarks = []
    if counts["unparsable"]:
        remarks.append(f"{counts['unparsable']} replies hold no score: the official code crashes")
    if counts["out_of_range"]:
        remarks.append(f"{counts['out_of_range']} scores are none of 1 to 5, and counted")
    table.caption = "; ".join(remarks) or None
    return table


_TITLES = {
    "multifacet": "Multifacet: mean of the instances' means, 1 to 5",
    "sysbench": "SysBench, %",
}


def study_tables(
    benchmark: str,
    scores: Mapping[str, Mapping[str, float | None]],
    comparisons: Sequence[Comparison],
    notes: Sequence[str] = (),
) -> list[Table]:
    """One line for each model, as in the paper, and the differences to the first model with 95 %
    intervals. `scores` is label -> metric -> number."""
    metrics = list(dict.fromkeys(metric for of in scores.values() for metric in of))
    rows = [
        (label, *(_number(benchmark, of.get(metric)) for metric in metrics))
        for label, of in scores.items()
    ]
    title = _TITLES.get(benchmark, benchmark)
    tables = [Table(title, ("model", *metrics), tuple(rows), tuple(notes))]
    if comparisons:
        tables.append(_differences(benchmark, title, metrics, comparisons))
    return tables


def _differences(
    benchmark: str, title: str, metrics: Sequence[str], comparisons: Sequence[Comparison]
) -> Table:
    by_pair: dict[tuple[str, str], dict[str, Comparison]] = {}
    for c in comparisons:
        by_pair.setdefault((c.after_label, c.before_label), {})[c.metric] = c
    rows = []
    for metric in metrics:
        cells = [metric]
        for of in by_pair.values():
            cells.append(_difference(benchmark, of.get(metric)))
        rows.append(tuple(cells))
    names = tuple(f"{after} - {before}" for after, before in by_pair)
    units = ", ".join(
        f"{after}: {next(iter(of.values())).units:,}" for (after, _), of in by_pair.items()
    )
    note = f"in brackets the 95 % interval, paired bootstrap over questions ({units})"
    return Table(f"{title}: differences", ("number", *names), tuple(rows), (note,))


def _difference(benchmark: str, c: Comparison | None) -> str:
    if c is None or c.difference is None:
        return "-"
    if c.low is None or c.high is None:
        return _number(benchmark, c.difference, sign=True)
    numbers = [_number(benchmark, value, sign=True) for value in (c.difference, c.low, c.high)]
    return f"{numbers[0]} [{numbers[1]}, {numbers[2]}]"


def _number(benchmark: str, value: float | None, *, sign: bool = False) -> str:
    """A score with two decimals, a percentage with one, as in the papers."""
    if value is None:
        return "-"
    scaled, digits = (value, 2) if benchmark == "multifacet" else (100 * value, 1)
    return f"{scaled:+.{digits}f}" if sign else f"{scaled:.{digits}f}"


def section(store: Evaluation) -> list[Table]:
    """The tables of an evaluation file for the report page: those of every study, then every scored
    grading run."""
    tables = []
    studies: dict[tuple[str, int], list[Comparison]] = {}
    for c in store.comparisons():
        studies.setdefault((c.benchmark, c.before_run), []).append(c)
    for (benchmark, _), found in studies.items():
        scores: dict[str, dict[str, float | None]] = {}
        for c in found:
            scores.setdefault(c.before_label, {})[c.metric] = c.before
            scores.setdefault(c.after_label, {})[c.metric] = c.after
        tables += study_tables(benchmark, scores, found)
    for name in _TITLES:
        runs = [m for m in store.scored() if m["benchmark"] == name]
        if runs:
            tables.append(_grading_runs(name, runs))
    return tables


def harness_table(results: Mapping[str, Any]) -> Table:
    """One line for each metric of the harness, with its standard error."""
    rows = []
    for task, of in results["results"].items():
        for name, value in of.items():
            metric, _, kind = name.partition(",")
            if not isinstance(value, int | float) or metric.endswith("_stderr") or not kind:
                continue
            error = of.get(f"{metric}_stderr,{kind}")
            tail = f"{error:.4f}" if isinstance(error, float) else "-"
            rows.append((task, metric, f"{value:.4f}", tail, str(results["samples"].get(task, ""))))
    columns = ("task", "metric", "value", "standard error", "rows")
    return Table("lm-evaluation-harness", columns, tuple(rows))


_SHOWN = {
    "multifacet": {"average": "average_of_rated"},
    "sysbench": {"CSR": "csr.total", "ISR": "isr.total", "SSR": "ssr.total"},
}


def _grading_runs(benchmark: str, runs: Sequence[Mapping[str, Any]]) -> Table:
    shown = _SHOWN[benchmark]
    rows = []
    for m in runs:
        of, scores = m["answering"], m["scores"]
        counts = [f"{int(scores[f'questions.{key}']):,}" for key in ("judged", "all")]
        rows.append((
            of.get("model", "?"), m["judging"].get("judge", "?"),
            f"{of.get('system_in', '')}, {of.get('history', '')} history",
            *(_number(benchmark, scores.get(path)) for path in shown.values()),
            " of ".join(counts),
        ))  # fmt: skip
    columns = ("model", "judge", "system message in", *shown, "questions")
    return Table(f"{_TITLES[benchmark]}: every run", columns, tuple(rows))
