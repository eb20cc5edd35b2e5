"""The table of the checks of new answers, for terminal and page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sysgen_local.core.records import KINDS
from sysgen_local.report.grid import Table

Checks = Mapping[str, Any]
"""The key `checks` of the result of `Store.stats`."""


def checks_table(found: Checks, other: Checks | None = None) -> Table:
    """How often each kind of check was made for the kept answers, and how often it passed. For
    `other`, the shares that passed."""
    columns = ["an answer", "looked at", "held", "share"]
    rows = []
    for kind, of in found["kinds"].items():
        cells = [KINDS.get(kind, kind), f"{of['looked_at']:,}", f"{of['held']:,}", _share(of)]
        if other:
            cells.append(_share(other["kinds"].get(kind)))
        rows.append(tuple(cells))
    columns += ["other"] if other else []
    return Table("checks of new answers", tuple(columns), tuple(rows), tuple(_notes(found)))


def _notes(found: Checks) -> Iterator[str]:
    agrees = found["agrees"]
    names = {"yes": "yes", "no": "no", "nothing to look at": "not_checkable"}
    counts = ", ".join(f"{words} {agrees[name]:,}" for words, name in names.items())
    yield f"rows that keep what the original had right: {counts}"
    if found["obeys"] is not None:
        yield f"rows do what they were told with a probability of {found['obeys']:.2f} in the mean"
    if found["tries"]:
        yield f"answers a row took: {_listed(found['tries'], ': ')}"
    if found["faults"]:
        yield f"answers that were not taken: {_listed(found['faults'], ' ')}"


def _listed(counts: Mapping[str, int], between: str) -> str:
    return ", ".join(f"{name}{between}{n:,}" for name, n in counts.items())


def _share(of: Mapping[str, int] | None) -> str:
    return f"{of['held'] / of['looked_at']:.1%}" if of else ""
