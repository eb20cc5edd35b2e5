"""One DuckDB file that holds a run: what came in, what each phase made of it, what came out.

Every SQL statement of the project lives in this package; it knows no model and no command line.
"""

from sysgen_local.store.copying import (
    CHECKED_FORMATS,
    FORMATS,
    IMPORTED,
    OUTSIDE,
    VARIANTS,
    Format,
    LineageEntry,
    Selection,
    Variant,
)
from sysgen_local.store.counts import Counts, PhaseCounts
from sysgen_local.store.file import LockedError
from sysgen_local.store.forgetting import Losses
from sysgen_local.store.intake import GrownError, Reread
from sysgen_local.store.journal import Recipe, Run
from sysgen_local.store.judging import Judged, JudgeQueue, Pair
from sysgen_local.store.reviews import Decision, Review, Version
from sysgen_local.store.rows import RowQuery, State
from sysgen_local.store.store import Origin, Store

__all__ = [
    "CHECKED_FORMATS",
    "FORMATS",
    "IMPORTED",
    "OUTSIDE",
    "VARIANTS",
    "Counts",
    "Decision",
    "Format",
    "GrownError",
    "JudgeQueue",
    "Judged",
    "LineageEntry",
    "LockedError",
    "Losses",
    "Origin",
    "Pair",
    "PhaseCounts",
    "Recipe",
    "Reread",
    "Review",
    "RowQuery",
    "Run",
    "Selection",
    "State",
    "Store",
    "Variant",
    "Version",
]
