"""Measures a store: all figures of this package."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.quality.answers import answers
from benchmarks.quality.figures import Leaf, Share, Tree, shares
from benchmarks.quality.languages import languages
from benchmarks.quality.phrases import in_system, phrases
from benchmarks.quality.tags import tags
from benchmarks.quality.verdicts import spread
from benchmarks.quality.words import demonstrations
from sysgen_local.core.errors import UsageError
from sysgen_local.core.records import Phase
from sysgen_local.prompts import PromptSet
from sysgen_local.store import Store
from sysgen_local.store.counts import Counts
from sysgen_local.store.rows import RowQuery

Say = Callable[[str], None]

_NAMED: dict[Phase, tuple[str, ...]] = {
    "generate": ("model", "prompt_set", "sampling", "seed"),
    "verify": ("judge",),
    "respond": ("shown",),
    "check": ("tries",),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures of a store, and the model and settings that made it."""

    made_with: dict[str, str]
    figures: Tree


def measure_copy(db: Path, prompts: str | None, say: Say) -> Measured:
    """Measures a copy of the store, because opening a store of an older version changes the
    file."""
    if not db.is_file():
        raise UsageError(f"there is no store at {db}", hint="`sysgen run` makes one; see --db")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, db.name)
        for file in (db, db.with_name(f"{db.name}.wal")):
            if file.exists():
                shutil.copy(file, copy.with_name(file.name))
        return measure(copy, prompts, say)


def measure(db: Path, prompts: str | None, say: Say, *, seconds: float | None = None) -> Measured:
    """Measures the store. `prompts`: the prompt set whose demonstrations the phrases are compared
    with; None for the set that the store names. `seconds`: the duration of the run."""
    with Store.open(db) as store:
        counts = store.counts()
        rows = store.find(RowQuery(limit=None))
        final = {row.row for row in store.find(RowQuery("final", limit=None))}
        respond = store.recipe("respond")
        first_only = respond is not None and respond.facts.get("turns") == "first"
        made_with = _made_with(store)
        shown = _prompts(store, prompts, say)
    filtered = [row.filtered.phrases for row in rows if row.filtered and row.filtered.phrases]
    return Measured(
        made_with,
        {
            "rows": _rows(counts, seconds),
            "tags": {
                "filtered": tags(filtered),
                "final": tags([in_system(row) for row in rows if row.row in final]),
            },
            "phrases": phrases(rows, demonstrations(shown) if shown else None),
            "verdicts": spread(rows),
            "answers": answers(rows, final, first_only=first_only),
            "languages": languages(rows, final),
        },
    )


def _rows(counts: Counts, seconds: float | None) -> Tree:
    usable = counts.input - counts.rejected
    tree: dict[str, Tree | Leaf] = {
        "input": counts.input,
        "rejected": counts.rejected,
        "pending": counts.pending,
        "final": Share(counts.final, usable),
        "dropped": {
            phase: shares(of.dropped, usable) for phase, of in counts.phases.items() if of.dropped
        },
    }
    if seconds is not None:
        tree["seconds"] = round(seconds)
        tree["rows_an_hour"] = round((usable - counts.pending) / seconds * 3600, 1)
    return tree


def _made_with(store: Store) -> dict[str, str]:
    """Model, prompts and other facts of the recipes."""
    found: dict[str, str] = {}
    for phase, names in _NAMED.items():
        if recipe := store.recipe(phase):
            found |= {name: recipe.facts[name] for name in names if name in recipe.facts}
    return found


def _prompts(store: Store, given: str | None, say: Say) -> PromptSet | None:
    """The prompt set of the demonstrations; None, after a message, if it is not known."""
    recipe = store.recipe("generate")
    name = given or (recipe.facts.get("prompt_set") if recipe else None)
    if name is None:
        say(f"{store.path.name} names no prompt set: --prompts compares phrases with one's")
        return None
    try:
        prompts = PromptSet.load(name)
    except UsageError as error:
        if given:
            raise
        say(f"phrases are not compared with demonstrations: {error.message} (--prompts)")
        return None
    if recipe and recipe.facts.get("prompts") != prompts.fingerprint("generate"):
        say(
            f"{store.path.name} was made with another generate.md than that of {name}: phrases "
            "are compared with the latter's demonstrations (--prompts DIR for the former)"
        )
    return prompts
