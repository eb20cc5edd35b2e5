"""Reads sources into the store, batch by batch. It resumes where an earlier call stopped."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from sysgen_local.core.counted import counted
from sysgen_local.core.errors import UsageError
from sysgen_local.core.records import Conversation, Reject, Source
from sysgen_local.core.shard import Shard
from sysgen_local.store import codec, shards
from sysgen_local.store.database import Database
from sysgen_local.store.schema import now

Reread = Callable[[bool], Iterable[Conversation | Reject]]
"""Reads a source again from its start. The argument says whether rows with a system message are
rejected."""

RAW = 4000
"""Characters that are kept of the text of a rejected record."""

_BATCH_CHARACTERS = 16 << 20
"""The most characters in a batch, which limits the memory that an ingest takes."""

_CONVERSATIONS: codec.Columns = {"row": "BIGINT", "source": "INTEGER", **codec.CONVERSATION}
_REJECTS: codec.Columns = {"source": "INTEGER", **codec.REJECT}


class GrownError(UsageError):
    """The file begins with the records that were read of it, and has more. `new`: how many more."""

    def __init__(self, path: str, before: str, db: Path, new: int) -> None:
        rows = counted(new, "row")
        super().__init__(
            f"{path} has grown by {rows} since it was read into {db}"
            if path == before
            else f"{path} has {rows} more than {before}, which was read into {db}",
            hint="--appended reads only the new ones; or name another file with --db for all",
        )
        self.new = new


class SourceFile(NamedTuple):
    """A source: its name for the user (mostly a path), the hash of its content, and the name of its
    dataset."""

    path: str
    fingerprint: str
    dataset: str


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
    stored = _enter(db, source, again, appended, skip_system)
    seen = stored.records
    if stored.complete or (limit is not None and seen >= limit):
        return 0
    shard = shards.read(db)
    added = 0
    for records_of_batch in _batches(islice(records, seen, limit), batch):
        _add(db, stored.number, records_of_batch, shard)
        added += len(records_of_batch)
        if on_batch:
            on_batch(added)
    if limit is None or seen + added < limit:
        with db.transaction():
            db.do("UPDATE sources SET complete = true WHERE source = $1", stored.number)
    return added


def files(db: Database) -> list[SourceFile]:
    """See `Store.files`."""
    found = db.all("SELECT path, fingerprint, coalesce(dataset, path) FROM sources ORDER BY source")
    return [SourceFile(*values) for values in found]


def find_source(db: Database, fingerprint: str) -> tuple[int, str] | None:
    """See `Store.find_source`."""
    stored = _stored(db, "fingerprint = $1", fingerprint)
    return (stored.number, stored.path) if stored else None


def skips_system(db: Database, source: Source) -> bool | None:
    """See `Store.skips_system`."""
    stored = _stored(db, "fingerprint = $1", source.fingerprint)
    stored = stored or _at_same_place(db, source, codec.clean(source.path))
    return stored.skips_system if stored else None


class _SourceRow(NamedTuple):
    """A row of the table `sources`."""

    number: int
    path: str
    file: str
    records: int
    complete: bool
    fingerprint: str
    mapping: dict[str, str]
    usable: int
    skips_system: bool | None
    chain: str | None


def _enter(
    db: Database, source: Source, again: Reread | None, appended: bool, skip_system: bool
) -> _SourceRow:
    """The row of this source in `sources`. It is found by its content, else by its place, else as a
    copy that has grown; else it is new."""
    path, mapping = codec.clean(source.path), codec.clean(dict(source.mapping or {}))
    stored = (
        _stored(db, "fingerprint = $1", source.fingerprint)
        or _at_same_place(db, source, path)
        or (_grown_copy(db, source, again, skip_system) if again else None)
    )
    if stored is None:
        return _new(db, source, path, mapping)
    if not stored.usable:
        # It gave no usable record, so it is read again, perhaps with other options.
        with db.transaction():
            db.do("DELETE FROM rejects WHERE source = $1", stored.number)
            db.do("DELETE FROM sources WHERE source = $1", stored.number)
        return _new(db, source, path, mapping)
    if stored.mapping != mapping:
        raise UsageError(
            f"{source.path} was read into {db.path} {_map(stored.mapping)}, now {_map(mapping)}",
            hint="give the same --map, or name another file with --db",
        )
    _require_same_skipping(db, source, stored.skips_system, skip_system)
    if stored.fingerprint != source.fingerprint:
        new = _more(db, stored, again(skip_system)) if again else None
        if new is None:
            raise UsageError(
                f"{source.path} has changed since it was read into {db.path}",
                hint="name another file with --db for the new content",
            )
        if new and stored.complete and not appended:
            at_its_place = _place(source) == stored.file
            before = source.path if at_its_place else stored.path
            raise GrownError(source.path, before, db.path, new)
        stored = stored._replace(complete=stored.complete and not new)
        with db.transaction():
            db.do(
                "UPDATE sources SET fingerprint = $1, complete = $2 WHERE source = $3",
                source.fingerprint,
                stored.complete,
                stored.number,
            )
    if source.license:
        with db.transaction():
            db.do(
                "UPDATE sources SET license = $1 WHERE source = $2", source.license, stored.number
            )
    return stored


def _require_same_skipping(
    db: Database, source: Source, before: bool | None, skip_system: bool
) -> None:
    """Raises UsageError where rows with a system message were treated otherwise (`before`) when it
    was read."""
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


def _stored(db: Database, where: str, *values: str) -> _SourceRow | None:
    return next(_entries(db, where, *values), None)


def _entries(db: Database, where: str, *values: str) -> Iterator[_SourceRow]:
    columns = ", ".join("source" if name == "number" else name for name in _SourceRow._fields)
    found = db.all(f"SELECT {columns} FROM sources WHERE {where} ORDER BY source", *values)
    return (_SourceRow(*values) for values in found)


def _at_same_place(db: Database, source: Source, path: str) -> _SourceRow | None:
    """The source that was read from this file or under this name. One name (`train.jsonl`) may mean
    two files in different folders; then only the same file counts."""
    place = _place(source)
    local = os.path.realpath(path) == place
    for entry in _entries(db, "path = $1 OR file = $2", path, place):
        if entry.file == place or not (local and os.path.exists(entry.file)):
            return entry
    return None


def _grown_copy(
    db: Database, source: Source, again: Reread, skip_system: bool
) -> _SourceRow | None:
    """A source that was read from a file of the same name in another folder, and whose records this
    source begins with. A file of another name is another source: a sample and the whole dataset may
    both be wanted. A source of one record is not compared, because that is too little."""
    place = _place(source)
    name = os.path.basename(place)
    for entry in _entries(db, "complete AND records > 1"):
        if os.path.basename(entry.file) != name:
            continue
        before = entry.skips_system
        records = again(skip_system if before is None else before)
        if _more(db, entry, records) is not None:
            return entry
    return None


def _new(db: Database, source: Source, path: str, mapping: dict[str, str]) -> _SourceRow:
    ((number,),) = db.all("SELECT coalesce(max(source), 0) + 1 FROM sources")
    with db.transaction():
        db.do(
            "INSERT INTO sources (source, path, file, fingerprint, dataset, license, mapping, "
            'records, complete, "at", usable) '
            "VALUES ($1, $2, $3, $4, $5, $6, $7::MAP(VARCHAR, VARCHAR), 0, false, $8, 0)",
            number,
            path,
            _place(source),
            source.fingerprint,
            source.dataset,
            source.license,
            mapping,
            now(),
        )
    return _SourceRow(
        number, path, _place(source), 0, False, source.fingerprint, mapping, 0, None, None
    )


def _place(source: Source) -> str:
    """The real path of the file."""
    place: str = codec.clean(os.path.realpath(source.file))
    return place


def _more(db: Database, stored: _SourceRow, records: Iterable[Conversation | Reject]) -> int | None:
    """How many of these records follow those that were read of the source. None where they do not
    begin with the same records. Records are compared one by one, so the file's format does not
    matter. A store of a shard has only a part of them, and compares their digest."""
    records = iter(records)
    if stored.chain is not None:
        begun = shards.chain(islice(records, stored.records))
        return sum(1 for _ in records) if begun == stored.chain else None
    for old in _stored_records(db, stored.number):
        new = next(records, None)
        if isinstance(new, Conversation):
            new = codec.clean(codec.encode_conversation(new))
        elif new is not None:
            new = codec.clean([new.line, new.reason])
        if new != old:
            return None
    return sum(1 for _ in records)


def _stored_records(db: Database, number: int) -> Iterator[Any]:
    """The records that were read of a source, in their order and in the form that `_more`
    compares."""
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


def _add(
    db: Database, source: int, records: list[Conversation | Reject], shard: Shard | None
) -> None:
    """Adds the records of a batch. All of them are counted, and those of the shard are stored."""
    row = shards.last_row(db)
    first = row
    usable: list[codec.Values] = []
    rejected: list[codec.Values] = []
    skips_system: bool | None = None
    for record in records:
        mine = shard is None or shards.holds(shard, record)
        if isinstance(record, Reject):
            if record.reason == "has_system":
                skips_system = True
            if mine:
                raw = _bounded(record.raw) or None
                rejected.append((source, record.line, record.reason, record.detail, raw))
        else:
            row += 1
            if record.system and skips_system is None:
                skips_system = False
            if mine:
                usable.append((row, source, *codec.encode_conversation(record)))
    with db.transaction():
        db.append("conversations", _CONVERSATIONS, usable)
        db.append("rejects", _REJECTS, rejected)
        db.do(
            "UPDATE sources SET records = records + $1, usable = usable + $2, "
            "skips_system = coalesce($3, skips_system) WHERE source = $4",
            len(records),
            row - first,
            skips_system,
            source,
        )
        if shard is not None:
            [(before,)] = db.all("SELECT chain FROM sources WHERE source = $1", source)
            chain = shards.chain(records, before)
            db.do("UPDATE sources SET chain = $1 WHERE source = $2", chain, source)


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
    """The text; where it is too long, its beginning and its length."""
    return raw if len(raw) <= RAW else f"{raw[:RAW]}… ({len(raw):,} characters)"


def _map(mapping: Mapping[str, str]) -> str:
    pairs = ",".join(f"{role}={key}" for role, key in mapping.items())
    return f"with --map {pairs}" if pairs else "without --map"
