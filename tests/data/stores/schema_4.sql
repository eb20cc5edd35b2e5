-- The tables and views of a store before there were checks (its schema is number 4), as the version
-- of then made them, with the rows of three records: two finished, the third dropped in phase 4.
CREATE TABLE migrations (
    number INTEGER PRIMARY KEY, name VARCHAR NOT NULL, "at" TIMESTAMP NOT NULL
);
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
    turns STRUCT("role" VARCHAR, content VARCHAR)[] NOT NULL,
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
    "row" BIGINT PRIMARY KEY, phrases STRUCT(tag VARCHAR, "text" VARCHAR)[] NOT NULL, dropped VARCHAR, raw VARCHAR,
    tokens_in BIGINT NOT NULL, tokens_out BIGINT NOT NULL, seconds DOUBLE NOT NULL, "at" TIMESTAMP NOT NULL
);
CREATE TABLE filtered (
    "row" BIGINT PRIMARY KEY, phrases STRUCT(tag VARCHAR, "text" VARCHAR)[] NOT NULL, removed STRUCT(tag VARCHAR, "text" VARCHAR, reason VARCHAR)[] NOT NULL,
    dropped VARCHAR, "at" TIMESTAMP NOT NULL
);
CREATE TABLE verified (
    "row" BIGINT PRIMARY KEY, verdicts STRUCT(tag VARCHAR, "text" VARCHAR, label VARCHAR, good DOUBLE, bad DOUBLE, "none" DOUBLE)[] NOT NULL, system VARCHAR, dropped VARCHAR,
    tokens_in BIGINT NOT NULL, tokens_out BIGINT NOT NULL, seconds DOUBLE NOT NULL, "at" TIMESTAMP NOT NULL
);
CREATE TABLE responded (
    "row" BIGINT PRIMARY KEY, turns STRUCT("role" VARCHAR, content VARCHAR)[] NOT NULL, dropped VARCHAR,
    tokens_in BIGINT NOT NULL, tokens_out BIGINT NOT NULL, seconds DOUBLE NOT NULL, "at" TIMESTAMP NOT NULL
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
INSERT INTO migrations VALUES (1, 'first tables', TIMESTAMP '2026-01-01');
CREATE TABLE reviews (
    "row" BIGINT PRIMARY KEY, decision VARCHAR NOT NULL, phrases STRUCT(tag VARCHAR, "text" VARCHAR)[], system VARCHAR,
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
INSERT INTO migrations VALUES (2, 'reviews', TIMESTAMP '2026-01-01');
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
INSERT INTO migrations VALUES (3, 'answers to edited rows', TIMESTAMP '2026-01-01');
CREATE TABLE measures (
    "row" BIGINT NOT NULL, metric VARCHAR NOT NULL, "value" DOUBLE NOT NULL,
    "at" TIMESTAMP NOT NULL, PRIMARY KEY ("row", metric)
);
CREATE TABLE judges (
    judge INTEGER PRIMARY KEY, fingerprint VARCHAR NOT NULL, facts MAP(VARCHAR, VARCHAR) NOT NULL
);
CREATE TABLE judged (
    judge INTEGER NOT NULL, "row" BIGINT NOT NULL, "first" DOUBLE, "second" DOUBLE,
    ratings DOUBLE[], dropped VARCHAR, tokens_in BIGINT NOT NULL, tokens_out BIGINT NOT NULL, seconds DOUBLE NOT NULL, "at" TIMESTAMP NOT NULL,
    PRIMARY KEY (judge, "row")
);
INSERT INTO migrations VALUES (4, 'answers compared and judged', TIMESTAMP '2026-01-01');
INSERT INTO sources VALUES (1, 'a.jsonl', '/a.jsonl', 'f', NULL, NULL, MAP {}, 3, true, now());
INSERT INTO conversations SELECT n, 1, n, [{'role': 'user', 'content': 'q'},
    {'role': 'assistant', 'content': 'a'}], NULL, NULL FROM range(1, 4) r(n);
INSERT INTO generated SELECT n, [{'tag': 'role', 'text': 'You are a cook.'}], NULL, NULL, 0, 0, 0,
    now() FROM range(1, 4) r(n);
INSERT INTO filtered SELECT n, [{'tag': 'role', 'text': 'You are a cook.'}], [], NULL, now()
    FROM range(1, 4) r(n);
INSERT INTO verified SELECT n, [], 'You are a cook.', NULL, 0, 0, 0, now() FROM range(1, 4) r(n);
INSERT INTO responded SELECT n, [{'role': 'user', 'content': 'q'},
    {'role': 'assistant', 'content': 'new ' || n}], CASE n WHEN 3 THEN 'empty' END, 0, 0, 0, now(),
    NULL FROM range(1, 4) r(n);
INSERT INTO recipes SELECT unnest(['generate', 'filter', 'verify', 'respond']), 'x',
    MAP {'seed': '0'};
INSERT INTO reviews VALUES (1, 'accepted', NULL, NULL, now()::TIMESTAMP);
INSERT INTO measures VALUES (1, 'gleu', 0.5, now()), (2, 'gleu', 0.7, now());
