"""The views of a `Store`: what a row has come to, and what the columns of `--where` are.

They are made anew whenever a file is made or brought up to date, in this order, so a view may read
the ones above it. To change a view, change it here and append a migration, which may be empty: a
file whose migrations have all run keeps the views that it has. docs/store.md describes every view.
"""

from __future__ import annotations

from sysgen_local.core.records import TABLES

META = "SELECT max(number) AS schema_version FROM migrations"
"""The number of the last migration."""

# A run with checks writes their recipe before it begins. Where there is none (an older store,
# --no-check), a row is final after phase 4.
_CHECKING = """
SELECT EXISTS (SELECT 1 FROM recipes WHERE phase = 'check') OR EXISTS (SELECT 1 FROM checked)
    AS "on"
"""

_DROPPED = " UNION ALL ".join(
    f"""SELECT "row", '{phase}' AS phase, dropped AS reason FROM {table}
    WHERE dropped IS NOT NULL"""
    for phase, table in TABLES.items()
)

# `r` is the answer of phase 4, `k` the result of the checks. The turns of `checked` are empty where
# the checks kept the answer.
_TURNS = "CASE WHEN len(k.turns) > 0 THEN k.turns ELSE r.turns END"

_FINAL = f"""
SELECT r."row", s.path AS source, c.line, s.dataset, s.license,
    v.system, {_TURNS} AS turns,
    c.system AS old_system, c.turns AS old_turns, c.tools,
    coalesce([a FOR a IN k.attempts IF a.fault IN ('disagrees', 'disobeys')], []) AS failed,
    k.agrees, k.obeys, coalesce(k.checks, []) AS checks
FROM responded r
JOIN verified v ON v."row" = r."row"
JOIN conversations c ON c."row" = r."row"
JOIN sources s ON s.source = c.source
LEFT JOIN checked k ON k."row" = r."row"
WHERE r.dropped IS NULL AND k.dropped IS NULL
    AND (k."row" IS NOT NULL OR NOT (SELECT "on" FROM checking))
"""

# A review is of one version of a row. `of_system` and `of_answers` identify the version: digests of
# the model's system message and of the new answers.
_VERSIONS = f"""
SELECT n."row", md5(coalesce(v.system, '')) AS of_system,
    md5(list_aggregate([strlen(t.content) || ':' || t.content FOR t IN {_TURNS}],
        'string_agg', '')) AS of_answers
FROM reviews n
JOIN verified v ON v."row" = n."row"
LEFT JOIN responded r ON r."row" = n."row"
LEFT JOIN checked k ON k."row" = n."row"
"""

# The reviews that are valid now. A decision is valid while the answers have the digest that it was
# about, so a new answer makes it invalid, and the same answer makes it valid again. Edited answers
# are valid as a decision is. Edited phrases are valid while the model's own system message is the
# one that was edited. A note is about the row, whatever its version.
_OPINIONS = """
SELECT w."row", n.of_system IS NOT NULL AND n.of_system IS NOT DISTINCT FROM w.of_system
        AS same_system,
    same_system AND n.of_answers IS NOT NULL
        AND n.of_answers IS NOT DISTINCT FROM w.of_answers AS same_answers,
    CASE WHEN same_answers THEN w.decision END AS decision,
    CASE WHEN NOT same_answers THEN w.decision END AS earlier,
    CASE WHEN same_system THEN w.phrases END AS phrases,
    CASE WHEN same_system THEN w.system END AS system,
    CASE WHEN same_answers THEN w.answers END AS answers,
    w.note, w.reviewer
FROM reviews w LEFT JOIN versions n ON n."row" = w."row"
"""

# The turns with the edited answers in place of the model's. A thought before an answer led to the
# model's answer, so it is left out where the answer was edited.
_ANSWER = "w.answers[len([b FOR b IN f.turns[:i] IF b.\"role\" = 'assistant'])]"
_EDITED = f"""
[CASE WHEN t."role" <> 'assistant' THEN t ELSE struct_update(t, content := {_ANSWER},
        thought := CASE WHEN {_ANSWER} = t.content THEN t.thought ELSE '' END) END
    FOR t, i IN f.turns]"""

# The checks are of the model's answers, so an edited answer has none.
_RELEASED = f"""
SELECT f."row", f.source, f.line, f.dataset, f.license, coalesce(w.system, f.system) AS system,
    CASE WHEN w.answers IS NULL THEN f.turns ELSE {_EDITED} END AS turns,
    f.old_system, f.old_turns, f.tools, f.failed,
    CASE WHEN w.answers IS NULL THEN f.agrees END AS agrees,
    CASE WHEN w.answers IS NULL THEN f.obeys END AS obeys,
    CASE WHEN w.answers IS NULL THEN f.checks ELSE [] END AS checks
FROM final f LEFT JOIN opinions w ON w."row" = f."row"
WHERE w.decision IS DISTINCT FROM 'rejected'
"""

# Of several judges the last one counts, for the comparison and for the rating each. The rules are
# those of `evaluation.preference`: in a tie the choice depended on the order, and a rating is the
# mean of 1 to 5, weighted by the judge's probabilities. Verdicts on an answer that a person edited
# later do not count.
_JUDGEMENTS = """
SELECT "row",
    arg_max(CASE WHEN first > 0.5 AND second > 0.5 THEN 'new'
        WHEN first <= 0.5 AND second <= 0.5 THEN 'original' ELSE 'tie' END, judge)
        FILTER (first IS NOT NULL) AS judged,
    arg_max((first + second) / 2, judge) FILTER (first IS NOT NULL) AS judge_p,
    arg_max(list_sum([p * i FOR p, i IN ratings]), judge)
        FILTER (ratings IS NOT NULL) AS judge_rating
FROM judged WHERE NOT EXISTS (
    SELECT 1 FROM reviews n JOIN opinions w ON w."row" = n."row"
    WHERE n."row" = judged."row" AND w.answers IS NOT NULL AND n."at" > judged."at")
GROUP BY "row"
"""

_MEASURED = """
SELECT "row", map_from_entries(list({'k': metric, 'v': "value"} ORDER BY metric)) AS measures
FROM measures GROUP BY "row"
"""

# `p_good`: the lowest probability that phase 3 gave one of the phrases it kept. `stale` is false
# where a person edited the answer, because that answer must not be written anew.
_JOURNEY = f"""
SELECT c."row", s.path AS source, c.line, coalesce(s.dataset, s.path) AS dataset, s.license,
    len([t FOR t IN c.turns IF t."role" = 'user']) AS turns,
    c.turns[1].content AS instruction, c.turns[-1].content AS old_answer,
    c.system AS old_system, coalesce(w.system, v.system) AS system,
    coalesce(w.answers[-1], {_TURNS}[-1].content) AS new_answer,
    [p FOR p IN v.verdicts IF p.label = 'good'] AS good,
    [p.tag FOR p IN good] AS tags,
    list_min([p.good FOR p IN good]) AS p_good,
    k.agrees, k.obeys, k.tries, k.checks,
    j.judged, j.judge_p, j.judge_rating, coalesce(m.measures, MAP {{}}) AS measures,
    coalesce(g.dropped, f.dropped, v.dropped, r.dropped, k.dropped) AS reason,
    CASE WHEN reason IS NOT NULL THEN 'dropped'
        WHEN r."row" IS NULL OR (k."row" IS NULL AND (SELECT "on" FROM checking))
        THEN 'pending' ELSE 'final' END AS state,
    CASE WHEN g.dropped IS NOT NULL THEN 'generate' WHEN f.dropped IS NOT NULL THEN 'filter'
        WHEN v.dropped IS NOT NULL THEN 'verify' WHEN r.dropped IS NOT NULL THEN 'respond'
        WHEN k.dropped IS NOT NULL THEN 'check' END AS phase,
    w.decision AS review, w.earlier AS earlier_review, w.note, w.reviewer,
    w.phrases IS NOT NULL OR w.answers IS NOT NULL AS edited,
    r."row" IS NOT NULL AND w.answers IS NULL
        AND coalesce(w.system, v.system) IS DISTINCT FROM coalesce(r.system, v.system) AS stale
FROM conversations c JOIN sources s ON s.source = c.source
LEFT JOIN generated g ON g."row" = c."row"
LEFT JOIN filtered f ON f."row" = c."row"
LEFT JOIN verified v ON v."row" = c."row"
LEFT JOIN responded r ON r."row" = c."row"
LEFT JOIN checked k ON k."row" = c."row"
LEFT JOIN opinions w ON w."row" = c."row"
LEFT JOIN judgements j ON j."row" = c."row"
LEFT JOIN measured m ON m."row" = c."row"
"""

_REJECTED = """
SELECT r.rowid AS reject, r.source AS place, s.path AS source, r.line,
    coalesce(s.dataset, s.path) AS dataset, s.license, r.reason, r.detail, r.raw
FROM rejects r JOIN sources s ON s.source = r.source
"""

VIEWS: dict[str, str] = {
    "meta": META,
    "checking": _CHECKING,
    "dropped": _DROPPED,
    "final": _FINAL,
    "versions": _VERSIONS,
    "opinions": _OPINIONS,
    "released": _RELEASED,
    "judgements": _JUDGEMENTS,
    "measured": _MEASURED,
    "journey": _JOURNEY,
    "rejected": _REJECTED,
}
"""Name -> SELECT of every view, in the order in which they are made."""
