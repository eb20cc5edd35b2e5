"""The store of a run: one DuckDB file with the input, the results of each phase, and the output.

All SQL of the project is in this package. It depends on no model and no command line.
"""

from sysgen_local.store.copying import (
    IMPORTED,
    VARIANTS,
    LineageEntry,
    Selection,
    Variant,
)
from sysgen_local.store.counts import Counts, PhaseCounts
from sysgen_local.store.decisions import Decided, Merged
from sysgen_local.store.file import LockedError
from sysgen_local.store.forgetting import Losses
from sysgen_local.store.intake import GrownError, Reread, SourceFile
from sysgen_local.store.journal import Recipe, Run
from sysgen_local.store.judging import Judged, JudgeQueue, Pair
from sysgen_local.store.labels import (
    Added,
    Compared,
    Kind,
    Label,
    PairTexts,
    PairVerdict,
    PlacedLabel,
    Said,
)
from sysgen_local.store.layouts import (
    CHECKED_FORMATS,
    FORMATS,
    OBJECT_FORMATS,
    PAIR_FORMATS,
    PREFERENCES,
    Format,
    Prefer,
)
from sysgen_local.store.pace import RunSpeed
from sysgen_local.store.reviews import Decision, Review, Version
from sysgen_local.store.rows import SURE, RowQuery, State
from sysgen_local.store.store import Origin, Store

__all__ = [
    "CHECKED_FORMATS",
    "FORMATS",
    "IMPORTED",
    "OBJECT_FORMATS",
    "PAIR_FORMATS",
    "PREFERENCES",
    "SURE",
    "VARIANTS",
    "Added",
    "Compared",
    "Counts",
    "Decided",
    "Decision",
    "Format",
    "GrownError",
    "JudgeQueue",
    "Judged",
    "Kind",
    "Label",
    "LineageEntry",
    "LockedError",
    "Losses",
    "Merged",
    "Origin",
    "Pair",
    "PairTexts",
    "PairVerdict",
    "PhaseCounts",
    "PlacedLabel",
    "Prefer",
    "Recipe",
    "Reread",
    "Review",
    "RowQuery",
    "Run",
    "RunSpeed",
    "Said",
    "Selection",
    "SourceFile",
    "State",
    "Store",
    "Variant",
    "Version",
]
