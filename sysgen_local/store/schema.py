"""The tables, as numbered migrations. Each runs once, in order, and is noted in `migrations`.

To change the schema append a migration; never edit one that has been released. All times are UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TURNS = 'STRUCT("role" VARCHAR, content VARCHAR)[]'
_PHRASES = 'STRUCT(tag VARCHAR, "text" VARCHAR)[]'
_REMOVED = 'STRUCT(tag VARCHAR, "text" VARCHAR, reason VARCHAR)[]'
_VERDICTS = (
    'STRUCT(tag VARCHAR, "text" VARCHAR, label VARCHAR, good DOUBLE, bad DOUBLE, "none" DOUBLE)[]'
)
_CHECKS = (
    'STRUCT(turn BIGINT, kind VARCHAR, "text" VARCHAR, "by" VARCHAR, p DOUBLE, detail VARCHAR)[]'
)
_ATTEMPTS = (
    "STRUCT(turn BIGINT, content VARCHAR, shown BOOLEAN, agrees DOUBLE, obeys DOUBLE, "
    "fault VARCHAR)[]"
)
_COST = "tokens_in BIGINT NOT NULL, tokens_out BIGINT NOT NULL, seconds DOUBLE NOT NULL"

_FIRST = f"""
CREATE TABLE sources (
    source INTEGER PRIMARY KEY,
    path VARCHAR NOT NULL,
    file VARCHAR NOT NULL,
    fingerprint VARCHAR NOT NULL,
    dataset VARCHAR,
    license VARCHAR,
    mapping MAP(VARCHAR, VARCHAR),
    records BIGINT NOT NULL,
    complete BOOLEAN NOT NULL,
    "at" TIMESTAMP NOT NULL
);
CREATE TABLE conversations (
    "row" BIGINT PRIMARY KEY,
    source INTEGER NOT NULL,
    line BIGINT NOT NULL,
    turns {_TURNS} NOT NULL,
    system VARCHAR,
    tools VARCHAR
);
CREATE TABLE rejects (
    source INTEGER NOT NULL,
    line BIGINT NOT NULL,
    reason VARCHAR NOT NULL,
    detail VARCHAR NOT NULL
);
CREATE TABLE generated (
    "row" BIGINT PRIMARY KEY, phrases {_PHRASES} NOT NULL, dropped VARCHAR, raw VARCHAR,
    {_COST}, "at" TIMESTAMP NOT NULL
);
CREATE TABLE filtered (
    "row" BIGINT PRIMARY KEY, phrases {_PHRASES} NOT NULL, removed {_REMOVED} NOT NULL,
    dropped VARCHAR, "at" TIMESTAMP NOT NULL
);
CREATE TABLE verified (
    "row" BIGINT PRIMARY KEY, verdicts {_VERDICTS} NOT NULL, system VARCHAR, dropped VARCHAR,
    {_COST}, "at" TIMESTAMP NOT NULL
);
CREATE TABLE responded (
    "row" BIGINT PRIMARY KEY, turns {_TURNS} NOT NULL, dropped VARCHAR,
    {_COST}, "at" TIMESTAMP NOT NULL
);
CREATE TABLE recipes (
    phase VARCHAR PRIMARY KEY,
    fingerprint VARCHAR NOT NULL,
    facts MAP(VARCHAR, VARCHAR) NOT NULL
);
CREATE TABLE runs (
    run INTEGER PRIMARY KEY,
    started TIMESTAMP NOT NULL,
    ended TIMESTAMP,
    command VARCHAR NOT NULL,
    outcome VARCHAR,
    model VARCHAR,
    seed BIGINT,
    version VARCHAR
);
CREATE VIEW meta AS SELECT max(number) AS schema_version FROM migrations;
CREATE VIEW dropped AS
    SELECT "row", 'generate' AS phase, dropped AS reason FROM generated WHERE dropped IS NOT NULL
    UNION ALL
    SELECT "row", 'filter', dropped FROM filtered WHERE dropped IS NOT NULL
    UNION ALL
    SELECT "row", 'verify', dropped FROM verified WHERE dropped IS NOT NULL
    UNION ALL
    SELECT "row", 'respond', dropped FROM responded WHERE dropped IS NOT NULL;
CREATE VIEW final AS
    SELECT r."row", s.path AS source, c.line, s.dataset, s.license,
        v.system, r.turns, c.system AS old_system, c.turns AS old_turns, c.tools
    FROM responded r
    JOIN verified v ON v."row" = r."row"
    JOIN conversations c ON c."row" = r."row"
    JOIN sources s ON s.source = c.source
    WHERE r.dropped IS NULL;
"""

_REVIEWS = f"""
CREATE TABLE reviews (
    "row" BIGINT PRIMARY KEY, decision VARCHAR NOT NULL, phrases {_PHRASES}, system VARCHAR,
    "at" TIMESTAMP NOT NULL
);
CREATE VIEW released AS
    SELECT f."row", f.source, f.line, f.dataset, f.license, coalesce(w.system, f.system) AS system,
        f.turns, f.old_system, f.old_turns, f.tools
    FROM final f LEFT JOIN reviews w ON w."row" = f."row"
    WHERE w.decision IS DISTINCT FROM 'rejected';
CREATE VIEW journey AS
    SELECT c."row", s.path AS source, c.line, coalesce(s.dataset, s.path) AS dataset, s.license,
        len([t FOR t IN c.turns IF t."role" = 'user']) AS turns,
        c.turns[1].content AS instruction, c.turns[-1].content AS old_answer,
        c.system AS old_system, coalesce(w.system, v.system) AS system,
        r.turns[-1].content AS new_answer,
        [p FOR p IN v.verdicts IF p.label = 'good'] AS good,
        [p.tag FOR p IN good] AS tags,
        list_min([p.good FOR p IN good]) AS p_good,
        coalesce(g.dropped, f.dropped, v.dropped, r.dropped) AS reason,
        CASE WHEN reason IS NOT NULL THEN 'dropped' WHEN r."row" IS NULL THEN 'pending'
            ELSE 'final' END AS state,
        CASE WHEN g.dropped IS NOT NULL THEN 'generate' WHEN f.dropped IS NOT NULL THEN 'filter'
            WHEN v.dropped IS NOT NULL THEN 'verify' WHEN r.dropped IS NOT NULL THEN 'respond'
            END AS phase,
        w.decision AS review
    FROM conversations c JOIN sources s ON s.source = c.source
    LEFT JOIN generated g ON g."row" = c."row"
    LEFT JOIN filtered f ON f."row" = c."row"
    LEFT JOIN verified v ON v."row" = c."row"
    LEFT JOIN responded r ON r."row" = c."row"
    LEFT JOIN reviews w ON w."row" = c."row";
"""

# `responded.system`: the system message of a person's under which the row was answered; NULL
# for the model's own.
_EDITED = """
ALTER TABLE responded ADD COLUMN system VARCHAR;
CREATE OR REPLACE VIEW journey AS
    SELECT c."row", s.path AS source, c.line, coalesce(s.dataset, s.path) AS dataset, s.license,
        len([t FOR t IN c.turns IF t."role" = 'user']) AS turns,
        c.turns[1].content AS instruction, c.turns[-1].content AS old_answer,
        c.system AS old_system, coalesce(w.system, v.system) AS system,
        r.turns[-1].content AS new_answer,
        [p FOR p IN v.verdicts IF p.label = 'good'] AS good,
        [p.tag FOR p IN good] AS tags,
        list_min([p.good FOR p IN good]) AS p_good,
        coalesce(g.dropped, f.dropped, v.dropped, r.dropped) AS reason,
        CASE WHEN reason IS NOT NULL THEN 'dropped' WHEN r."row" IS NULL THEN 'pending'
            ELSE 'final' END AS state,
        CASE WHEN g.dropped IS NOT NULL THEN 'generate' WHEN f.dropped IS NOT NULL THEN 'filter'
            WHEN v.dropped IS NOT NULL THEN 'verify' WHEN r.dropped IS NOT NULL THEN 'respond'
            END AS phase,
        w.decision AS review,
        r."row" IS NOT NULL
            AND coalesce(w.system, v.system) IS DISTINCT FROM coalesce(r.system, v.system) AS stale
    FROM conversations c JOIN sources s ON s.source = c.source
    LEFT JOIN generated g ON g."row" = c."row"
    LEFT JOIN filtered f ON f."row" = c."row"
    LEFT JOIN verified v ON v."row" = c."row"
    LEFT JOIN responded r ON r."row" = c."row"
    LEFT JOIN reviews w ON w."row" = c."row";
"""

_JUDGED = f"""
CREATE TABLE measures (
    "row" BIGINT NOT NULL, metric VARCHAR NOT NULL, "value" DOUBLE NOT NULL,
    "at" TIMESTAMP NOT NULL, PRIMARY KEY ("row", metric)
);
CREATE TABLE judges (
    judge INTEGER PRIMARY KEY, fingerprint VARCHAR NOT NULL, facts MAP(VARCHAR, VARCHAR) NOT NULL
);
CREATE TABLE judged (
    judge INTEGER NOT NULL, "row" BIGINT NOT NULL, "first" DOUBLE, "second" DOUBLE,
    ratings DOUBLE[], dropped VARCHAR, {_COST}, "at" TIMESTAMP NOT NULL,
    PRIMARY KEY (judge, "row")
);
"""

# With checks, a row is final once they let it through. A run that makes them notes their recipe
# before it begins; without it (an older store, --no-check) phase 4 is the last.
_CHECKED = f"""
CREATE TABLE checked (
    "row" BIGINT PRIMARY KEY, turns {_TURNS} NOT NULL, checks {_CHECKS} NOT NULL,
    attempts {_ATTEMPTS} NOT NULL, agrees BOOLEAN, obeys DOUBLE, tries INTEGER NOT NULL,
    dropped VARCHAR, {_COST}, "at" TIMESTAMP NOT NULL
);
CREATE VIEW checking AS
    SELECT EXISTS (SELECT 1 FROM recipes WHERE phase = 'check') OR EXISTS (SELECT 1 FROM checked)
        AS "on";
CREATE OR REPLACE VIEW dropped AS
    SELECT "row", 'generate' AS phase, dropped AS reason FROM generated WHERE dropped IS NOT NULL
    UNION ALL
    SELECT "row", 'filter', dropped FROM filtered WHERE dropped IS NOT NULL
    UNION ALL
    SELECT "row", 'verify', dropped FROM verified WHERE dropped IS NOT NULL
    UNION ALL
    SELECT "row", 'respond', dropped FROM responded WHERE dropped IS NOT NULL
    UNION ALL
    SELECT "row", 'check', dropped FROM checked WHERE dropped IS NOT NULL;
CREATE OR REPLACE VIEW final AS
    SELECT r."row", s.path AS source, c.line, s.dataset, s.license,
        v.system, CASE WHEN len(k.turns) > 0 THEN k.turns ELSE r.turns END AS turns,
        c.system AS old_system, c.turns AS old_turns, c.tools,
        coalesce([a FOR a IN k.attempts IF a.fault IN ('disagrees', 'disobeys')], []) AS failed,
        k.agrees, k.obeys, coalesce(k.checks, []) AS checks
    FROM responded r
    JOIN verified v ON v."row" = r."row"
    JOIN conversations c ON c."row" = r."row"
    JOIN sources s ON s.source = c.source
    LEFT JOIN checked k ON k."row" = r."row"
    WHERE r.dropped IS NULL AND k.dropped IS NULL
        AND (k."row" IS NOT NULL OR NOT (SELECT "on" FROM checking));
CREATE OR REPLACE VIEW released AS
    SELECT f."row", f.source, f.line, f.dataset, f.license, coalesce(w.system, f.system) AS system,
        f.turns, f.old_system, f.old_turns, f.tools, f.failed, f.agrees, f.obeys, f.checks
    FROM final f LEFT JOIN reviews w ON w."row" = f."row"
    WHERE w.decision IS DISTINCT FROM 'rejected';
CREATE OR REPLACE VIEW journey AS
    SELECT c."row", s.path AS source, c.line, coalesce(s.dataset, s.path) AS dataset, s.license,
        len([t FOR t IN c.turns IF t."role" = 'user']) AS turns,
        c.turns[1].content AS instruction, c.turns[-1].content AS old_answer,
        c.system AS old_system, coalesce(w.system, v.system) AS system,
        CASE WHEN len(k.turns) > 0 THEN k.turns ELSE r.turns END[-1].content AS new_answer,
        [p FOR p IN v.verdicts IF p.label = 'good'] AS good,
        [p.tag FOR p IN good] AS tags,
        list_min([p.good FOR p IN good]) AS p_good,
        k.agrees, k.obeys, k.tries, k.checks,
        coalesce(g.dropped, f.dropped, v.dropped, r.dropped, k.dropped) AS reason,
        CASE WHEN reason IS NOT NULL THEN 'dropped'
            WHEN r."row" IS NULL OR (k."row" IS NULL AND (SELECT "on" FROM checking))
            THEN 'pending' ELSE 'final' END AS state,
        CASE WHEN g.dropped IS NOT NULL THEN 'generate' WHEN f.dropped IS NOT NULL THEN 'filter'
            WHEN v.dropped IS NOT NULL THEN 'verify' WHEN r.dropped IS NOT NULL THEN 'respond'
            WHEN k.dropped IS NOT NULL THEN 'check' END AS phase,
        w.decision AS review,
        r."row" IS NOT NULL
            AND coalesce(w.system, v.system) IS DISTINCT FROM coalesce(r.system, v.system) AS stale
    FROM conversations c JOIN sources s ON s.source = c.source
    LEFT JOIN generated g ON g."row" = c."row"
    LEFT JOIN filtered f ON f."row" = c."row"
    LEFT JOIN verified v ON v."row" = c."row"
    LEFT JOIN responded r ON r."row" = c."row"
    LEFT JOIN checked k ON k."row" = c."row"
    LEFT JOIN reviews w ON w."row" = c."row";
"""

# What a person decided is decided of one version of a row: `of_system` and `of_answers` tell which,
# by digests of the model's system message and of the new answers. An opinion holds while the row is
# that version. An answer that was written anew ends it and the same answer brings it back; edited
# phrases hold for as long as the model's own system message is the one that was edited.
_ANSWERS_DIGEST = (
    "md5(list_aggregate([strlen(t.content) || ':' || t.content FOR t IN {turns}], "
    "'string_agg', ''))"
)
_LAST_ANSWERS = "CASE WHEN len(k.turns) > 0 THEN k.turns ELSE r.turns END"

_VERSIONS = f"""
ALTER TABLE reviews ADD COLUMN of_system VARCHAR;
ALTER TABLE reviews ADD COLUMN of_answers VARCHAR;
CREATE VIEW versions AS
    SELECT n."row", md5(coalesce(v.system, '')) AS of_system,
        {_ANSWERS_DIGEST.format(turns=_LAST_ANSWERS)} AS of_answers
    FROM reviews n
    JOIN verified v ON v."row" = n."row"
    LEFT JOIN responded r ON r."row" = n."row"
    LEFT JOIN checked k ON k."row" = n."row";
UPDATE reviews SET of_system = n.of_system FROM versions n WHERE n."row" = reviews."row";
UPDATE reviews SET of_answers = n.of_answers FROM versions n, responded r
    LEFT JOIN checked k ON k."row" = r."row"
    WHERE n."row" = reviews."row" AND r."row" = reviews."row"
        AND reviews."at" >= greatest(r."at", CASE WHEN len(k.turns) > 0 THEN k."at" END);
CREATE VIEW opinions AS
    SELECT w."row", n.of_system IS NOT NULL AND n.of_system IS NOT DISTINCT FROM w.of_system
            AS same_system,
        same_system AND n.of_answers IS NOT NULL
            AND n.of_answers IS NOT DISTINCT FROM w.of_answers AS same_answers,
        CASE WHEN same_answers THEN w.decision END AS decision,
        CASE WHEN NOT same_answers THEN w.decision END AS earlier,
        CASE WHEN same_system THEN w.phrases END AS phrases,
        CASE WHEN same_system THEN w.system END AS system
    FROM reviews w LEFT JOIN versions n ON n."row" = w."row";
CREATE OR REPLACE VIEW released AS
    SELECT f."row", f.source, f.line, f.dataset, f.license, coalesce(w.system, f.system) AS system,
        f.turns, f.old_system, f.old_turns, f.tools, f.failed, f.agrees, f.obeys, f.checks
    FROM final f LEFT JOIN opinions w ON w."row" = f."row"
    WHERE w.decision IS DISTINCT FROM 'rejected';
CREATE OR REPLACE VIEW journey AS
    SELECT c."row", s.path AS source, c.line, coalesce(s.dataset, s.path) AS dataset, s.license,
        len([t FOR t IN c.turns IF t."role" = 'user']) AS turns,
        c.turns[1].content AS instruction, c.turns[-1].content AS old_answer,
        c.system AS old_system, coalesce(w.system, v.system) AS system,
        CASE WHEN len(k.turns) > 0 THEN k.turns ELSE r.turns END[-1].content AS new_answer,
        [p FOR p IN v.verdicts IF p.label = 'good'] AS good,
        [p.tag FOR p IN good] AS tags,
        list_min([p.good FOR p IN good]) AS p_good,
        k.agrees, k.obeys, k.tries, k.checks,
        coalesce(g.dropped, f.dropped, v.dropped, r.dropped, k.dropped) AS reason,
        CASE WHEN reason IS NOT NULL THEN 'dropped'
            WHEN r."row" IS NULL OR (k."row" IS NULL AND (SELECT "on" FROM checking))
            THEN 'pending' ELSE 'final' END AS state,
        CASE WHEN g.dropped IS NOT NULL THEN 'generate' WHEN f.dropped IS NOT NULL THEN 'filter'
            WHEN v.dropped IS NOT NULL THEN 'verify' WHEN r.dropped IS NOT NULL THEN 'respond'
            WHEN k.dropped IS NOT NULL THEN 'check' END AS phase,
        w.decision AS review, w.earlier AS earlier_review,
        r."row" IS NOT NULL
            AND coalesce(w.system, v.system) IS DISTINCT FROM coalesce(r.system, v.system) AS stale
    FROM conversations c JOIN sources s ON s.source = c.source
    LEFT JOIN generated g ON g."row" = c."row"
    LEFT JOIN filtered f ON f."row" = c."row"
    LEFT JOIN verified v ON v."row" = c."row"
    LEFT JOIN responded r ON r."row" = c."row"
    LEFT JOIN checked k ON k."row" = c."row"
    LEFT JOIN opinions w ON w."row" = c."row";
"""

# `raw` is NULL in rows that an older version rejected.
_REJECTED = """
ALTER TABLE rejects ADD COLUMN raw VARCHAR;
CREATE VIEW rejected AS
    SELECT r.rowid AS reject, r.source AS place, s.path AS source, r.line,
        coalesce(s.dataset, s.path) AS dataset, s.license, r.reason, r.detail, r.raw
    FROM rejects r JOIN sources s ON s.source = r.source;
"""

# Of turns: the thought before an answer, the words beside calls, and which call a result answers.
# Views name the turns whole, so they have the new members too.
_MEMBERS = ("thought", "words", "call", "name")
_APART = f"""
{
    "".join(
        f"ALTER TABLE {table} ADD COLUMN turns.element.{member} VARCHAR DEFAULT '';"
        for table in ("conversations", "responded", "checked")
        for member in _MEMBERS
    )
}
ALTER TABLE conversations ADD COLUMN "result" VARCHAR;
ALTER TABLE conversations ADD COLUMN repairs STRUCT(kind VARCHAR, "text" VARCHAR)[] DEFAULT [];
"""

# What went wrong with rows that were dropped because a request had no answer. A line whose row has
# a result by now, or another one, says nothing: `why` is read for the reason that it stands with.
_FAILURES = """
CREATE TABLE failures (
    "row" BIGINT NOT NULL, phase VARCHAR NOT NULL, reason VARCHAR NOT NULL, why VARCHAR NOT NULL,
    "at" TIMESTAMP NOT NULL, PRIMARY KEY ("row", phase)
);
"""

MIGRATIONS: tuple[tuple[str, str], ...] = (
    ("first tables", _FIRST),
    ("reviews", _REVIEWS),
    ("answers to edited rows", _EDITED),
    ("answers compared and judged", _JUDGED),
    ("answers checked", _CHECKED),
    ("decisions of versions", _VERSIONS),
    ("raw text of rejected rows", _REJECTED),
    ("thoughts, calls and repairs", _APART),
    ("what went wrong", _FAILURES),
)
"""(name, SQL) of every migration; its number is its place, from 1."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What a kind of file holds: its migrations, tables by which it is known as ours, and the
    command that makes one."""

    migrations: tuple[tuple[str, str], ...]
    tables: frozenset[str]
    maker: str


def rows_layout() -> Layout:
    """That of a `Store`."""
    return Layout(
        MIGRATIONS, frozenset({"migrations", "sources", "conversations", "recipes"}), "run INPUT"
    )


_LEDGER = (
    "CREATE TABLE IF NOT EXISTS migrations "
    '(number INTEGER PRIMARY KEY, name VARCHAR NOT NULL, "at" TIMESTAMP NOT NULL)'
)


def now() -> datetime:
    """The time in UTC, without a zone, as the TIMESTAMP columns hold it."""
    return datetime.now(UTC).replace(tzinfo=None)


def version(con: DuckDBPyConnection, layout: Layout | None = None) -> int | None:
    """Number of the last migration; 0 in an empty database, None in one that is not ours."""
    layout = layout or rows_layout()
    tables = {name for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    if not tables:
        return 0
    if not layout.tables <= tables:
        return None
    return int(con.execute("SELECT coalesce(max(number), 0) FROM migrations").fetchall()[0][0])


def migrate(con: DuckDBPyConnection, layout: Layout | None = None) -> None:
    """Run every migration that has not run yet; all of them or, on an error, none."""
    layout = layout or rows_layout()
    done = version(con, layout) or 0
    con.begin()
    try:
        con.execute(_LEDGER)
        for number, (name, sql) in enumerate(layout.migrations[done:], done + 1):
            con.execute(sql)
            con.execute("INSERT INTO migrations VALUES ($1, $2, $3)", [number, name, now()])
    except BaseException:
        con.rollback()
        raise
    con.commit()
