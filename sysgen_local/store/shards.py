"""The shard that a store holds, and to which shard a record belongs.

A store of a shard reads all records of its inputs and numbers all rows, and keeps its own. So a row
has the same number in every store, and the sampler the same seed for it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from sysgen_local.core.errors import UsageError
from sysgen_local.core.records import Conversation, Reject
from sysgen_local.core.shard import Shard
from sysgen_local.store import codec
from sysgen_local.store.database import Database


class Inputs(NamedTuple):
    """The size of all inputs, where the store holds a shard of them: `records` were read, and
    `rows` of them are usable."""

    records: int
    rows: int


def read(db: Database) -> Shard | None:
    """The shard of the store; None where it holds all rows."""
    found = db.all('SELECT shard, "of" FROM shards ORDER BY shard')
    return Shard(tuple(number for number, _ in found), found[0][1]) if found else None


def choose(db: Database, shard: Shard) -> None:
    """Makes this the shard of a store without rows. Raises UsageError where the store holds another
    shard, or rows of all shards."""
    before = read(db)
    if before == shard:
        return
    if before is None and not inputs(db).records:
        with db.transaction():
            write(db, shard)
        return
    raise UsageError(
        f"{db.path} holds {before or 'all rows of its inputs'}, not {shard}",
        hint="leave --shard off to go on with it, or name another file with --db",
    )


def write(db: Database, shard: Shard) -> None:
    """Writes the shard, within a transaction."""
    for number in shard.numbers:
        db.do("INSERT INTO shards VALUES ($1, $2)", number, shard.of)


def inputs(db: Database) -> Inputs:
    """The size of all inputs, in all shards."""
    [found] = db.all(
        "SELECT coalesce(sum(records), 0)::BIGINT, coalesce(sum(usable), 0)::BIGINT FROM sources"
    )
    return Inputs(*found)


def facts(db: Database) -> dict[str, Any] | None:
    """The shard, and the records of all inputs (`input`), as data for JSON; None where the store
    holds all rows."""
    shard = read(db)
    if shard is None:
        return None
    return {"numbers": list(shard.numbers), "of": shard.of, "input": inputs(db).records}


def last_row(db: Database) -> int:
    """The number of the last row of the inputs, in all shards."""
    return inputs(db).rows


def holds(shard: Shard, record: Conversation | Reject) -> bool:
    """Whether the record belongs to the shard: a conversation by its content, so that equal ones
    are together, and a record that was rejected by its line."""
    if isinstance(record, Reject):
        return shard.holds(record.line)
    return shard.holds(int(digest(record), 16))


def digest(of: Conversation) -> str:
    """What identifies a conversation by content: MD5, in hexadecimal, as `decisions.DIGEST`."""
    texts = [of.system or "", of.tools or ""]
    for turn in of.turns:
        texts += [turn.role, turn.content]
    hashed = hashlib.md5(usedforsecurity=False)
    for text in codec.clean(texts):
        encoded = text.encode()
        hashed.update(b"%d:" % len(encoded))
        hashed.update(encoded)
    return hashed.hexdigest()


def chain(records: Iterable[Conversation | Reject], before: str | None = None) -> str:
    """A digest of all records of a source so far, each with the digest of those before it
    (`before`, None at the first): two shards that read the same have the same."""
    last = before or ""
    for record in records:
        if isinstance(record, Reject):
            content: object = [record.line, record.reason]
        else:
            content = codec.encode_conversation(record)
        text = json.dumps([last, codec.clean(content)], ensure_ascii=False)
        last = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
    return last
