"""INPUTs into the store, for the commands that take some."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import click

from sysgen_local.core.settings import Settings

if TYPE_CHECKING:
    from sysgen_local.core.records import Conversation, Reject, Source
    from sysgen_local.sources import RecordCounter
    from sysgen_local.store import Store


def skips(settings: Settings) -> bool | None:
    """Whether rows that have a system message are rejected; None in a command that has no option
    for it, and so takes a file as it was read."""
    options = click.get_current_context().command.params
    if not any(of.name == "existing_system" for of in options):
        return None
    return settings.existing_system == "skip"


def taken(
    store: Store,
    inputs: Sequence[str],
    *,
    mapping: str | None,
    license: str | None,  # noqa: A002 - the option's name
    split: str | None,
    encoding: str | None,
    limit: int | None,
    strict: bool,
    say: Callable[[str], None],
    skip_system: bool | None = None,
    appended: bool | None = None,
) -> list[int]:
    """Takes the inputs into the store; what was read before is not read again. `skip_system`:
    whether rows that have a system message are rejected, None for as the file was read before.
    `appended`: whether to read the new rows of a file that grew, None to ask on a terminal. The
    sources' numbers."""
    from sysgen_local.core.errors import UsageError
    from sysgen_local.sources import RecordCounter, find, need_usable, parse_map

    keys = parse_map(mapping) if mapping else None
    sources = find(inputs, mapping=keys, license=license, split=split, encoding=encoding, say=say)
    counters = []
    numbers = []
    for source in sources:
        counter = RecordCounter(source.path)
        before = store.find_source(source)
        skip = bool(store.skips_system(source)) if skip_system is None else skip_system
        new = _ingest(store, source, counter, limit, strict, skip, appended, say)
        number, path = store.find_source(source) or (0, source.path)
        if before and path != source.path and not new and number not in numbers:
            say(f"{source.path}: the same content as {path}, which is here already")
        numbers.append(number)
        if new:
            counters.append(counter)
            why = f"`sysgen stats --db {store.path}` shows why"
            rejected = f", {counter.rejected:,} rejected ({why})" if counter.rejected else ""
            more = f", {new:,} new" if new < counter.usable + counter.rejected else ""
            say(f"{source.path}: {counter.usable:,} rows{more}{rejected}")
    if counters:
        need_usable(counters)
    if sources and not store.counts().input:
        raise UsageError(f"{sources[0].path} is empty: there is no row in it")
    return sorted(set(numbers))


def _ingest(
    store: Store,
    source: Source,
    counter: RecordCounter,
    limit: int | None,
    strict: bool,
    skip: bool,
    appended: bool | None,
    say: Callable[[str], None],
) -> int:
    """Takes one source into the store; how many of its records were new."""
    from sysgen_local.sources import read, strictly
    from sysgen_local.store import GrownError

    def again(skip_system: bool) -> Iterator[Conversation | Reject]:
        return read(source, skip_system=skip_system, say=say)

    def take(more: bool) -> int:
        records = counter.count(again(skip))
        return store.ingest(
            source, records, limit=limit, again=again, appended=more, skip_system=skip
        )

    if strict:  # to the end, before anything of it is kept
        for _ in strictly(source.path, islice(again(skip), limit)):
            pass
    try:
        return take(bool(appended))
    except GrownError as grown:
        if appended is not None or not sys.stdin.isatty():
            raise
        click.echo(grown.message, err=True)
        if not click.confirm("Read the new ones?", default=True, err=True):
            raise
        return take(True)
