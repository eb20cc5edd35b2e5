"""Where the sources of merged stores come to: in shards of the same inputs, and in stores of
different inputs. A source is identified by its content."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sysgen_local.core.counted import counted
from sysgen_local.core.errors import UsageError
from sysgen_local.store import decisions
from sysgen_local.store.database import Database


@dataclass(frozen=True, slots=True)
class Part:
    """A store that is merged: its place among all, its attached file, and its sources in their
    order."""

    number: int
    db: Database
    sources: tuple[Source, ...]

    @property
    def name(self) -> str:
        """The SQL name of the attached file."""
        assert self.db.catalogue is not None
        return self.db.catalogue


class Source(NamedTuple):
    """A source of a part."""

    number: int
    path: str
    file: str
    fingerprint: str
    license: str | None
    mapping: dict[str, str]
    records: int
    usable: int
    complete: bool
    skips_system: bool | None
    chain: str | None


class Place(NamedTuple):
    """Where a source comes to: its new number, and how many rows are before its first one. `owner`:
    whether this part has read the most of the source, as the first one of several."""

    part: Part
    source: Source
    number: int
    before: int
    owner: bool


def sources_of(db: Database) -> Iterator[Source]:
    columns = ", ".join("source" if name == "number" else name for name in Source._fields)
    return (Source(*of) for of in db.all(f"SELECT {columns} FROM sources ORDER BY source"))


def places_of_shards(parts: Sequence[Part]) -> list[Place]:
    """The places of the sources of shards, which all have the same. Raises UsageError where they
    differ."""
    first, *others = parts
    for other in others:
        _require_same_sources(first, other)
        for mine, theirs in zip(first.sources, other.sources, strict=True):
            names = f"{first.db.path} and {other.db.path}"
            if mine.records != theirs.records:
                raise UsageError(
                    f"{first.db.path} has read {counted(mine.records, 'row')} of {mine.path}, and "
                    f"{other.db.path} {theirs.records:,}",
                    hint="let the command of each shard read its inputs to the same end",
                )
            if (mine.mapping, mine.chain) != (theirs.mapping, theirs.chain):
                raise UsageError(
                    f"{names} read {mine.path} in different ways",
                    hint="give all shards the same options; --map and --existing-system are such",
                )
    return [
        Place(part, source, source.number, 0, part is first)
        for part in parts
        for source in part.sources
    ]


def _require_same_sources(first: Part, other: Part) -> None:
    mine, theirs = (
        {of.fingerprint: of.path for of in part.sources} for part in (first, other)
    )  # fmt: skip
    for one, paths, another, there in (
        (first, mine, other, theirs),
        (other, theirs, first, mine),
    ):
        for fingerprint, path in paths.items():
            if fingerprint not in there:
                raise UsageError(
                    f"{another.db.path} has not read {path}, which {one.db.path} has, or read it "
                    "with other content",
                    hint="all shards have the same inputs",
                )
    if list(mine) != list(theirs):
        raise UsageError(
            f"{other.db.path} has read its inputs in another order than {first.db.path}",
            hint="give the inputs of all shards in the same order",
        )


def places_apart(parts: Sequence[Part]) -> list[Place]:
    """The places of the sources of stores that are no shards: a source comes behind those of the
    stores before, unless one of them holds it too."""
    holding: dict[str, list[tuple[Part, Source]]] = {}
    for part in parts:
        for source in part.sources:
            holding.setdefault(source.fingerprint, []).append((part, source))
    places = []
    before = 0
    for number, held in enumerate(holding.values(), 1):
        first, source = held[0]
        for other, theirs in held[1:]:
            if theirs.mapping != source.mapping:
                raise UsageError(
                    f"{first.db.path} and {other.db.path} read {source.path} in different ways",
                    hint="give the same --map to both",
                )
        owner, _ = max(held, key=lambda pair: pair[1].records)  # the first of these
        places += [Place(part, of, number, before, part is owner) for part, of in held]
        before += max(of.usable for _, of in held)
    return places


def require_no_older_copy(db: Database, places: Sequence[Place]) -> None:
    """Raises UsageError where a store holds a file as it was before it grew, and another one as it
    is now: its rows would be there twice."""
    owners = [of for of in places if of.owner and of.source.usable > 1]
    for i, one in enumerate(owners):
        for other in owners[i + 1 :]:
            name, others = (os.path.basename(of.source.file) for of in (one, other))
            if name == others and _begins_alike(db, one, other):
                older, newer = sorted((one, other), key=lambda of: of.source.usable)
                if older.source.usable == newer.source.usable:
                    raise UsageError(
                        f"{older.part.db.path} and {newer.part.db.path} hold the same rows of "
                        f"{name}, from two files that are not the same byte by byte",
                        hint="merge stores of different inputs",
                    )
                raise UsageError(
                    f"{newer.part.db.path} holds {newer.source.path} with more rows than "
                    f"{older.part.db.path}, which read {older.source.path} before it grew",
                    hint="`sysgen run FILE --appended` reads the new rows into the other store",
                )


def _begins_alike(db: Database, one: Place, other: Place) -> bool:
    """Whether one source begins with all rows of the other."""
    rows = min(one.source.usable, other.source.usable)
    digests = []
    for of in (one, other):
        sql = (
            f"SELECT md5(string_agg({decisions.DIGEST}, '' ORDER BY c.\"row\")) FROM "
            f"(SELECT * FROM {of.part.name}.conversations WHERE source = $1 "
            'ORDER BY "row" LIMIT $2) c'
        )
        digests.append(db.all(sql, of.source.number, rows))
    return digests[0] == digests[1]
