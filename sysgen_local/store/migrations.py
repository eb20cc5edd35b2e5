"""The tables and views of a `Store`, as numbered migrations.

To change the schema, append a migration. Never edit one that has been released. All times are UTC.
"""

from __future__ import annotations

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

# `responded.system`: the system message of a reviewer under which the row was answered; NULL where
# it was the model's own.
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

# With checks, a row is final once it passed them. A run with checks writes their recipe before it
# begins. Where there is none (an older store, --no-check), phase 4 is the last.
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

# A review is of one version of a row. `of_system` and `of_answers` identify the version: digests of
# the model's system message and of the new answers. The view `opinions` has the reviews that are
# valid now. A decision is valid while the answers have that digest, so a new answer makes it
# invalid, and the same answer makes it valid again. Edited phrases are valid while the model's own
# system message is the one that was edited.
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

# `raw` is NULL for records that an older version rejected.
_REJECTED = """
ALTER TABLE rejects ADD COLUMN raw VARCHAR;
CREATE VIEW rejected AS
    SELECT r.rowid AS reject, r.source AS place, s.path AS source, r.line,
        coalesce(s.dataset, s.path) AS dataset, s.license, r.reason, r.detail, r.raw
    FROM rejects r JOIN sources s ON s.source = r.source;
"""

# New members of turns: the thought before an answer, the words beside calls, and the call that a
# result answers. The views select whole turns, so they have the new members too.
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

# What went wrong with rows that were dropped because a request had no answer. `why` belongs to
# `reason`: it is ignored where the row's result has another reason by now, or none.
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
"""(name, SQL) of every migration. The number of a migration is its position, from 1."""
