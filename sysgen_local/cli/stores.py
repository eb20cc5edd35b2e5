"""Opens stores for commands, and says what a store lacks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from sysgen_local.store import Store


def reading(db: Path) -> Store:
    """The store, to be read only. While a run or a review writes to it, a copy of it as it is now
    is read, and a line on standard error says so."""
    from sysgen_local.store import Store

    store = Store.open(db, create=False, read_only=True)
    if store.as_of:
        click.echo(f"{db} is in use: read as of {store.as_of:%H:%M:%S}", err=True)
    return store


def note_missing(store: Store, where: str | None) -> None:
    """Prints a note for each column of this condition that is empty in every row, because the
    command that fills it has not run on the store yet."""
    words = set(re.findall(r"\w+", (where or "").lower()))
    if words & {"judged", "judge_p", "judge_rating"} and not store.judgements():
        _note(store, "is judged", "judge")
    if "measures" in words and not store.measured:
        _note(store, "is measured", "compare")
    if words & {"agrees", "obeys", "tries", "checks"} and "check" not in store.phases:
        _note(store, "has a checked answer", "check")


def _note(store: Store, state: str, command: str) -> None:
    click.echo(
        f"note: no row of {store.path} {state} yet; `sysgen {command} --db {store.path}` does that",
        err=True,
    )


@contextmanager
def writing(db: Path, *, create: bool) -> Iterator[Store]:
    """The store, to be written. A start that fails leaves no new file behind, unless the file says
    why its rows cannot be used, or has results."""
    from sysgen_local.core.errors import SysgenError
    from sysgen_local.store import Store

    new = not db.exists()
    keep = True
    try:
        with Store.open(db, create=create) as store:
            try:
                yield store
            except (SysgenError, click.Abort):
                keep = not new or _worth_keeping(store)
                raise
    finally:
        if not keep:
            db.unlink(missing_ok=True)
            Path(f"{db}.wal").unlink(missing_ok=True)


def _worth_keeping(store: Store) -> bool:
    """Whether the store has a result of a model, or nothing but rows that cannot be used."""
    counts = store.counts()
    only_rejects = 0 < counts.input == counts.rejected
    return only_rejects or any(phase.done for phase in counts.phases.values())
