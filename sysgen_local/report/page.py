"""`sysgen report`: one HTML page that contains everything it shows. It loads nothing from a
network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sysgen_local import __version__
from sysgen_local.core.records import TAGS, Checked
from sysgen_local.core.shard import described
from sysgen_local.exporting import files_of, public_facts, public_name, source_names
from sysgen_local.report import plots
from sysgen_local.report.checks import checks_table
from sysgen_local.report.grid import Table
from sysgen_local.report.html import html
from sysgen_local.report.judgements import judge_tables, similarity_tables
from sysgen_local.report.page_row import page_row
from sysgen_local.report.speed import speed, speed_table
from sysgen_local.report.tokens import tokens_table
from sysgen_local.report.trainings import TrainingRecord, training_table
from sysgen_local.report.trust import trust_tables
from sysgen_local.report.word_diff import LONGEST, word_diff
from sysgen_local.store import RowQuery, Store

SAMPLE = 400
"""Maximum number of rows on the page. More would make it slow to open."""

TEXT = LONGEST
"""Maximum number of characters that are shown of one text: what can be compared by words."""

PASSED = 0.5
"""A check with at least this probability passed."""


RESULTS = {
    "agrees": "agrees",
    "disagrees": "does not agree",
    "not compared": "not compared",
    "fails": "fails a check",
    "rewritten": "several answers",
    "unchecked": "not checked",
}
"""A result of the checks that rows can be filtered by -> its words on the page."""


def page(
    store: Store,
    *,
    title: str,
    licences: Sequence[tuple[str, str, str]] = (),
    judgements: Sequence[Mapping[str, Any]] = (),
    benchmarks: Sequence[Table] = (),
    trainings: Sequence[TrainingRecord] = (),
    trust: Mapping[str, Any] | None = None,
) -> str:
    """The whole page as HTML. `licences` is (dataset or model, licence, what it requires);
    `judgements` are the results of judges, and `trust` their agreement with people; `benchmarks`
    are the tables of benchmark scores; `trainings` are models that were trained on the rows.

    The page is meant to be shared, so it has no absolute path (see `exporting.public_names`) and no
    names and notes of reviewers. What the caller gives must have no path either."""
    from markupsafe import Markup

    names = source_names(store.files())
    stats = _public_stats(store, names)
    usable = stats["rows"]["input"] - stats["rows"]["rejected"]
    query = RowQuery(limit=SAMPLE, seed=0 if usable > SAMPLE else None)
    rows = list(_entries(store, query, names))
    tags = [(names.get(name, name), tag, share) for name, tag, share in store.tags_by_dataset()]
    drawn = {
        "Rows left after each phase": plots.funnel(stats),
        "Good phrases by tag, per dataset": plots.tags(tags),
        "How sure the judge was": plots.verdicts(stats),
        "Length of new answers": plots.lengths(store.ratios()),
        "Speed": plots.pace(store.pace()),
    }
    runs = store.speeds()
    checks = stats["checks"] if "check" in stats["phases"] else None
    judged = [_public_judge(judge, names) for judge in judgements]
    return html(
        Path(__file__).parent,
        data=rows,
        title=title,
        version=__version__,
        stats=stats,
        usable=usable,
        shard=described(stats["shard"]) if stats["shard"] else None,
        plots={name: Markup(svg) for name, svg in drawn.items()},
        speed=speed(runs),
        speeds=speed_table(runs) if len(runs) > 1 else None,
        tokens=tokens_table(stats),
        checks=checks_table(checks) if checks else None,
        check_plots={name: Markup(svg) for name, svg in _drawn(checks)} if checks else {},
        licences=licences,
        judgements=[*similarity_tables(stats["measures"]), *judge_tables(judged)],
        trust=trust_tables(trust) if trust else [],
        reliability=[(name, Markup(svg)) for name, svg in _reliability(trust)] if trust else [],
        benchmarks=benchmarks,
        trainings=[training_table(trainings)] if trainings else [],
        curves=Markup(_curves(trainings)) if trainings else "",
        tags=TAGS,
        reasons=sorted({row["why"] for row in rows} - {""}),
        results=RESULTS,
        shown=len(rows),
        longest=TEXT,
    )


def _curves(trainings: Sequence[TrainingRecord]) -> str:
    """The plot of the losses. Of many steps each tenth of a percent is one point, their mean."""
    curves = {}
    for record in trainings:
        steps = [(of.step, of.loss) for of in record.points if of.loss is not None]
        size = max(1, len(steps) // 1000)
        parts = [steps[start : start + size] for start in range(0, len(steps), size)]
        curves[record.name] = [
            *((part[-1][0], sum(loss for _, loss in part) / len(part), False) for part in parts),
            *((of.step, of.held_out_loss, True) for of in record.points
              if of.held_out_loss is not None),
        ]  # fmt: skip
    return plots.losses(curves)


def _public_stats(store: Store, names: Mapping[str, str]) -> dict[str, Any]:
    """The statistics with public names, and with the files of each dataset."""
    stats, files = store.stats(), store.files()
    datasets = {
        names.get(name, name): {**of, "files": files_of(name, files)}
        for name, of in stats["datasets"].items()
    }
    recipes = {
        phase: {**recipe, "facts": public_facts(recipe["facts"])}
        for phase, recipe in stats["recipes"].items()
    }
    measures = {names.get(name, name): of for name, of in stats["measures"].items()}
    return {**stats, "datasets": datasets, "recipes": recipes, "measures": measures}


def _public_judge(judge: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    datasets = {names.get(name, name): of for name, of in judge["datasets"].items()}
    return {**judge, "judge": public_name(judge["judge"]), "datasets": datasets}


def _drawn(checks: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(title, SVG) of the plots that have data."""
    if any(checks["p_agrees"]):
        yield (
            "Does it agree with the original, says the model",
            plots.tenths(checks["p_agrees"], "probability that it agrees", "answers"),
        )
    if any(checks["p_obeys"]):
        yield (
            "Does it do as it was told",
            plots.tenths(checks["p_obeys"], "mean probability that a phrase is followed", "rows"),
        )
    if checks["tries"]:
        yield "Answers a row took", plots.tries(checks["tries"])


def _reliability(trust: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(title, SVG) of the reliability diagram of each judge with enough labels."""
    for judge in trust["judges"]:
        if judge["enough"]:
            good = {"phrase": "good", "pair": "the new answer"}[judge["of"]]
            yield f"{judge['judge']} and people", plots.reliability(judge["bins"], good)


def _entries(store: Store, query: RowQuery, names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    phases = store.phases
    stale = {number for number, _ in store.queue(RowQuery(where="stale", limit=None))}
    for row in store.find(query):
        origin = store.origin(row.row)
        assert origin is not None
        origin = replace(origin, path=names.get(origin.path, origin.path))
        review = store.reviewed(row.row)
        entry = page_row(row, origin, review, phases=phases, stale=row.row in stale, longest=TEXT)
        private = {"reviewer": None, "note": ""}
        yield entry | _differences(entry) | private | {"results": list(_results(row.checked))}


def _differences(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The word diffs of the texts as they are shown: `diffs` of the old and new turns, by their
    place, and `system_diff` of the row's old system message and the one it has now."""
    now = entry["edited_system"] or entry["system"]
    edited = iter(entry["answers"] or ())
    new = [next(edited, text) if role == "assistant" else text for role, text in entry["new"]]
    return {
        "diffs": [word_diff(old, text) for (_, old), text in zip(entry["old"], new, strict=False)],
        "system_diff": word_diff(entry["old_system"], now),
    }


def _results(checked: Checked | None) -> Iterator[str]:
    """Those of RESULTS that the row has."""
    if checked is None:
        yield "unchecked"
        return
    yield {True: "agrees", False: "disagrees", None: "not compared"}[checked.agrees]
    if checked.dropped or any(check.p < PASSED for check in checked.checks):
        yield "fails"
    if checked.tries > 1:
        yield "rewritten"
