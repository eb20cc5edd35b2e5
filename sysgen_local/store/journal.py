"""The recipe of each phase, and the log of runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sysgen_local.core.records import PHASES, TABLES, Phase
from sysgen_local.store.database import Database
from sysgen_local.store.schema import now


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a phase's results depend on: facts (model, prompts, options), and their fingerprint."""

    fingerprint: str
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a command on this store. Times are UTC. A killed run has no end."""

    run: int
    started: datetime
    ended: datetime | None
    command: str
    outcome: str | None
    model: str | None
    seed: int | None
    version: str | None


def recipe(db: Database, phase: Phase) -> Recipe | None:
    """See `Store.recipe`."""
    found = db.all("SELECT fingerprint, facts FROM recipes WHERE phase = $1", phase)
    return Recipe(*found[0]) if found else None


def set_recipe(db: Database, phase: Phase, recipe: Recipe) -> None:
    """See `Store.set_recipe`."""
    with db.transaction():
        write_recipe(db, phase, recipe)


def set_recipes(db: Database, recipes: Mapping[Phase, Recipe]) -> None:
    """Replaces all recipes by these, within a transaction. Raises ValueError where results would be
    left without a recipe."""
    for phase in PHASES:
        if phase not in recipes and db.all("SELECT 1 FROM recipes WHERE phase = $1", phase):
            if db.all(f"SELECT 1 FROM {TABLES[phase]} LIMIT 1"):
                raise ValueError(f"{phase} has results")
            db.do("DELETE FROM recipes WHERE phase = $1", phase)
    for phase, new in recipes.items():
        if new != recipe(db, phase):  # without a write, this works on a full disk
            write_recipe(db, phase, new)


def write_recipe(db: Database, phase: Phase, recipe: Recipe) -> None:
    """Writes the recipe of this phase, within a transaction, in place of an earlier one."""
    db.do(
        "INSERT OR REPLACE INTO recipes VALUES ($1, $2, $3::MAP(VARCHAR, VARCHAR))",
        phase,
        recipe.fingerprint,
        dict(recipe.facts),
    )


def start_run(
    db: Database, command: str, model: str | None, seed: int | None, version: str | None
) -> int:
    """See `Store.start_run`."""
    ((run,),) = db.all("SELECT coalesce(max(run), 0) + 1 FROM runs")
    sql = "INSERT INTO runs VALUES ($1, $2, NULL, $3, NULL, $4, $5, $6)"
    with db.transaction():
        db.do(sql, run, now(), command, model, seed, version)
    return int(run)


def end_run(db: Database, run: int, outcome: str) -> None:
    """See `Store.end_run`."""
    with db.transaction():
        db.do("UPDATE runs SET ended = $1, outcome = $2 WHERE run = $3", now(), outcome, run)


def last_run(db: Database) -> Run | None:
    """See `Store.last_run`."""
    found = db.all("SELECT * FROM runs ORDER BY run DESC LIMIT 1")
    return Run(*found[0]) if found else None


def commands(db: Database) -> list[str]:
    """See `Store.commands`."""
    found = db.all("SELECT command FROM runs WHERE model IS NOT NULL ORDER BY run DESC")
    return [str(command) for (command,) in found]
