"""Comparison of new and old answers: similarity measures, and verdicts of judges on a sample.

A measure is one number for a row. A judge is a model with its prompts, identified by the
fingerprint of its recipe. The verdicts of several judges are kept apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sysgen_local.core.records import NOTHING, Cost
from sysgen_local.store import fingerprints
from sysgen_local.store.codec import COST, Columns, spent
from sysgen_local.store.database import Database
from sysgen_local.store.schema import now

_ANSWERS = (
    "list_aggregate([t.content FOR t IN {turns} IF t.\"role\" = 'assistant'], "
    "'string_agg', chr(10))"
)
_MEASURES: Columns = {"row": "BIGINT", "metric": "VARCHAR", "value": "DOUBLE", "at": "TIMESTAMP"}
_JUDGED: Columns = {
    "judge": "INTEGER", "row": "BIGINT", "first": "DOUBLE", "second": "DOUBLE",
    "ratings": "DOUBLE[]", "dropped": "VARCHAR", **COST, "at": "TIMESTAMP",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pair:
    """The first exchange of a finished row: the instruction, and both answers. `ask_pair` and
    `ask_rating`: which verdicts the judge has still to give."""

    row: int
    instruction: str
    system: str
    old: str
    new: str
    ask_pair: bool = True
    ask_rating: bool = True

    def after(self, phase: str, result: Judged) -> Pair:
        """The same pair: no stage follows the judge."""
        return self


@dataclass(frozen=True, slots=True)
class Judged:
    """A judge's verdicts on one row. `first`, `second`: the probability that the new answer is the
    better one, with the new answer shown first and shown second. `ratings`: the probabilities of
    the ratings 1 to 5 for how well the new answer follows the system message. None where it was not
    asked."""

    first: float | None = None
    second: float | None = None
    ratings: tuple[float, ...] | None = None
    dropped: str | None = None
    cost: Cost = NOTHING


class JudgeQueue:
    """The work queue of one judge: the rows that are due for it, and the place for its verdicts.

    The judge gets the same sample of each dataset: `pairs` rows to compare and `aligned` rows to
    rate, drawn with `seed`.
    """

    def __init__(self, db: Database, judge: int, pairs: int, aligned: int, seed: int) -> None:
        self._db = db
        self._judge = judge
        self._sampled = (pairs, aligned, int(seed))

    def due(self, phase: str) -> Iterator[Pair]:
        """The sampled rows that lack a verdict of this judge."""
        pairs, aligned, seed = self._sampled
        found = self._db.all(
            f"""
            WITH sampled AS (
                SELECT *, row_number() OVER (
                    PARTITION BY coalesce(dataset, source) ORDER BY hash("row", {seed}), "row"
                ) AS rank
                FROM released WHERE turns[2]."role" = 'assistant'
            )
            SELECT s."row", s.turns[1].content, s.system, s.old_turns[2].content,
                s.turns[2].content,
                s.rank <= $2 AND j.first IS NULL, s.rank <= $3 AND j.ratings IS NULL
            FROM sampled s LEFT JOIN judged j ON j."row" = s."row" AND j.judge = $1
            WHERE j.dropped IS NULL
                AND ((s.rank <= $2 AND j.first IS NULL) OR (s.rank <= $3 AND j.ratings IS NULL))
            ORDER BY s."row"
            """,
            self._judge,
            pairs,
            aligned,
        )
        return (Pair(*values) for values in found)

    def forget_failed(self) -> int:
        """Deletes the failures of this judge, so that these rows are due again. Returns how
        many."""
        [(rows,)] = self._db.all(
            "SELECT count(*) FROM judged WHERE judge = $1 AND dropped IS NOT NULL", self._judge
        )
        with self._db.transaction():
            # A row keeps the verdicts that it had before it failed.
            self._db.do(
                "UPDATE judged SET dropped = NULL WHERE judge = $1 AND dropped IS NOT NULL "
                "AND (first IS NOT NULL OR ratings IS NOT NULL)",
                self._judge,
            )
            self._db.do("DELETE FROM judged WHERE judge = $1 AND dropped IS NOT NULL", self._judge)
        return int(rows)

    def commit(self, results: Sequence[tuple[int, str, Judged]]) -> None:
        """Adds verdicts to those that are there, in one transaction."""
        at = now()
        numbers = [row for row, _, _ in results]
        with self._db.transaction():
            before = {
                row: (first, second, ratings)
                for row, first, second, ratings in self._db.all(
                    'SELECT "row", first, second, ratings FROM judged '
                    'WHERE judge = $1 AND "row" IN (SELECT unnest($2::BIGINT[]))',
                    self._judge,
                    numbers,
                )
            }
            if before:
                self._db.do(
                    'DELETE FROM judged WHERE judge = $1 AND "row" IN '
                    "(SELECT unnest($2::BIGINT[]))",
                    self._judge,
                    list(before),
                )
            rows = []
            for row, _, verdict in results:
                first, second, ratings = before.get(row, (None, None, None))
                rows.append(
                    (
                        self._judge,
                        row,
                        verdict.first if verdict.first is not None else first,
                        verdict.second if verdict.second is not None else second,
                        list(verdict.ratings) if verdict.ratings is not None else ratings,
                        verdict.dropped,
                        *spent(verdict.cost),
                        at,
                    )
                )
            self._db.append("judged", _JUDGED, rows)


def judge(
    db: Database, fingerprint: str, facts: Mapping[str, str], older: str | None = None
) -> int:
    """The number of the judge with this recipe; a new one where there is none. `older` is the
    fingerprint that an older version gave to the same recipe."""
    numbers = {of: int(n) for of, n in db.all("SELECT fingerprint, judge FROM judges")}
    found = fingerprints.number(db, "judges", "judge", numbers, fingerprint, facts, older)
    if found is not None:
        return found
    ((number,),) = db.all("SELECT coalesce(max(judge), 0) + 1 FROM judges")
    with db.transaction():
        db.do(
            "INSERT INTO judges VALUES ($1, $2, $3::MAP(VARCHAR, VARCHAR))",
            number,
            fingerprint,
            dict(facts),
        )
    return int(number)


def judgements(db: Database) -> list[dict[str, Any]]:
    """One dict for each judge and dataset: the judge's number and facts, `pairs` (the two
    probabilities of each compared row), `ratings` (the five probabilities of each rated row), and
    `dropped` (how many rows it could not judge)."""
    found = db.all(
        """
        SELECT j.judge, any_value(w.facts), coalesce(s.dataset, s.path),
            list([j.first, j.second] ORDER BY j."row") FILTER (j.first IS NOT NULL),
            list(j.ratings ORDER BY j."row") FILTER (j.ratings IS NOT NULL),
            count(j.dropped)
        FROM judged j JOIN judges w ON w.judge = j.judge
        JOIN conversations c ON c."row" = j."row" JOIN sources s ON s.source = c.source
        GROUP BY 1, 3 ORDER BY 1, min(j."row")
        """
    )
    keys = ("judge", "facts", "dataset", "pairs", "ratings", "dropped")
    return [dict(zip(keys, values, strict=True)) for values in found]


def to_measure(db: Database, metrics: Sequence[str], page: int = 512) -> Iterator[list[Any]]:
    """Pages of (row, old answers, new answers) of the finished rows that lack one of these
    measures. The answers of a conversation are joined to one text."""
    last = 0
    while True:
        found = db.all(
            f"""
            SELECT f."row", {_ANSWERS.format(turns="f.old_turns")},
                {_ANSWERS.format(turns="f.turns")}
            FROM final f WHERE f."row" > $1 AND (
                SELECT count(*) FROM measures m
                WHERE m."row" = f."row" AND m.metric IN (SELECT unnest($2::VARCHAR[]))
            ) < $3 ORDER BY f."row" LIMIT $4
            """,
            last,
            list(metrics),
            len(metrics),
            page,
        )
        if not found:
            return
        last = found[-1][0]
        yield found


def write_measures(db: Database, values: Mapping[int, Mapping[str, float]]) -> None:
    """Writes measures, row -> metric -> value, in place of earlier ones."""
    at = now()
    rows = [(row, metric, value, at) for row, of in values.items() for metric, value in of.items()]
    metrics = sorted({metric for of in values.values() for metric in of})
    with db.transaction():
        db.do(
            'DELETE FROM measures WHERE "row" IN (SELECT unnest($1::BIGINT[])) '
            "AND metric IN (SELECT unnest($2::VARCHAR[]))",
            list(values),
            metrics,
        )
        db.append("measures", _MEASURES, rows)


def means(db: Database) -> dict[str, dict[str, tuple[float, int]]]:
    """Dataset -> metric -> (mean, number of rows). The dataset "" has those of all rows
    together."""
    found = db.all(
        """
        SELECT CASE WHEN grouping(coalesce(s.dataset, s.path)) = 1 THEN ''
                ELSE coalesce(s.dataset, s.path) END AS name,
            m.metric, avg(m."value"), count(*)
        FROM measures m JOIN conversations c ON c."row" = m."row"
        JOIN sources s ON s.source = c.source
        GROUP BY GROUPING SETS ((coalesce(s.dataset, s.path), m.metric), (m.metric))
        ORDER BY name, m.metric
        """
    )
    table: dict[str, dict[str, tuple[float, int]]] = {}
    for name, metric, mean, rows in found:
        table.setdefault(name, {})[metric] = (mean, rows)
    return table


def delete(db: Database, numbers: Sequence[int]) -> None:
    """Deletes the measures and verdicts of these rows, within a transaction, because their answers
    were replaced."""
    for table in ("measures", "judged"):
        db.do(f'DELETE FROM {table} WHERE "row" IN (SELECT unnest($1::BIGINT[]))', list(numbers))
