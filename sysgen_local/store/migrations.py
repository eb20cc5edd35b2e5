"""The tables of a `Store`, as numbered migrations. `views` has its views.

To change a table, append a migration. Never edit one that has been released. All times are UTC.
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
"""

_REVIEWS = f"""
CREATE TABLE reviews (
    "row" BIGINT PRIMARY KEY, decision VARCHAR NOT NULL, phrases {_PHRASES}, system VARCHAR,
    "at" TIMESTAMP NOT NULL
);
"""

# `responded.system`: the system message of a reviewer under which the row was answered; NULL where
# it was the model's own.
_EDITED = """
ALTER TABLE responded ADD COLUMN system VARCHAR;
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

_CHECKED = f"""
CREATE TABLE checked (
    "row" BIGINT PRIMARY KEY, turns {_TURNS} NOT NULL, checks {_CHECKS} NOT NULL,
    attempts {_ATTEMPTS} NOT NULL, agrees BOOLEAN, obeys DOUBLE, tries INTEGER NOT NULL,
    dropped VARCHAR, {_COST}, "at" TIMESTAMP NOT NULL
);
"""

# What identifies the version of a row that a review is about: see `views`. A review that is older
# than the answer is of an earlier answer, which is not kept.
_VERSIONS = """
ALTER TABLE reviews ADD COLUMN of_system VARCHAR;
ALTER TABLE reviews ADD COLUMN of_answers VARCHAR;
UPDATE reviews SET of_system = md5(coalesce(v.system, ''))
    FROM verified v WHERE v."row" = reviews."row";
UPDATE reviews SET of_answers = md5(list_aggregate(
        [strlen(t.content) || ':' || t.content
         FOR t IN CASE WHEN len(k.turns) > 0 THEN k.turns ELSE r.turns END], 'string_agg', ''))
    FROM responded r LEFT JOIN checked k ON k."row" = r."row"
    WHERE r."row" = reviews."row"
        AND reviews."at" >= greatest(r."at", CASE WHEN len(k.turns) > 0 THEN k."at" END);
"""

# `raw` is NULL for records that an older version rejected.
_REJECTED = """
ALTER TABLE rejects ADD COLUMN raw VARCHAR;
"""

# New members of turns: the thought before an answer, the words beside calls, and the call that a
# result answers.
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

# `decision` is NULL where a person only wrote a note.
_EDITED_ANSWERS = """
ALTER TABLE reviews ADD COLUMN answers VARCHAR[];
ALTER TABLE reviews ADD COLUMN note VARCHAR;
ALTER TABLE reviews ADD COLUMN reviewer VARCHAR;
ALTER TABLE reviews ALTER COLUMN decision DROP NOT NULL;
"""

# New columns of the view `journey`.
_JOINED = "SELECT 1"

# `shards`: the shards that the store holds, none where it holds all rows. `usable` and `records`
# count the rows and records of a source in all shards, so that a row has the number that it has in
# a store without shards. `skips_system`: whether rows with a system message were rejected; NULL
# where the source has had no such row. `chain`: see `shards`; NULL outside of shards.
_SHARDS = """
CREATE TABLE shards (shard INTEGER PRIMARY KEY, "of" INTEGER NOT NULL);
ALTER TABLE sources ADD COLUMN usable BIGINT DEFAULT 0;
ALTER TABLE sources ADD COLUMN skips_system BOOLEAN;
ALTER TABLE sources ADD COLUMN chain VARCHAR;
UPDATE sources SET usable = (
    SELECT count(*) FROM conversations c WHERE c.source = sources.source);
UPDATE sources SET skips_system = false WHERE EXISTS (
    SELECT 1 FROM conversations c WHERE c.source = sources.source AND c.system <> '');
UPDATE sources SET skips_system = true WHERE EXISTS (
    SELECT 1 FROM rejects r WHERE r.source = sources.source AND r.reason = 'has_system');
"""

# A log of what people decided blind: see `labels`. `said` is NULL where it was taken back.
_LABELS = """
CREATE TABLE labels (
    label BIGINT PRIMARY KEY, "row" BIGINT NOT NULL, kind VARCHAR NOT NULL, tag VARCHAR,
    "text" VARCHAR, shown VARCHAR, said VARCHAR, reviewer VARCHAR NOT NULL,
    random BOOLEAN NOT NULL, "at" TIMESTAMP NOT NULL
);
"""

# NULL in results of an older version, and where the engine did not tell.
_DECODED = "".join(
    f"ALTER TABLE {table} ADD COLUMN tokens_decoded BIGINT;"
    for table in ("generated", "verified", "responded", "checked", "judged")
)

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
    ("edited answers, notes and reviewers", _EDITED_ANSWERS),
    ("judges and measures beside rows", _JOINED),
    ("shards", _SHARDS),
    ("labels", _LABELS),
    ("decoded tokens", _DECODED),
)
"""(name, SQL) of every migration. The number of a migration is its position, from 1."""
