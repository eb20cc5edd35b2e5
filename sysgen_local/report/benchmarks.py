"""Tables of benchmark scores for a terminal, Markdown and the report page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sysgen_local.core.intervals import wilson
from sysgen_local.evaluation.benchmarks.own import ITEM_KINDS
from sysgen_local.evaluation.statistics import main_metric
from sysgen_local.exporting import public_name
from sysgen_local.report.grid import Table, new_table, percent, percents
from sysgen_local.store.evaluation import Comparison, Evaluation

if TYPE_CHECKING:
    from rich.console import RenderableType


def sysbench_table(scores: Mapping[str, Any]) -> RenderableType:
    """CSR by type, ISR and SSR by group, and the rounds, in per cent as in the paper."""
    from rich.console import Group

    csr = new_table("CSR: criteria satisfied, %", *(f">{name}" for name in scores["csr"]))
    csr.add_row(*(percent(value) for value in scores["csr"].values()))
    groups = ("total", "dependent", "parallel")
    turns = new_table(
        "ISR: turns passed; SSR: turns passed before the first that is not, %",
        "sessions", ">ISR", ">aligned", ">misaligned", ">SSR", ">ISR strict", ">SSR strict",
    )  # fmt: skip
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
    names = [name for name in scores["rounds"]["total"] if not name.startswith("mean")]
    rounds = new_table(
        "R: first turns all passed; T: that turn passed, %",
        "sessions",
        *(f">{name}" for name in names),
    )
    for group in groups:
        rounds.add_row(group, *(percent(scores["rounds"][group][name]) for name in names))
    return Group(csr, turns, rounds)


def multifacet_table(scores: Mapping[str, Any]) -> RenderableType:
    """The averages by benchmark and overall, with notes where the official code differs."""
    columns = ("benchmark", ">instances", ">rated", ">average")
    table = new_table("Multifacet: mean of the instances' means, 1 to 5", *columns)
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


def advancedif_table(scores: Mapping[str, Any]) -> RenderableType:
    """The share of answers that meet all rubrics, by area, and of rubrics met, in per cent."""
    counts = scores["counts"]
    table = new_table("AdvancedIF, %", "share", ">%", ">95 %", ">of")
    for says, metric, whole in (
        ("overall: all rubrics met", "overall", "conversations"),
        ("  complex: many instructions in one turn", "complex", "complex"),
        ("  context: instructions of earlier turns", "context", "context"),
        ("  system: instructions of the system message", "system", "system"),
        ("rubrics met", "rubrics", "rubrics"),
    ):
        table.add_row(says, *with_interval(scores, metric), f"{counts[whole]:,}")
    return table


def with_interval(scores: Mapping[str, Any], metric: str) -> tuple[str, str]:
    """The cells of a share in per cent, and of its interval."""
    of = scores.get("intervals", {}).get(metric, {})
    return percent(scores[metric]), percents(of.get("low"), of.get("high"))


def own_table(scores: Mapping[str, Any]) -> RenderableType:
    """The metrics in per cent, and how many checks of each kind were met."""
    from rich.console import Group

    counts = scores["counts"]
    met = new_table("Items of a test set, graded by rule", "share", ">%", ">95 %", ">met", ">of")
    for says, metric, part, whole in (
        ("phrases: demands met", "phrases", "demands_met", "demands"),
        ("items: all demands met", "items", "items_met", "obey"),
        ("result: agrees, with a system message", "result", "results_kept", "results"),
        ("plain: agrees, without one", "plain", "plain_kept", "plain"),
    ):
        cells = with_interval(scores, metric)
        met.add_row(says, *cells, f"{counts[part]:,}", f"{counts[whole]:,}")
    for says, metric, part, whole in _MORE:
        if metric in scores:
            cells = with_interval(scores, metric)
            met.add_row(says, *cells, f"{counts[part]:,}" if part else "", f"{counts[whole]:,}")
    if counts.get("gave_in_of"):
        gave_in, of = counts["gave_in"], counts["gave_in_of"]
        _, low, high = wilson(gave_in, of)  # a row has one conflict
        met.add_row(_GAVE_IN, percent(gave_in / of), percents(low, high), f"{gave_in:,}", f"{of:,}")
    if counts.get("read_not_graded"):
        met.add_row(_NOT_READ, "-", "", "", f"{counts['read_not_graded']:,}")
    all_ = sum(counts.get(kind, 0) for kind in ITEM_KINDS)
    for says, fault in _FAULTS.items():
        cells = with_interval(scores, fault)
        met.add_row(f"answers {says}", *cells, f"{counts[fault]:,}", f"{all_:,}")
    kinds = new_table("By kind of check", "check", ">met", ">of", ">%")
    for of in (scores["kinds"], scores["agreement"]):
        for kind, n in of.items():
            kinds.add_row(kind, f"{n['met']:,}", f"{n['of']:,}", percent(n["met"] / n["of"]))
    return Group(met, kinds)


_MORE = (
    ("conflict: met against the user", "conflict", "conflict_met", "conflict"),
    ("  lower than without the conflict by", "conflict_drop", "", "conflict_pairs"),
    ("distract: met beside something else", "distract", "distract_met", "distract"),
    ("  lower than without the distractor by", "distract_drop", "", "distract_pairs"),
    ("turns: answers that meet all", "turns", "turn_answers_met", "turn_answers"),
    ("  last answers that do", "last_turn", "last_turns_met", "turns"),
    ("read: phrases followed, says the judge", "read", "read_met", "read_graded"),
)
_NOT_READ = "  phrases that no judge read"
_GAVE_IN = "  did what the user asked for"

_FAULTS = {
    "cut off by the limit of tokens": "cut_off",
    "without a word": "empty",
    "that repeat themselves": "looping",
    "that repeat the system message": "echo",
}

_NAMES = {*_FAULTS.values(), *(metric for _, metric, *_ in _MORE)}

_TITLES = {
    "multifacet": "Multifacet: mean of the instances' means, 1 to 5",
    "sysbench": "SysBench, %",
    "own": "Test set, %",
    "ifeval": "IFEval, %",
    "multi-if": "Multi-IF: mean of the four accuracies, %",
    "iheval": "IHEval, %",
    "advancedif": "AdvancedIF, %",
}


def _title(benchmark: str, file: str) -> str:
    """The title of a table. `file` names the benchmark's file where it may have several."""
    return f"{file}, %" if file else _TITLES.get(benchmark, benchmark)


def study_tables(
    benchmark: str,
    scores: Mapping[str, Mapping[str, float | None]],
    comparisons: Sequence[Comparison],
    notes: Sequence[str] = (),
    file: str = "",
) -> list[Table]:
    """One line for each model, as in the paper, and the differences to one of them with 95 %
    intervals, and with a mark where they hold among all comparisons of the study. `scores` is
    label -> metric -> number. `file` names the benchmark's file where it may have several."""
    metrics = list(dict.fromkeys(metric for of in scores.values() for metric in of))
    rows = [
        (label, *(_number(benchmark, of.get(metric)) for metric in metrics))
        for label, of in scores.items()
    ]
    title = _title(benchmark, file)
    tables = [Table(title, ("model", *map(_heading, metrics)), tuple(rows), tuple(notes))]
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
        cells = [_heading(metric)]
        for of in by_pair.values():
            cells.append(_difference(benchmark, of.get(metric)))
        rows.append(tuple(cells))
    names = tuple(f"{after} - {before}" for after, before in by_pair)
    drawn, each = ("rows", " items") if benchmark == "own" else ("questions", "")
    units = ", ".join(
        f"{after}: {next(iter(of.values())).units:,}{each}" for (after, _), of in by_pair.items()
    )
    note = f"in brackets the 95 % interval, paired bootstrap over {drawn} ({units})"
    notes = (note, *_correction(comparisons), *_detectable(benchmark, metrics, comparisons))
    return Table(f"{title}: differences", ("number", *names), tuple(rows), notes)


SURVIVES = "*"
"""Behind a difference that is significant after the correction."""


def _correction(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """A note on the correction for many comparisons. Comparisons of one baseline may come from
    several studies."""
    sizes = sorted({c.family for c in comparisons if c.family is not None})
    if not sizes:
        return
    of = " or ".join(f"{size:,}" for size in sizes)
    rule = f"Holm's correction for the {of} comparisons of the study (p <= 0.05)"
    if any(c.survives for c in comparisons):
        yield f"{SURVIVES} significant after {rule}"
    else:
        yield f"no difference is significant after {rule}"


def _detectable(
    benchmark: str, metrics: Sequence[str], comparisons: Sequence[Comparison]
) -> Iterator[str]:
    """Notes on the smallest differences that so many questions show, of the main metric."""
    main = main_metric(benchmark, metrics)
    for c in comparisons:
        if c.metric == main and c.detectable:
            yield (
                f"{_heading(c.metric)}: {c.units:,} questions show a difference between "
                f"{c.after_label} and {c.before_label} from {_number(benchmark, c.detectable)} on "
                "(with a probability of 80 %, at 95 %)"
            )


def _difference(benchmark: str, c: Comparison | None) -> str:
    if c is None or c.difference is None:
        return "-"
    if c.low is None or c.high is None:
        return _number(benchmark, c.difference, sign=True)
    numbers = [_number(benchmark, value, sign=True) for value in (c.difference, c.low, c.high)]
    mark = f" {SURVIVES}" if c.survives else ""
    return f"{numbers[0]} [{numbers[1]}, {numbers[2]}]{mark}"


def _heading(metric: str) -> str:
    """A metric's name in a table: `prompt_level_strict_acc` is "prompt strict"."""
    if metric.endswith(("_level_strict_acc", "_level_loose_acc")):
        level, _, kind, _ = metric.split("_")
        return f"{'instruction' if level == 'inst' else level} {kind}"
    return metric.replace("_", " ") if metric in _NAMES else metric


def _number(benchmark: str, value: float | None, *, sign: bool = False) -> str:
    """A score with two decimals, a percentage with one, as in the papers."""
    if value is None:
        return "-"
    scaled, digits = (value, 2) if benchmark == "multifacet" else (100 * value, 1)
    return f"{scaled:+.{digits}f}" if sign else f"{scaled:.{digits}f}"


def section(store: Evaluation) -> list[Table]:
    """The tables of an evaluation file for the report page: those of every study, then every scored
    grading run. A model without a label in its study is named without its folders."""
    tables = []
    answering = {m["grading_run"]: m["answering"] for m in store.scored()}
    studies: dict[tuple[str, int], list[Comparison]] = {}
    for c in store.comparisons():
        c = replace(
            c,
            before_label=_public(c.before_label, answering.get(c.before_run, {}), "model"),
            after_label=_public(c.after_label, answering.get(c.after_run, {}), "model"),
        )
        studies.setdefault((c.benchmark, c.before_run), []).append(c)
    for (benchmark, run), found in studies.items():
        scores: dict[str, dict[str, float | None]] = {}
        for c in found:
            scores.setdefault(c.before_label, {})[c.metric] = c.before
            scores.setdefault(c.after_label, {})[c.metric] = c.after
        file = answering.get(run, {}).get("questions_file", "")
        tables += study_tables(benchmark, scores, found, file=file)
    for name in _TITLES:
        runs: dict[str, list[Mapping[str, Any]]] = {}
        for m in store.scored():
            if m["benchmark"] == name:
                runs.setdefault(m["answering"].get("questions_file", ""), []).append(m)
        tables += [_grading_runs(name, file, of) for file, of in runs.items()]
    return tables


def _public(name: str, facts: Mapping[str, str], role: str) -> str:
    """The public name of the model with this role in a run, or of its label."""
    return public_name(name, facts.get(f"{role}_file", ""), facts.get(f"{role}_lora", ""))


def _graded_by(facts: Mapping[str, str]) -> str:
    judge = [_public(facts.get("judge", "?"), facts, "judge")] if "judge" in facts else []
    rules = ["rules"] if "rules" in facts else []
    return ", ".join([*rules, *judge]) or "?"


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
    "own": {name: name for name in ("phrases", "items", "result", "plain")},
    "ifeval": {
        f"{says} {kind}": f"{level}_level_{kind}_acc"
        for says, level in (("prompts", "prompt"), ("instructions", "inst"))
        for kind in ("strict", "loose")
    },
    "multi-if": {f"turn {n}": f"turns.{n}.all_languages.overall" for n in (1, 2, 3)},
    "iheval": {name: f"overall.{name}" for name in ("reference", "aligned", "conflict")},
    "advancedif": {name: name for name in ("overall", "complex", "context", "system", "rubrics")},
}


def _grading_runs(benchmark: str, file: str, runs: Sequence[Mapping[str, Any]]) -> Table:
    shown = _SHOWN[benchmark]
    if benchmark == "own":
        there = {metric for m in runs for metric in m["scores"]}
        shown = {
            **shown,
            **{_heading(metric): metric for _, metric, *_ in _MORE if metric in there},
        }
    rows = []
    for m in runs:
        of, by, scores = m["answering"], m["judging"], m["scores"]
        counts = [f"{int(scores[f'questions.{key}']):,}" for key in ("judged", "all")]
        rows.append((
            _public(of.get("model", "?"), of, "model"),
            _graded_by(by),
            f"{of.get('system_in', '')}, {of.get('history', '')} history",
            *(_number(benchmark, scores.get(path)) for path in shown.values()),
            " of ".join(counts),
        ))  # fmt: skip
    columns = ("model", "judge", "system message in", *shown, "questions")
    return Table(f"{_title(benchmark, file)}: every run", columns, tuple(rows))
