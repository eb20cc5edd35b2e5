"""Conversations in: committed batch by batch, taken up again where an earlier call stopped."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from sysgen_local.core.errors import UsageError
from sysgen_local.core.records import Conversation, Reject, Source
from sysgen_local.store import codec
from sysgen_local.store.database import Database
from sysgen_local.store.schema import now

Reread = Callable[[bool], Iterable[Conversation | Reject]]
"""Reads a source once more from its start; told whether rows with a system message are rejected."""

RAW = 4000
"""Characters that are kept of a rejected row's own text."""

_BATCH_CHARACTERS = 16 << 20
"""A batch ends at the latest after so much text, which bounds the memory an ingest takes."""

_CONVERSATIONS: codec.Columns = {"row": "BIGINT", "source": "INTEGER", **codec.CONVERSATION}
_REJECTS: codec.Columns = {"source": "INTEGER", **codec.REJECT}


class GrownError(UsageError):
    """A file that begins with what was read of it, and has more. `new`: how many records."""

    def __init__(self, path: str, before: str, db: Path, new: int) -> None:
        rows = f"{new:,} row" if new == 1 else f"{new:,} rows"
        super().__init__(
            f"{path} has grown by {rows} since it was read into {db}"
            if path == before
            else f"{path} has {rows} more than {before}, which was read into {db}",
            hint="--appended reads only the new ones; or name another file with --db for all",
        )
        self.new = new


def ingest(
    db: Database,
    source: Source,
    records: Iterable[Conversation | Reject],
    limit: int | None,
    batch: int,
    on_batch: Callable[[int], None] | None,
    again: Reread | None,
    appended: bool,
    skip_system: bool,
) -> int:
    """See `Store.ingest`."""
    entry = _enter(db, source, again, appended, skip_system)
    seen = entry.records
    if entry.complete or (limit is not None and seen >= limit):
        return 0
    added = 0
    for some in _batches(islice(records, seen, limit), batch):
        _add(db, entry.number, some)
        added += len(some)
        if on_batch:
            on_batch(added)
    if limit is None or seen + added < limit:
        with db.transaction():
            db.do("UPDATE sources SET complete = true WHERE source = $1", entry.number)
    return added


def find_source(db: Database, fingerprint: str) -> tuple[int, str] | None:
    """See `Store.known`."""
    entry = _known(db, "fingerprint = $1", fingerprint)
    return (entry.number, entry.path) if entry else None


def skips_system(db: Database, source: Source) -> bool | None:
    """See `Store.skipped`."""
    entry = _known(db, "fingerprint = $1", source.fingerprint)
    entry = entry or _in_place(db, source, codec.clean(source.path))
    return _skipped(db, entry.number) if entry else None


class _Entry(NamedTuple):
    """A line of `sources`."""

    number: int
    path: str
    file: str
    records: int
    complete: bool
    fingerprint: str
    mapping: dict[str, str]


def _enter(
    db: Database, source: Source, again: Reread | None, appended: bool, skip_system: bool
) -> _Entry:
    """The source's line, as it is known by its content, else by its place, else as a copy that
    has grown; or a new one."""
    path, mapping = codec.clean(source.path), codec.clean(dict(source.mapping or {}))
    known = (
        _known(db, "fingerprint = $1", source.fingerprint)
        or _in_place(db, source, path)
        or (_copied(db, source, again, skip_system) if again else None)
    )
    if known is None:
        return _new(db, source, path, mapping)
    usable = db.all("SELECT 1 FROM conversations WHERE source = $1 LIMIT 1", known.number)
    if not usable:
        # Nothing came of it: what is named now is read in its place, with other options perhaps.
        with db.transaction():
            db.do("DELETE FROM rejects WHERE source = $1", known.number)
            db.do("DELETE FROM sources WHERE source = $1", known.number)
        return _new(db, source, path, mapping)
    if known.mapping != mapping:
        raise UsageError(
            f"{source.path} was read into {db.path} {_map(known.mapping)}, now {_map(mapping)}",
            hint="give the same --map, or name another file with --db",
        )
    _same_rows(db, source, known.number, skip_system)
    if known.fingerprint != source.fingerprint:
        new = _more(db, known.number, again(skip_system)) if again else None
        if new is None:
            raise UsageError(
                f"{source.path} has changed since it was read into {db.path}",
                hint="name another file with --db for the new content",
            )
        if new and known.complete and not appended:
            at_its_place = _place(source) == known.file
            before = source.path if at_its_place else known.path
            raise GrownError(source.path, before, db.path, new)
        known = known._replace(complete=known.complete and not new)
        with db.transaction():
            db.do(
                "UPDATE sources SET fingerprint = $1, complete = $2 WHERE source = $3",
                source.fingerprint,
                known.complete,
                known.number,
            )
    if source.license:
        with db.transaction():
            db.do("UPDATE sources SET license = $1 WHERE source = $2", source.license, known.number)
    return known


def _same_rows(db: Database, source: Source, number: int, skip_system: bool) -> None:
    """Raises UsageError where rows with a system message were not treated as they are to be."""
    before = _skipped(db, number)
    if before is None or before == skip_system:
        return
    option = "--existing-system skip"
    said = (
        f"{option}, now without"
        if before
        else f"its rows that have a system message, now with {option}"
    )
    raise UsageError(
        f"{source.path} was read into {db.path} with {said}",
        hint=f"{'give' if before else 'leave off'} {option}, or name another file with --db",
    )


def _skipped(db: Database, number: int) -> bool | None:
    """Whether rows of the source that have a system message were rejected; None where it has shown
    none so far, so that either way gives the same rows. Told by the rows themselves, which no
    version of a file can lack."""
    rejected = "SELECT 1 FROM rejects WHERE source = $1 AND reason = 'has_system' LIMIT 1"
    if db.all(rejected, number):
        return True
    taken = "SELECT 1 FROM conversations WHERE source = $1 AND system <> '' LIMIT 1"
    return False if db.all(taken, number) else None


def _known(db: Database, where: str, *values: str) -> _Entry | None:
    return next(_entries(db, where, *values), None)


def _entries(db: Database, where: str, *values: str) -> Iterator[_Entry]:
    columns = ", ".join("source" if name == "number" else name for name in _Entry._fields)
    found = db.all(f"SELECT {columns} FROM sources WHERE {where} ORDER BY source", *values)
    return (_Entry(*values) for values in found)


def _in_place(db: Database, source: Source, path: str) -> _Entry | None:
    """The source of this file or of this name. A name as `train.jsonl` can stand for two files, of
    two folders: then the file counts."""
    place = _place(source)
    local = os.path.realpath(path) == place
    for entry in _entries(db, "path = $1 OR file = $2", path, place):
        if entry.file == place or not (local and os.path.exists(entry.file)):
            return entry
    return None


def _copied(db: Database, source: Source, again: Reread, skip_system: bool) -> _Entry | None:
    """A source that was read from a file of the same name elsewhere, and with whose rows this one
    begins. Another name stays another file: a sample and the whole that it was cut from are both
    wanted. One row in common says nothing."""
    place = _place(source)
    name = os.path.basename(place)
    for entry in _entries(db, "complete AND records > 1"):
        if os.path.basename(entry.file) != name:
            continue
        before = _skipped(db, entry.number)
        records = again(skip_system if before is None else before)
        if _more(db, entry.number, records) is not None:
            return entry
    return None


def _new(db: Database, source: Source, path: str, mapping: dict[str, str]) -> _Entry:
    ((number,),) = db.all("SELECT coalesce(max(source), 0) + 1 FROM sources")
    with db.transaction():
        db.do(
            "INSERT INTO sources VALUES "
            "($1, $2, $3, $4, $5, $6, $7::MAP(VARCHAR, VARCHAR), 0, false, $8)",
            number,
            path,
            _place(source),
            source.fingerprint,
            source.dataset,
            source.license,
            mapping,
            now(),
        )
    return _Entry(number, path, _place(source), 0, False, source.fingerprint, mapping)


def _place(source: Source) -> str:
    """Where the file lies, however that was spelled."""
    place: str = codec.clean(os.path.realpath(source.file))
    return place


def _more(db: Database, number: int, records: Iterable[Conversation | Reject]) -> int | None:
    """How many of these records are behind those that were read of the source; None where they do
    not begin with them. Compared one by one, whatever the file's format."""
    records = iter(records)
    for old in _read_before(db, number):
        new = next(records, None)
        if isinstance(new, Conversation):
            new = codec.clean(codec.encode_conversation(new))
        elif new is not None:
            new = codec.clean([new.line, new.reason])
        if new != old:
            return None
    return sum(1 for _ in records)


def _read_before(db: Database, number: int) -> Iterator[Any]:
    """What was read of a source, in the order in which it was read, as `_more` compares it."""
    rejects = iter(
        db.all("SELECT line, reason FROM rejects WHERE source = $1 ORDER BY line", number)
    )
    reject = next(rejects, None)
    last = 0
    while True:
        page = db.all(
            f'SELECT "row", {", ".join(codec.CONVERSATION)} FROM conversations '
            'WHERE source = $1 AND "row" > $2 ORDER BY "row" LIMIT 1000',
            number,
            last,
        )
        if not page:
            break
        last = page[-1][0]
        for _, *values in page:
            conversation = codec.decode_conversation(*values)
            while reject is not None and reject[0] < conversation.line:
                yield list(reject)
                reject = next(rejects, None)
            yield codec.clean(codec.encode_conversation(conversation))
    while reject is not None:
        yield list(reject)
        reject = next(rejects, None)


def _add(db: Database, source: int, records: list[Conversation | Reject]) -> None:
    ((row,),) = db.all('SELECT coalesce(max("row"), 0) FROM conversations')
    usable: list[codec.Values] = []
    rejected: list[codec.Values] = []
    for record in records:
        if isinstance(record, Reject):
            raw = _bounded(record.raw) or None
            rejected.append((source, record.line, record.reason, record.detail, raw))
        else:
            row += 1
            usable.append((row, source, *codec.encode_conversation(record)))
    with db.transaction():
        db.append("conversations", _CONVERSATIONS, usable)
        db.append("rejects", _REJECTS, rejected)
        db.do("UPDATE sources SET records = records + $1 WHERE source = $2", len(records), source)


def _batches(
    records: Iterable[Conversation | Reject], most: int
) -> Iterator[list[Conversation | Reject]]:
    batch: list[Conversation | Reject] = []
    size = 0
    for record in records:
        batch.append(record)
        if isinstance(record, Conversation):
            size += sum(len(turn.content) for turn in record.turns)
        else:
            size += len(record.raw)
        if len(batch) >= most or size >= _BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _bounded(raw: str) -> str:
    """The text, or its beginning and how long it was."""
    return raw if len(raw) <= RAW else f"{raw[:RAW]}… ({len(raw):,} characters)"


def _map(mapping: Mapping[str, str]) -> str:
    pairs = ",".join(f"{role}={key}" for role, key in mapping.items())
    return f"with --map {pairs}" if pairs else "without --map"
