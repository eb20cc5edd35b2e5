"""`sysgen report`: one HTML page that contains everything it shows. It loads nothing from a
network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sysgen_local import __version__
from sysgen_local.core.records import TAGS
from sysgen_local.report import plots
from sysgen_local.report.checks import checks_table
from sysgen_local.report.grid import Table
from sysgen_local.report.html import html
from sysgen_local.report.judgements import judge_tables, similarity_tables
from sysgen_local.report.page_row import page_row
from sysgen_local.store import RowQuery, Store

SAMPLE = 400
"""Maximum number of rows on the page. More would make it slow to open."""

TEXT = 4000
"""Maximum number of characters that are shown of one text."""


def page(
    store: Store,
    *,
    title: str,
    licences: Sequence[tuple[str, str, str]] = (),
    judgements: Sequence[Mapping[str, Any]] = (),
    benchmarks: Sequence[Table] = (),
) -> str:
    """The whole page as HTML. `licences` is (dataset or model, licence, what it requires);
    `judgements` are the results of judges; `benchmarks` are the tables of benchmark scores."""
    from markupsafe import Markup

    stats = store.stats()
    usable = stats["rows"]["input"] - stats["rows"]["rejected"]
    rows = list(_entries(store, RowQuery(limit=SAMPLE, seed=0 if usable > SAMPLE else None)))
    drawn = {
        "Rows left after each phase": plots.funnel(stats),
        "Good phrases by tag, per dataset": plots.tags(store.tags_by_dataset()),
        "How sure the judge was": plots.verdicts(stats),
        "Length of new answers": plots.lengths(store.ratios()),
        "Speed": plots.pace(store.pace()),
    }
    checks = stats["checks"] if "check" in stats["phases"] else None
    return html(
        Path(__file__).parent,
        data=rows,
        title=title,
        version=__version__,
        stats=stats,
        usable=usable,
        plots={name: Markup(svg) for name, svg in drawn.items()},
        checks=checks_table(checks) if checks else None,
        check_plots={name: Markup(svg) for name, svg in _drawn(checks)} if checks else {},
        licences=licences,
        judgements=[*similarity_tables(stats["measures"]), *judge_tables(judgements)],
        benchmarks=benchmarks,
        tags=TAGS,
        shown=len(rows),
    )


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


def _entries(store: Store, query: RowQuery) -> Iterator[dict[str, Any]]:
    phases = store.phases
    stale = {number for number, _ in store.queue(RowQuery(where="stale", limit=None))}
    for row in store.find(query):
        origin = store.origin(row.row)
        assert origin is not None
        review = store.reviewed(row.row)
        yield page_row(row, origin, review, phases=phases, stale=row.row in stale, longest=TEXT)
