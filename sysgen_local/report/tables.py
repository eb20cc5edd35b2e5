"""The tables of `sysgen stats`: the SysGen paper's tables 2, 8 and 9 for a file, and distributions.

The input is the result of `Store.stats`, or the side file of a running job, which has less. A
second file can be shown beside it, in shares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sysgen_local.core.numbered import numbered
from sysgen_local.core.records import REPAIRS
from sysgen_local.core.shard import described
from sysgen_local.report import paper
from sysgen_local.report.checks import checks_table
from sysgen_local.report.colours import colour
from sysgen_local.report.digest import reviewed
from sysgen_local.report.grid import literal, new_table
from sysgen_local.report.judgements import judge_tables, similarity_tables
from sysgen_local.report.tokens import tokens_table

if TYPE_CHECKING:
    from rich.table import Table

Stats = Mapping[str, Any]
BARS = " ▁▂▃▄▅▆▇█"


def tables(state: Stats, other: Stats | None = None, *, beside_paper: bool = False) -> list[Table]:
    """All tables that have data. `other` is another file, shown in shares."""
    found = [_rows(state, other), _phases(state, other, beside_paper)]
    if state["rows"]["rejected"] or state["rows"]["dropped"]:
        found.append(_reasons(state))
    if spent := tokens_table(state, other):
        found.append(spent.rich())
    if state.get("repairs"):
        found.append(_repairs(state))
    if state.get("tags"):
        found.append(_tags(state, other, beside_paper))
    if state.get("removed"):
        found.append(_removed(state, other))
    if state.get("verdicts"):
        found.append(_verdicts(state, other))
    if state.get("checks") and "check" in state["phases"]:
        theirs = other["checks"] if other and "check" in other["phases"] else None
        found.append(checks_table(state["checks"], theirs).rich())
    if state.get("advice"):
        found.insert(1, _advice(state))
    if state.get("lengths") and state["rows"]["final"]:
        found.append(_lengths(state, other))
    if state.get("measures"):
        measured = similarity_tables(state["measures"], beside_paper=beside_paper)
        found += [table.rich() for table in measured]
    if state.get("judgements"):
        found += [table.rich() for table in judge_tables(state["judgements"])]
    if state.get("datasets"):
        found += [_sources(state), _datasets(state)]
    if beside_paper:
        found.append(_papers_datasets())
    if state.get("first_rejects"):
        found.append(_rejects(state))
    return found


def _rows(state: Stats, other: Stats | None) -> Table:
    table = new_table("rows", *(f">{name}" for name in state["rows"]))
    table.add_row(*(f"{n:,}" for n in state["rows"].values()))
    if other:
        table.add_row(*(f"{n:,}" for n in other["rows"].values()), style="dim")
    notes = [described(shard)] if (shard := state.get("shard")) else []
    if (existing := state.get("existing_system")) and existing["rows"]:
        notes.append(
            f"{existing['rows']:,} came with a system message of their own, "
            f"{existing['kept']:,} of those were kept"
        )
    if reasoning := state.get("reasoning"):
        notes.append(
            f"{reasoning:,} came with reasoning before answers, which is kept apart from them"
        )
    if (reviews := state.get("reviews")) and any(reviews.values()):
        notes.append(reviewed(reviews))
    table.caption = "\n".join(notes) or None
    return table


def _advice(state: Stats) -> Table:
    table = new_table("what is poor, and what to try", "")
    table.show_header = False
    for of in state["advice"]:
        table.add_row(literal(of["says"]))
    return table


def _phases(state: Stats, other: Stats | None, beside_paper: bool) -> Table:
    usable = state["rows"]["input"] - state["rows"]["rejected"]
    columns = ["phase", ">went on", f">of {usable:,} usable", ">dropped"]
    if beside_paper:
        columns += [f">{model}" for model in paper.MODELS]
    if other:
        columns.append(">other")
    table = new_table("rows left after each phase (table 2)", *columns)
    for phase, of in state["phases"].items():
        dropped = f"{sum(of['dropped'].values()):,}"
        cells = [phase, f"{of['kept']:,}", _share(of["kept"], usable), dropped]
        if beside_paper:
            survived = paper.SURVIVED.get(phase, ())
            cells += [_share(n, paper.ROWS) for n in survived] or [""] * len(paper.MODELS)
        if other:
            whole = other["rows"]["input"] - other["rows"]["rejected"]
            there = other["phases"].get(phase)  # the other file may have no checks
            cells.append(_share(there["kept"], whole) if there else "")
        table.add_row(*cells)
    return table


def _reasons(state: Stats) -> Table:
    table = new_table("why rows were left out", "where", "reason", ">rows")
    for reason, n in state.get("rejects", {}).items():
        table.add_row("input (rejected)", reason, f"{n:,}")
    for phase, of in state["phases"].items():
        for reason, n in of["dropped"].items():
            table.add_row(f"{phase} (dropped)", reason, f"{n:,}")
    return table


def _repairs(state: Stats) -> Table:
    table = new_table("conversations that were mended as they were read", ">rows", "they")
    for kind, n in state["repairs"].items():
        table.add_row(f"{n:,}", REPAIRS.get(kind, kind))
    return table


def _tags(state: Stats, other: Stats | None, beside_paper: bool) -> Table:
    steps = list(next(iter(state["tags"].values())))
    columns = ["tag"]
    filtered = state["phases"]["filter"]["kept"]
    for step in steps:
        columns += [f">{step}", *([f">of {filtered:,}"] if step == "filtered" else [])]
    if beside_paper:
        columns += [f">{model}" for model in paper.MODELS]
    if other:
        columns.append(">other")
    table = new_table("rows with a phrase under each tag (table 8)", *columns)
    table.columns[0].min_width = max(map(len, state["tags"]))
    for tag, of in state["tags"].items():
        cells = [f"[{colour(tag)}]{tag}[/]"]
        for step in steps:
            cells += [
                f"{of[step]:,}",
                *([_share(of[step], filtered)] if step == "filtered" else []),
            ]
        if beside_paper:
            thousands = next((n for t, n in paper.TAGGED.items() if t == tag), ())
            cells += [_share(n * 1000, paper.ROWS) for n in thousands] or [""] * len(paper.MODELS)
        if other:
            there = other["tags"].get(tag, {}).get("filtered", 0)
            cells.append(_share(there, other["phases"]["filter"]["kept"]))
        table.add_row(*cells)
    return table


def _removed(state: Stats, other: Stats | None) -> Table:
    columns = ["reason", ">phrases", ">of removed"]
    table = new_table("phrases the filter removed", *columns, *([">other"] if other else []))
    there = other.get("removed", {}) if other else {}
    for reason, n in state["removed"].items():
        cells = [reason, f"{n:,}", _share(n, sum(state["removed"].values()))]
        if other:
            cells.append(_share(there.get(reason, 0), sum(there.values())))
        table.add_row(*cells)
    return table


def _verdicts(state: Stats, other: Stats | None) -> Table:
    columns = ["tag", ">good", ">bad", ">none", "p(good), 0 to 1"]
    table = new_table("verdicts on phrases", *columns, *([">good, other"] if other else []))
    for tag, of in state["verdicts"].items():
        judged = of["good"] + of["bad"] + of["none"]
        if not judged:
            continue
        most = max(of["p_good"])
        bars = "".join(BARS[-(-n * (len(BARS) - 1) // most)] for n in of["p_good"])
        cells = [f"[{colour(tag)}]{tag}[/]", *(f"{of[k]:,}" for k in ("good", "bad", "none"))]
        cells.append(f"[{bars}]".replace("[", "\\["))
        if other:
            theirs = other["verdicts"][tag]
            cells.append(_share(theirs["good"], theirs["good"] + theirs["bad"] + theirs["none"]))
        table.add_row(*cells)
    return table


def _lengths(state: Stats, other: Stats | None) -> Table:
    columns = [">mean", ">10 %", ">50 %", ">90 %"]
    table = new_table(
        "characters, of final rows", "what", *columns, *([">mean, other"] if other else [])
    )
    for name, of in state["lengths"].items():
        say: Callable[[float], str] = _ratio if name == "ratio" else _whole
        cells = [name.replace("_", " "), *(say(n) for n in of.values())]
        if name == "ratio":
            cells[0] = "new / old"
        if other:
            mean = other["lengths"][name]["mean"]
            cells.append("" if mean is None else say(mean))
        table.add_row(*cells)
    return table


def _sources(state: Stats) -> Table:
    sums = ("input", "final", "dropped", "rejected", "pending")
    table = new_table("rows by dataset", "dataset", *(f">{name}" for name in sums))
    for name, of in state["datasets"].items():
        table.add_row(literal(name), *(f"{of[key]:,}" for key in sums))
    return table


def _datasets(state: Stats) -> Table:
    table = new_table(
        "datasets (table 9)", "dataset", "licence", ">query", ">answer",
        ">several turns", ">with system",
    )  # fmt: skip
    for name, of in state["datasets"].items():
        means = [_whole(of[key] or 0) for key in ("mean_instruction", "mean_answer")]
        others = [f"{of[key]:,}" for key in ("multi_turn", "with_system")]
        table.add_row(literal(name), literal(of["license"] or "?"), *means, *others)
    table.caption = "query and answer: mean characters, as they came"
    return table


def _papers_datasets() -> Table:
    table = new_table("the paper's datasets", "dataset", ">rows", ">query", ">answer")
    for name, numbers in paper.DATASETS.items():
        table.add_row(name, *(f"{n:,}" for n in numbers))
    return table


def _rejects(state: Stats) -> Table:
    table = new_table("the first rejects", "file", "where", "reason", "detail")
    for of in state["first_rejects"]:
        table.add_row(
            literal(of["path"]),
            numbered(of["path"], of["line"]),
            of["reason"],
            literal(of["detail"]),
        )
    return table


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else ""


def _whole(number: float) -> str:
    return f"{number:,.0f}"


def _ratio(number: float) -> str:
    return f"{number:.2f}"
