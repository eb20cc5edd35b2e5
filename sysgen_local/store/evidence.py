"""What a store's rows say of how good its data is: counts for `advice`."""

from __future__ import annotations

from collections import Counter

from sysgen_local.core.advice import FEWEST
from sysgen_local.core.evidence import LANGUAGES, Evidence
from sysgen_local.core.records import TAGS
from sysgen_local.store import counts, journal, rows
from sysgen_local.store.database import Database


def blank(db: Database) -> Evidence:
    """What is known before any row: the model, and the language asked for."""
    recipe = journal.recipe(db, "generate")
    facts = recipe.facts if recipe else {}
    size = facts.get("model_parameters", "")
    return Evidence(
        model=facts.get("model", ""),
        parameters=int(size) if size.isdecimal() else None,
        language=facts.get("language"),
    )


def evidence(db: Database) -> Evidence:
    """All of it: 2 s at 600,000 rows."""
    seen = blank(db)
    for phase, of in counts.count(db).phases.items():
        seen.through[phase] = of.done
        seen.dropped.update({(phase, reason): n for reason, n in of.dropped.items()})
    seen.removed.update(counts.removed(db))
    [(seen.phrases, seen.strange)] = db.all(
        "SELECT coalesce(sum(len(phrases) + len(removed)), 0)::BIGINT, "
        "count(*) FILTER (len([r FOR r IN removed IF r.reason = 'wrong_script']) > 0) FROM filtered"
    )
    found = db.all(
        "SELECT list_sort(list_distinct([v.tag FOR v IN verdicts IF v.label = 'good'])), count(*) "
        "FROM verified WHERE len(verdicts) > 0 GROUP BY 1"
    )
    seen.tags = Counter({tuple(sorted(tags, key=TAGS.index)): n for tags, n in found})
    phrases = "(SELECT unnest(verdicts) AS v FROM verified)"
    seen.said.update(
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
        seen.labels[tag, label] = n
        seen.good += good
        seen.good_squared += squared
    [(seen.again,)] = db.all("SELECT count(*) FROM checked WHERE tries > 1 OR dropped IS NOT NULL")
    if seen.judged >= FEWEST and not seen.demonstration:
        _compare(db, seen)
    return seen


def _compare(db: Database, seen: Evidence) -> None:
    """The languages of some system messages."""
    numbers = db.numbers(
        'SELECT "row" FROM verified WHERE system IS NOT NULL AND len(verdicts) > 0 '
        'ORDER BY hash("row"), "row" LIMIT $1',
        LANGUAGES,
    )
    for row in rows.load(db, sorted(numbers), ("verify",)):
        if row.verified and row.verified.system:
            seen.compare(row, row.verified.system)
