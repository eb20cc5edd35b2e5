"""New answers beside old ones: measures of likeness, and what judges said of a sample.

A measure is a number a row. A judge is a model with its prompts, told apart by the fingerprint of
its recipe, so that what several of them said stands side by side.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sysgen_local.core.records import Cost
from sysgen_local.store import fingerprints
from sysgen_local.store.codec import Columns
from sysgen_local.store.database import Database
from sysgen_local.store.schema import now

_ANSWERS = (
    "list_aggregate([t.content FOR t IN {turns} IF t.\"role\" = 'assistant'], "
    "'string_agg', chr(10))"
)
_MEASURES: Columns = {"row": "BIGINT", "metric": "VARCHAR", "value": "DOUBLE", "at": "TIMESTAMP"}
_JUDGED: Columns = {
    "judge": "INTEGER", "row": "BIGINT", "first": "DOUBLE", "second": "DOUBLE",
    "ratings": "DOUBLE[]", "dropped": "VARCHAR", "tokens_in": "BIGINT", "tokens_out": "BIGINT",
    "seconds": "DOUBLE", "at": "TIMESTAMP",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pair:
    """A finished row's first exchange: what was asked, and both answers. `ask_pair` and
    `ask_rating` say what a judge is still to say of it."""

    row: int
    instruction: str
    system: str
    old: str
    new: str
    ask_pair: bool = True
    ask_rating: bool = True

    def after(self, phase: str, result: Judged) -> Pair:
        """The same: nothing comes after the judge."""
        return self


@dataclass(frozen=True, slots=True)
class Judged:
    """`first` and `second`: the probability that the new answer is the better one, asked with the
    new one first, and with it second. `ratings`: the probabilities of 1 to 5 for how well the new
    answer follows the system message. None where that was not asked."""

    first: float | None = None
    second: float | None = None
    ratings: tuple[float, ...] | None = None
    dropped: str | None = None
    cost: Cost = field(default_factory=Cost)


class JudgeQueue:
    """The board of one judge: which rows it has yet to see, and where its verdicts go.

    Of every dataset it sees the same `pairs` and `aligned` rows, drawn by `seed`.
    """

    def __init__(self, db: Database, judge: int, pairs: int, aligned: int, seed: int) -> None:
        self._db = db
        self._judge = judge
        self._sampled = (pairs, aligned, int(seed))

    def due(self, phase: str) -> Iterator[Pair]:
        """Sampled rows of which this judge has not said all that it is asked."""
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
        """Takes out the rows that this judge could not judge: they are due again. How many."""
        [(rows,)] = self._db.all(
            "SELECT count(*) FROM judged WHERE judge = $1 AND dropped IS NOT NULL", self._judge
        )
        with self._db.transaction():
            # What was said of a row before it failed stays.
            self._db.do(
                "UPDATE judged SET dropped = NULL WHERE judge = $1 AND dropped IS NOT NULL "
                "AND (first IS NOT NULL OR ratings IS NOT NULL)",
                self._judge,
            )
            self._db.do("DELETE FROM judged WHERE judge = $1 AND dropped IS NOT NULL", self._judge)
        return int(rows)

    def commit(self, results: Sequence[tuple[int, str, Judged]]) -> None:
        """Writes verdicts beside those that are there, all or none."""
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
            for row, _, said in results:
                first, second, ratings = before.get(row, (None, None, None))
                rows.append(
                    (
                        self._judge,
                        row,
                        said.first if said.first is not None else first,
                        said.second if said.second is not None else second,
                        list(said.ratings) if said.ratings is not None else ratings,
                        said.dropped,
                        said.cost.tokens_in,
                        said.cost.tokens_out,
                        said.cost.seconds,
                        at,
                    )
                )
            self._db.append("judged", _JUDGED, rows)


def judge(
    db: Database, fingerprint: str, facts: Mapping[str, str], older: str | None = None
) -> int:
    """The number of the judge with this recipe, noted if it is new. One that an older version noted
    by the fingerprint `older` goes by this one from now on."""
    known = {of: int(n) for of, n in db.all("SELECT fingerprint, judge FROM judges")}
    found = fingerprints.number(db, "judges", "judge", known, fingerprint, facts, older)
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


def said(db: Database) -> list[dict[str, Any]]:
    """What each judge said, per dataset: its facts, and of every row the two probabilities and the
    five of its rating (None where not asked), and how many rows it could not judge."""
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
    """Pages of (row, old answers, new answers), whole conversations joined, of the finished rows
    that lack one of these measures."""
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
    """Writes measures, row -> metric -> value, in place of those that are there."""
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
    """Dataset -> metric -> its mean and over how many rows; under "" those of all together."""
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


def outdated(db: Database, numbers: Sequence[int]) -> None:
    """Take out, within a transaction, what was measured and said of answers of these rows that
    others have replaced."""
    for table in ("measures", "judged"):
        db.do(f'DELETE FROM {table} WHERE "row" IN (SELECT unnest($1::BIGINT[]))', list(numbers))
