"""Merges stores into a new one: shards of the same inputs, or stores of different inputs.

All is SQL over whole tables of attached files. A source is identified by its content, a row by its
place among the rows of its source. Rows of shards keep their numbers. Rows of other stores are
numbered as one run over their inputs would number them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sysgen_local.core.errors import UsageError
from sysgen_local.core.records import TABLES, Phase
from sysgen_local.core.shard import Shard
from sysgen_local.store import codec, decisions, journal, labels, placing, reviews, shards
from sysgen_local.store.database import Database
from sysgen_local.store.placing import Part, Place

KEYS: dict[str, tuple[str, ...]] = {
    "conversations": (), **dict.fromkeys(TABLES.values(), ()), "reviews": (),
    "failures": ("phase",), "measures": ("metric",),
}  # fmt: skip
"""Table -> what identifies its lines besides the row."""
OTHERS = (
    "migrations",
    "shards",
    "sources",
    "rejects",
    "recipes",
    "runs",
    "judges",
    "judged",
    "labels",
)
"""The other tables, each with a function of its own. `migrations` is that of the new file."""

_SLICE = 122_880
"""Rows in a slice: as many as DuckDB stores together, with their lowest and highest number. Within
these their order costs no query anything."""

_COST = (*codec.COST, "at")
"""Columns in which equal results may differ."""


def merge(
    db: Database,
    stores: Sequence[Database],
    recipes: Mapping[Phase, journal.Recipe],
    shard: Shard | None,
) -> None:
    """See `Store.merge`."""
    parts = [Part(number, of, tuple(placing.sources_of(of))) for number, of in enumerate(stores)]
    apart = shards.read(stores[0]) is None
    places = placing.places_apart(parts) if apart else placing.places_of_shards(parts)
    _number(db, places, apart)
    shared = db.all('SELECT 1 FROM places GROUP BY "row" HAVING count(*) > 1 LIMIT 1') != []
    if shared:
        _require_same_rows(db, parts, apart)
    if apart:
        placing.require_no_older_copy(db, places)
    with db.transaction():
        if shard is not None:
            shards.write(db, shard)
        for phase, recipe in recipes.items():
            journal.write_recipe(db, phase, recipe)
        _copy_sources(db, places, shard)
        _copy_rejects(db, places, apart)
        _copy_runs(db, parts)
    for table, keys in KEYS.items():
        _copy(db, parts, table, keys, shared)
    _copy_judged(db, parts)
    db.do(f"INSERT INTO labels BY NAME {labels.copied((p.number, p.name) for p in parts)}")
    if shared:
        _merge_reviews(db, parts)


def _number(db: Database, places: Sequence[Place], apart: bool) -> None:
    """Makes two temporary tables. `origins`: part, number of a source in it, new number. `places`:
    part, number of a row in it, new number, new number of its source."""
    db.do("CREATE TEMP TABLE origins (part INTEGER, old INTEGER, source INTEGER, before BIGINT)")
    db.do('CREATE TEMP TABLE places (part INTEGER, old BIGINT, "row" BIGINT, source INTEGER)')
    for of in places:
        db.do(
            "INSERT INTO origins VALUES ($1, $2, $3, $4)",
            of.part.number, of.source.number, of.number, of.before,
        )  # fmt: skip
    place = (
        'o.before + row_number() OVER (PARTITION BY c.source ORDER BY c."row")'
        if apart
        else 'c."row"'
    )
    for part in {of.part.number: of.part for of in places}.values():
        db.do(
            f'INSERT INTO places SELECT {part.number}, c."row", {place}, o.source '
            f"FROM {part.name}.conversations c JOIN origins o "
            f"ON o.part = {part.number} AND o.old = c.source"
        )


def _require_same_rows(db: Database, parts: Sequence[Part], apart: bool) -> None:
    """Raises UsageError where two stores hold a row, and it or a result of it is not the same. Two
    shards have no row in common, so they have read their inputs in another order."""
    if not apart:
        sql = 'SELECT min(part), max(part) FROM places GROUP BY "row" HAVING count(*) > 1 LIMIT 1'
        one, other = (parts[number].db.path for number in db.all(sql)[0])
        raise UsageError(
            f"{other} has read its inputs in another order than {one}",
            hint="read new rows of a file (--appended) at the same point in all shards",
        )
    for table in ("conversations", *TABLES.values()):
        columns = [
            f'"{name}"'
            for name, *_ in db.all(f"DESCRIBE {table}")
            if name not in (*_COST, "row", "source")
        ]
        held = _of_all(parts, table, f'"row", hash({", ".join(columns)}) AS content')
        found = db.all(
            'SELECT p."row", min(p.part), arg_max(p.part, t.content <> f.content) '
            f'FROM places p JOIN ({held}) t ON t.part = p.part AND t."row" = p.old '
            'JOIN (SELECT q."row", arg_min(u.content, q.part) AS content FROM places q '
            f'JOIN ({held}) u ON u.part = q.part AND u."row" = q.old GROUP BY q."row") f '
            'ON f."row" = p."row" GROUP BY p."row" '
            'HAVING bool_or(t.content <> f.content) ORDER BY p."row" LIMIT 1'
        )
        if found:
            raise _unequal(db, parts, table, *found[0])


def _unequal(
    db: Database, parts: Sequence[Part], table: str, row: int, one: int, other: int
) -> UsageError:
    first, second = parts[one], parts[other]
    [(old, path, line)] = db.all(
        f"SELECT p.old, s.path, c.line FROM places p JOIN {second.name}.conversations c "
        f'ON c."row" = p.old JOIN {second.name}.sources s ON s.source = c.source '
        'WHERE p."row" = $1 AND p.part = $2',
        row,
        other,
    )
    phase = next((phase for phase, name in TABLES.items() if name == table), None)
    what = f"results of {phase}" if phase else "texts"
    return UsageError(
        f"{first.db.path} and {second.db.path} hold different {what} for row {old} of "
        f"{second.db.path} ({path}, {line})",
        hint="merge stores of different inputs, or of different shards of one (--shard)",
    )


def _copy_sources(db: Database, places: Sequence[Place], shard: Shard | None) -> None:
    """One line for each source: of the store that has read the most of it. What only another store
    knows about the source is added."""
    for owner in (of for of in places if of.owner):
        same = [of.source for of in places if of.number == owner.number]
        db.do(
            "INSERT INTO sources BY NAME SELECT * REPLACE ($1 AS source, $2 AS license, "
            "$3 AS complete, $4 AS skips_system, $5 AS chain) "
            f"FROM {owner.part.name}.sources WHERE source = $6",
            owner.number,
            next((of.license for of in (owner.source, *same) if of.license), None),
            any(of.complete and of.records == owner.source.records for of in same),
            next((of.skips_system for of in same if of.skips_system is not None), None),
            owner.source.chain if shard else None,
            owner.source.number,
        )


def _copy_rejects(db: Database, places: Sequence[Place], apart: bool) -> None:
    """The rejects of all shards; of other stores those of the store that has read the most."""
    for of in places:
        if of.owner or not apart:
            db.do(
                f"INSERT INTO rejects BY NAME SELECT * REPLACE ({of.number} AS source) "
                f"FROM {of.part.name}.rejects WHERE source = $1 ORDER BY line, rowid",
                of.source.number,
            )


def _copy(
    db: Database, parts: Sequence[Part], table: str, keys: tuple[str, ...], shared: bool
) -> None:
    """All lines of a table with a column `row`, slice by slice in the order of the rows. Where
    stores share rows and several have a line, the first of them counts."""
    source = ", p.source AS source" if table == "conversations" else ""
    same = "".join(f" AND m.{key} = t.{key}" for key in keys)
    new = f' AND NOT EXISTS (SELECT 1 FROM {table} m WHERE m."row" = p."row"{same})'
    [(last,)] = db.all('SELECT coalesce(max("row"), 0) FROM places')
    for low in range(1, last + 1, _SLICE):
        with db.transaction():
            for part in parts:
                of = f'part = {part.number} AND "row" BETWEEN {low} AND {low + _SLICE - 1}'
                [(first, end)] = db.all(f"SELECT min(old), max(old) FROM places WHERE {of}")
                if first is None:
                    continue
                db.do(
                    f'INSERT INTO {table} BY NAME SELECT t.* REPLACE (p."row" AS "row"{source}) '
                    f"FROM {part.name}.{table} t JOIN (FROM places WHERE {of}) p "
                    f'ON p.old = t."row" WHERE t."row" BETWEEN {first} AND {end}'
                    f'{new if shared else ""} ORDER BY p."row"'
                )


def _of_all(parts: Sequence[Part], table: str, columns: str) -> str:
    """These columns of a table in all parts, with the number of the part."""
    return " UNION ALL ".join(
        f"SELECT {part.number} AS part, {columns} FROM {part.name}.{table}" for part in parts
    )


def _copy_judged(db: Database, parts: Sequence[Part]) -> None:
    """The judges, each once, and their verdicts. A judge is identified by its fingerprint."""
    numbers: dict[str, int] = {}
    db.do("CREATE TEMP TABLE verdicts AS SELECT *, 0 AS part FROM judged LIMIT 0")
    for part in parts:
        for judge, fingerprint, facts in part.db.all("SELECT * FROM judges ORDER BY judge"):
            if fingerprint not in numbers:
                numbers[fingerprint] = len(numbers) + 1
                db.do(
                    "INSERT INTO judges VALUES ($1, $2, $3::MAP(VARCHAR, VARCHAR))",
                    numbers[fingerprint], fingerprint, facts,
                )  # fmt: skip
            db.do(
                "INSERT INTO verdicts BY NAME SELECT t.* REPLACE ($1 AS judge, "
                f'p."row" AS "row"), p.part FROM {part.name}.judged t JOIN places p '
                f'ON p.part = {part.number} AND p.old = t."row" WHERE t.judge = $2',
                numbers[fingerprint],
                judge,
            )
    # Two stores may each have one of the two kinds of verdicts on a row.
    db.do(
        'INSERT INTO judged BY NAME SELECT judge, "row", arg_min(first, part) AS first, '
        "arg_min(second, part) AS second, arg_min(ratings, part) AS ratings, "
        "CASE WHEN count(dropped) = count(*) THEN arg_min(dropped, part) END AS dropped, "
        "sum(tokens_in)::BIGINT AS tokens_in, sum(tokens_out)::BIGINT AS tokens_out, "
        f"sum(seconds) AS seconds, {codec.DECODED} AS tokens_decoded, "
        'max("at") AS "at" FROM verdicts GROUP BY judge, "row" '
        'ORDER BY judge, "row"'
    )


def _copy_runs(db: Database, parts: Sequence[Part]) -> None:
    """The runs in order of time. A run that several stores have, because one is a copy of the
    other, is there once."""
    columns = 'started, ended, command, outcome, model, seed, "version"'
    db.do(
        f"INSERT INTO runs BY NAME SELECT row_number() OVER (ORDER BY {columns}) AS run, * FROM "
        f"(SELECT DISTINCT {columns} FROM ({_of_all(parts, 'runs', columns)}))"
    )


def _merge_reviews(db: Database, parts: Sequence[Part]) -> None:
    """Where several stores have a review of a row, the same rules hold as for decisions from a
    file: see `decisions.merge`."""
    several = db.all(
        f'SELECT p.part, p.old, p."row" FROM places p '
        f"JOIN ({_of_all(parts, 'reviews', chr(34) + 'row' + chr(34))}) w "
        'ON w.part = p.part AND w."row" = p.old '
        'QUALIFY row_number() OVER (PARTITION BY p."row" ORDER BY p.part) > 1'
    )
    for part in parts:
        rows = {old: row for number, old, row in several if number == part.number}
        if rows:
            every = reviews.every(part.db)
            theirs = {row: every[old] for old, row in rows.items()}
            decisions.merge(db, theirs, overwrite=False)
