"""What models answered to benchmarks and what judges said of it: one DuckDB file for many.

A *sitting* is one model answering one benchmark under one recipe; a *marking* is one judge's
verdicts on a sitting. Both are found by the fingerprint of their recipe, so that other benchmarks,
models, judges and options stand beside each other and never mix.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sysgen_local.core.records import Cost
from sysgen_local.store import adopted
from sysgen_local.store.codec import Columns
from sysgen_local.store.database import Database
from sysgen_local.store.file import connect
from sysgen_local.store.schema import Layout, now

_COST = "tokens_in BIGINT NOT NULL, tokens_out BIGINT NOT NULL, seconds DOUBLE NOT NULL"
_FIRST = f"""
CREATE TABLE sittings (
    sitting INTEGER PRIMARY KEY, benchmark VARCHAR NOT NULL, fingerprint VARCHAR NOT NULL,
    facts MAP(VARCHAR, VARCHAR) NOT NULL, "at" TIMESTAMP NOT NULL
);
CREATE TABLE answers (
    sitting INTEGER NOT NULL, "row" BIGINT NOT NULL, replies VARCHAR[] NOT NULL,
    finishes VARCHAR[] NOT NULL, dropped VARCHAR, {_COST}, "at" TIMESTAMP NOT NULL,
    PRIMARY KEY (sitting, "row")
);
CREATE TABLE markings (
    marking INTEGER PRIMARY KEY, sitting INTEGER NOT NULL, fingerprint VARCHAR NOT NULL,
    facts MAP(VARCHAR, VARCHAR) NOT NULL, "at" TIMESTAMP NOT NULL
);
CREATE TABLE verdicts (
    marking INTEGER NOT NULL, "row" BIGINT NOT NULL, marks VARCHAR[][] NOT NULL,
    reasons VARCHAR[] NOT NULL, dropped VARCHAR, {_COST}, "at" TIMESTAMP NOT NULL,
    PRIMARY KEY (marking, "row")
);
CREATE TABLE scores (
    marking INTEGER NOT NULL, metric VARCHAR NOT NULL, "value" DOUBLE,
    PRIMARY KEY (marking, metric)
);
CREATE TABLE comparisons (
    benchmark VARCHAR NOT NULL, metric VARCHAR NOT NULL, before_marking INTEGER NOT NULL,
    after_marking INTEGER NOT NULL, before_label VARCHAR NOT NULL, after_label VARCHAR NOT NULL,
    before_value DOUBLE, after_value DOUBLE, difference DOUBLE, low DOUBLE, high DOUBLE,
    units BIGINT NOT NULL, "at" TIMESTAMP NOT NULL,
    PRIMARY KEY (metric, before_marking, after_marking)
);
CREATE VIEW meta AS SELECT max(number) AS schema_version FROM migrations;
"""
LAYOUT = Layout(
    (("first tables", _FIRST),),
    frozenset({"migrations", "sittings", "markings", "verdicts"}),
    "evaluate sysbench FILE --model NAME",
)
_SPENT: Columns = {"tokens_in": "BIGINT", "tokens_out": "BIGINT", "seconds": "DOUBLE"}
_ANSWERS: Columns = {
    "sitting": "INTEGER", "row": "BIGINT", "replies": "VARCHAR[]", "finishes": "VARCHAR[]",
    "dropped": "VARCHAR", **_SPENT, "at": "TIMESTAMP",
}  # fmt: skip
_VERDICTS: Columns = {
    "marking": "INTEGER", "row": "BIGINT", "marks": "VARCHAR[][]", "reasons": "VARCHAR[]",
    "dropped": "VARCHAR", **_SPENT, "at": "TIMESTAMP",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answered:
    """The model's replies, one a turn, and how each ended (stop, or length: cut off)."""

    replies: tuple[str, ...] = ()
    finishes: tuple[str, ...] = ()
    dropped: str | None = None
    cost: Cost = field(default_factory=Cost)


@dataclass(frozen=True, slots=True)
class Judged:
    """For every turn or rubric the judge's marks (yes, no; 1 to 5), and its reason."""

    marks: tuple[tuple[str, ...], ...] = ()
    reasons: tuple[str, ...] = ()
    dropped: str | None = None
    cost: Cost = field(default_factory=Cost)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One number of two markings, the difference, and its 95 % interval over `units` pairs."""

    benchmark: str
    metric: str
    before_marking: int
    after_marking: int
    before_label: str
    after_label: str
    before: float | None
    after: float | None
    difference: float | None
    low: float | None
    high: float | None
    units: int


class Evaluation:
    """An open file of answers and verdicts. Close it, or use it in a `with` statement."""

    def __init__(self, db: Database) -> None:
        self._db = db

    @classmethod
    def open(cls, path: Path, *, create: bool = True, read_only: bool = False) -> Self:
        """Open the file, or make it. Raises UsageError, or LockedError where it is in use."""
        con = connect(path, create=create, read_only=read_only, layout=LAYOUT)
        return cls(Database(con, path))

    @property
    def path(self) -> Path:
        """The file."""
        return self._db.path

    def close(self) -> None:
        """Close the file; what was committed is safe with or without it."""
        self._db.con.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def sitting(
        self, benchmark: str, fingerprint: str, facts: Mapping[str, str], older: str | None = None
    ) -> int:
        """The number of the sitting with this recipe, which is begun where there is none. `older`:
        the fingerprint by which an older version knew it."""
        known = self._numbers("SELECT fingerprint, sitting FROM sittings")
        recipe = (fingerprint, facts)
        found = adopted.number(self._db, "sittings", "sitting", known, *recipe, older)
        return found or self._begin("sittings", "sitting", benchmark, *recipe)

    def marking(
        self, sitting: int, fingerprint: str, facts: Mapping[str, str], older: str | None = None
    ) -> int:
        """The number of the marking of this sitting with this recipe, begun as needed; `older` as
        in `sitting`."""
        sql = "SELECT fingerprint, marking FROM markings WHERE sitting = $1"
        known = self._numbers(sql, sitting)
        recipe = (fingerprint, facts)
        found = adopted.number(self._db, "markings", "marking", known, *recipe, older)
        return found or self._begin("markings", "marking", sitting, *recipe)

    def _numbers(self, sql: str, *values: object) -> dict[str, int]:
        return {fingerprint: int(number) for fingerprint, number in self._db.all(sql, *values)}

    def _begin(
        self, table: str, key: str, of: str | int, fingerprint: str, facts: Mapping[str, str]
    ) -> int:
        [number] = self._db.numbers(f"SELECT coalesce(max({key}), 0) + 1 FROM {table}")
        sql = f"INSERT INTO {table} VALUES ($1, $2, $3, $4::MAP(VARCHAR, VARCHAR), $5)"
        with self._db.transaction():
            self._db.do(sql, number, of, fingerprint, dict(facts), now())
        return int(number)

    def answers(self, sitting: int) -> dict[int, Answered]:
        """Row -> what was answered so far."""
        found = self._db.all(
            'SELECT "row", replies, finishes, dropped, tokens_in, tokens_out, seconds '
            'FROM answers WHERE sitting = $1 ORDER BY "row"',
            sitting,
        )
        return {
            row: Answered(tuple(replies), tuple(finishes), dropped, Cost(*cost))
            for row, replies, finishes, dropped, *cost in found
        }

    def verdicts(self, marking: int) -> dict[int, Judged]:
        """Row -> what the judge said so far."""
        found = self._db.all(
            'SELECT "row", marks, reasons, dropped, tokens_in, tokens_out, seconds '
            'FROM verdicts WHERE marking = $1 ORDER BY "row"',
            marking,
        )
        return {
            row: Judged(tuple(map(tuple, marks)), tuple(reasons), dropped, Cost(*cost))
            for row, marks, reasons, dropped, *cost in found
        }

    def commit(
        self,
        answers: Sequence[tuple[int, int, Answered]],
        verdicts: Sequence[tuple[int, int, Judged]],
    ) -> None:
        """Writes (sitting, row, answer) and (marking, row, verdicts) in one transaction.

        Raises ValueError where a row is there already: nothing is ever written twice.
        """
        at = now()
        with self._db.transaction():
            self._db.append("answers", _ANSWERS, [
                (sitting, row, [*a.replies], [*a.finishes], a.dropped, *_spent(a.cost), at)
                for sitting, row, a in answers
            ])  # fmt: skip
            self._db.append("verdicts", _VERDICTS, [
                (marking, row, [[*m] for m in j.marks], [*j.reasons], j.dropped,
                 *_spent(j.cost), at)
                for marking, row, j in verdicts
            ])  # fmt: skip

    def forget_failed(self, sitting: int, marking: int) -> int:
        """Deletes what ended without an answer or a verdict, to be tried again; how many."""
        rows = set(self._db.numbers(
            'SELECT "row" FROM answers WHERE sitting = $1 AND dropped IS NOT NULL', sitting
        )) | set(self._db.numbers(
            'SELECT "row" FROM verdicts WHERE marking = $1 AND dropped IS NOT NULL', marking
        ))  # fmt: skip
        with self._db.transaction():
            self._db.do("DELETE FROM answers WHERE sitting = $1 AND dropped IS NOT NULL", sitting)
            self._db.do("DELETE FROM verdicts WHERE marking = $1 AND dropped IS NOT NULL", marking)
        return len(rows)

    def set_scores(self, marking: int, scores: Mapping[str, float | None]) -> None:
        """Notes the numbers of a marking in place of those before."""
        with self._db.transaction():
            self._db.do("DELETE FROM scores WHERE marking = $1", marking)
            for metric, value in scores.items():
                self._db.do("INSERT INTO scores VALUES ($1, $2, $3)", marking, metric, value)

    def scored(self) -> list[dict[str, Any]]:
        """Every marking with scores: benchmark, facts of answers and of judge, {metric: value}."""
        found = self._db.all(
            "SELECT m.marking, s.benchmark, s.facts, m.facts FROM markings m "
            "JOIN sittings s USING (sitting) ORDER BY s.benchmark, m.marking"
        )
        markings = []
        for marking, benchmark, answering, judging in found:
            scores = dict(
                self._db.all('SELECT metric, "value" FROM scores WHERE marking = $1', marking)
            )
            if scores:
                markings.append({
                    "marking": marking, "benchmark": benchmark, "answering": dict(answering),
                    "judging": dict(judging), "scores": scores,
                })  # fmt: skip
        return markings

    def set_comparisons(self, comparisons: Sequence[Comparison]) -> None:
        """Notes what a study found, in place of what an earlier one of the same pair did."""
        with self._db.transaction():
            for c in comparisons:
                self._db.do(
                    "INSERT OR REPLACE INTO comparisons VALUES "
                    "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
                    c.benchmark, c.metric, c.before_marking, c.after_marking, c.before_label,
                    c.after_label, c.before, c.after, c.difference, c.low, c.high, c.units, now(),
                )  # fmt: skip

    def comparisons(self) -> list[Comparison]:
        """All of them, in the order in which they were made."""
        found = self._db.all(
            "SELECT benchmark, metric, before_marking, after_marking, before_label, after_label, "
            "before_value, after_value, difference, low, high, units "
            'FROM comparisons ORDER BY "at", rowid'
        )
        return [Comparison(*values) for values in found]


def _spent(cost: Cost) -> tuple[int, int, float]:
    return cost.tokens_in, cost.tokens_out, cost.seconds
