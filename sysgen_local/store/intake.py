"""Conversations in: committed batch by batch, taken up again where an earlier call stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice

from sysgen_local.errors import UsageError
from sysgen_local.records import Conversation, Reject, Source
from sysgen_local.store import codec
from sysgen_local.store.database import Database
from sysgen_local.store.schema import now

RAW = 4000
"""Characters that are kept of a rejected row's own text."""

_BATCH_CHARACTERS = 16 << 20
"""A batch ends at the latest after so much text, which bounds the memory an ingest takes."""

_CONVERSATIONS: codec.Columns = {"row": "BIGINT", "source": "INTEGER", **codec.CONVERSATION}
_REJECTS: codec.Columns = {"source": "INTEGER", **codec.REJECT}


def ingest(
    db: Database,
    source: Source,
    records: Iterable[Conversation | Reject],
    limit: int | None,
    batch: int,
    on_batch: Callable[[int], None] | None,
) -> int:
    """See `Store.ingest`."""
    number, seen, complete = _enter(db, source)
    if complete or (limit is not None and seen >= limit):
        return 0
    added = 0
    for some in _batches(islice(records, seen, limit), batch):
        _add(db, number, some)
        added += len(some)
        if on_batch:
            on_batch(added)
    if limit is None or seen + added < limit:
        with db.transaction():
            db.do("UPDATE sources SET complete = true WHERE source = $1", number)
    return added


def _enter(db: Database, source: Source) -> tuple[int, int, bool]:
    """The source's number, how many of its records are here, and whether that is all."""
    path, mapping = codec.clean(source.path), codec.clean(dict(source.mapping or {}))
    known = db.all(
        "SELECT source, records, complete, fingerprint, mapping FROM sources WHERE path = $1", path
    )
    if known:
        number, records, complete, fingerprint, mapped = known[0]
        if fingerprint != source.fingerprint:
            raise UsageError(
                f"{source.path} has changed since it was read into {db.path}",
                hint="name another file with --db for the new content",
            )
        if mapped != mapping:
            raise UsageError(
                f"{source.path} was read into {db.path} {_map(mapped)}, now {_map(mapping)}",
                hint="give the same --map, or name another file with --db",
            )
        if source.license:
            with db.transaction():
                db.do("UPDATE sources SET license = $1 WHERE source = $2", source.license, number)
        return number, records, complete
    ((number,),) = db.all("SELECT coalesce(max(source), 0) + 1 FROM sources")
    with db.transaction():
        db.do(
            "INSERT INTO sources VALUES "
            "($1, $2, $3, $4, $5, $6, $7::MAP(VARCHAR, VARCHAR), 0, false, $8)",
            number,
            path,
            source.file,
            source.fingerprint,
            source.dataset,
            source.license,
            mapping,
            now(),
        )
    return number, 0, False


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
