"""The counts for `advice`, read from a store."""

from __future__ import annotations

from collections import Counter

from sysgen_local.core.advice import FEWEST
from sysgen_local.core.quality import LANGUAGES, QualityCounts
from sysgen_local.core.records import TAGS
from sysgen_local.store import counts, journal, rows
from sysgen_local.store.database import Database


def empty(db: Database) -> QualityCounts:
    """The counts before the first row: all zero, with the model and the language of the run."""
    recipe = journal.recipe(db, "generate")
    facts = recipe.facts if recipe else {}
    size = facts.get("model_parameters", "")
    return QualityCounts(
        model=facts.get("model", ""),
        parameters=int(size) if size.isdecimal() else None,
        language=facts.get("language"),
    )


def count(db: Database) -> QualityCounts:
    """The counts of all rows: 2 s at 600,000 rows."""
    counted = empty(db)
    for phase, of in counts.count(db).phases.items():
        counted.rows_done[phase] = of.done
        counted.dropped.update({(phase, reason): n for reason, n in of.dropped.items()})
    counted.removed.update(counts.removed(db))
    [(counted.phrases, counted.wrong_script)] = db.all(
        "SELECT coalesce(sum(len(phrases) + len(removed)), 0)::BIGINT, "
        "count(*) FILTER (len([r FOR r IN removed IF r.reason = 'wrong_script']) > 0) FROM filtered"
    )
    found = db.all(
        "SELECT list_sort(list_distinct([v.tag FOR v IN verdicts IF v.label = 'good'])), count(*) "
        "FROM verified WHERE len(verdicts) > 0 GROUP BY 1"
    )
    counted.tags = Counter({tuple(sorted(tags, key=TAGS.index)): n for tags, n in found})
    phrases = "(SELECT unnest(verdicts) AS v FROM verified)"
    counted.good_phrases.update(
        dict(
            db.all(
                f"SELECT v.\"text\", count(*) FROM {phrases} WHERE v.label = 'good' "
                "GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1"
            )
        )
    )
    for tag, label, n, good, squared in db.all(
        f"SELECT v.tag, v.label, count(*), sum(v.good), sum(v.good * v.good) FROM {phrases} "
        "GROUP BY 1, 2"
    ):
        counted.labels[tag, label] = n
        counted.good += good
        counted.good_squared += squared
    rewritten = "SELECT count(*) FROM checked WHERE tries > 1 OR dropped IS NOT NULL"
    [(counted.rewritten,)] = db.all(rewritten)
    if counted.judged >= FEWEST and not counted.demonstration:
        _compare(db, counted)
    return counted


def _compare(db: Database, counted: QualityCounts) -> None:
    """Identifies the languages of some system messages, the same rows each time."""
    numbers = db.numbers(
        'SELECT "row" FROM verified WHERE system IS NOT NULL AND len(verdicts) > 0 '
        'ORDER BY hash("row"), "row" LIMIT $1',
        LANGUAGES,
    )
    for row in rows.load(db, sorted(numbers), ("verify",)):
        if row.verified and row.verified.system:
            counted.compare(row, row.verified.system)
