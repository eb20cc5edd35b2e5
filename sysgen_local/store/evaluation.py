"""Answers of models to benchmarks, and the verdicts of judges: one DuckDB file for many runs.

An *answer run* is one model that answers one benchmark under one recipe. A *grading run* is one
judge that grades an answer run. Each is found by the fingerprint of its recipe, so runs with other
benchmarks, models, judges or options are kept apart in the same file.

The tables have older names, which stay so that existing files open: `sittings` holds answer runs,
`markings` holds grading runs, and a verdict's grades are its `marks`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sysgen_local.core.errors import SysgenError
from sysgen_local.core.intervals import LEVEL, detectable
from sysgen_local.core.records import NOTHING, Cost
from sysgen_local.store import fingerprints
from sysgen_local.store.codec import COST, Columns, spent
from sysgen_local.store.database import Database
from sysgen_local.store.file import connect
from sysgen_local.store.schema import Schema, now
from sysgen_local.store.views import META

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
"""
# NULL in comparisons of an older version. `family`: how many comparisons `p_holm` is corrected for.
_CORRECTED = """
ALTER TABLE comparisons ADD COLUMN error DOUBLE;
ALTER TABLE comparisons ADD COLUMN p DOUBLE;
ALTER TABLE comparisons ADD COLUMN p_holm DOUBLE;
ALTER TABLE comparisons ADD COLUMN family BIGINT;
"""
# NULL in the results of an older version, and where the engine did not tell.
_DECODED = """
ALTER TABLE answers ADD COLUMN tokens_decoded BIGINT;
ALTER TABLE verdicts ADD COLUMN tokens_decoded BIGINT;
"""
SCHEMA = Schema(
    (
        ("first tables", _FIRST),
        ("corrected for many comparisons", _CORRECTED),
        ("decoded tokens", _DECODED),
    ),
    {"meta": META},
    frozenset({"migrations", "sittings", "markings", "verdicts"}),
    "evaluate sysbench FILE --model NAME",
)
_ANSWERS: Columns = {
    "sitting": "INTEGER", "row": "BIGINT", "replies": "VARCHAR[]", "finishes": "VARCHAR[]",
    "dropped": "VARCHAR", **COST, "at": "TIMESTAMP",
}  # fmt: skip
_VERDICTS: Columns = {
    "marking": "INTEGER", "row": "BIGINT", "marks": "VARCHAR[][]", "reasons": "VARCHAR[]",
    "dropped": "VARCHAR", **COST, "at": "TIMESTAMP",
}  # fmt: skip
_COMPARED = (
    "benchmark, metric, before_marking, after_marking, before_label, after_label, before_value, "
    "after_value, difference, low, high, units, error, p, p_holm, family"
)


@dataclass(frozen=True, slots=True)
class Answered:
    """A model's replies to one question, one a turn. `finishes` says how each ended: `stop`, or
    `length` where it was cut off. `dropped` is the reason where there is no answer."""

    replies: tuple[str, ...] = ()
    finishes: tuple[str, ...] = ()
    dropped: str | None = None
    cost: Cost = NOTHING


@dataclass(frozen=True, slots=True)
class Graded:
    """A judge's grades of one question: for every turn or rubric its marks (yes, no; 1 to 5) and
    its reason. `dropped` is the reason where there are no grades."""

    marks: tuple[tuple[str, ...], ...] = ()
    reasons: tuple[str, ...] = ()
    dropped: str | None = None
    cost: Cost = NOTHING


@dataclass(frozen=True, slots=True)
class Comparison:
    """One metric of two grading runs: both values, their difference, and its 95 % interval over
    `units` pairs.

    `error` is the standard error of the difference, `p` its p-value, and `p_holm` the same after
    Holm's correction for all `family` comparisons of the study (`core.intervals`). None where there
    is no interval, and in the results of an older version.
    """

    benchmark: str
    metric: str
    before_run: int
    after_run: int
    before_label: str
    after_label: str
    before: float | None
    after: float | None
    difference: float | None
    low: float | None
    high: float | None
    units: int
    error: float | None = None
    p: float | None = None
    p_holm: float | None = None
    family: int | None = None

    @property
    def survives(self) -> bool | None:
        """Whether the difference is significant after the correction; None where it is not
        known."""
        return None if self.p_holm is None else self.p_holm <= 1 - LEVEL

    @property
    def detectable(self) -> float | None:
        """The smallest true difference that so many questions show: see `intervals.detectable`."""
        return None if self.error is None else detectable(self.error)


class Evaluation:
    """An open file of answers and verdicts. Close it, or use it in a `with` statement: there, a new
    file that has no answer yet is removed where an error of this program ends the block."""

    def __init__(self, db: Database, *, new: bool = False) -> None:
        self._db = db
        self._new = new

    @classmethod
    def open(cls, path: Path, *, create: bool = True, read_only: bool = False) -> Self:
        """Opens the file, or makes it. Raises UsageError, or LockedError where it is in use."""
        if read_only:
            return cls(Database.open_for_reading(path, schema=SCHEMA))
        new = not path.exists()
        con = connect(path, create=create, read_only=False, schema=SCHEMA)
        return cls(Database(con, path), new=new)

    @property
    def path(self) -> Path:
        """The file."""
        return self._db.path

    def close(self) -> None:
        """Closes the file. What was committed is safe with or without it."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        useless = (
            self._new
            and isinstance(error, SysgenError)
            and not self._db.all("SELECT 1 FROM answers LIMIT 1")
        )
        self.close()
        if useless:
            for left in (self.path, Path(f"{self.path}.wal")):
                left.unlink(missing_ok=True)

    def answer_run(
        self, benchmark: str, fingerprint: str, facts: Mapping[str, str], older: str | None = None
    ) -> int:
        """The number of the answer run with this recipe; a new one where there is none. `older` is
        the fingerprint that an older version gave to the same recipe."""
        numbers = self._numbers("SELECT fingerprint, sitting FROM sittings")
        recipe = (fingerprint, facts)
        found = fingerprints.number(self._db, "sittings", "sitting", numbers, *recipe, older)
        return found or self._begin("sittings", "sitting", benchmark, *recipe)

    def grading_run(
        self, answer_run: int, fingerprint: str, facts: Mapping[str, str], older: str | None = None
    ) -> int:
        """The number of the grading run of this answer run with this recipe; a new one where there
        is none. `older` as in `answer_run`."""
        sql = "SELECT fingerprint, marking FROM markings WHERE sitting = $1"
        numbers = self._numbers(sql, answer_run)
        recipe = (fingerprint, facts)
        found = fingerprints.number(self._db, "markings", "marking", numbers, *recipe, older)
        return found or self._begin("markings", "marking", answer_run, *recipe)

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

    def answers(self, answer_run: int) -> dict[int, Answered]:
        """Row -> the answers so far."""
        found = self._db.all(
            f'SELECT "row", replies, finishes, dropped, {", ".join(COST)} '
            'FROM answers WHERE sitting = $1 ORDER BY "row"',
            answer_run,
        )
        return {
            row: Answered(tuple(replies), tuple(finishes), dropped, Cost(*cost))
            for row, replies, finishes, dropped, *cost in found
        }

    def verdicts(self, grading_run: int) -> dict[int, Graded]:
        """Row -> the grades so far."""
        found = self._db.all(
            f'SELECT "row", marks, reasons, dropped, {", ".join(COST)} '
            'FROM verdicts WHERE marking = $1 ORDER BY "row"',
            grading_run,
        )
        return {
            row: Graded(tuple(map(tuple, marks)), tuple(reasons), dropped, Cost(*cost))
            for row, marks, reasons, dropped, *cost in found
        }

    def commit(
        self,
        answers: Sequence[tuple[int, int, Answered]],
        verdicts: Sequence[tuple[int, int, Graded]],
    ) -> None:
        """Writes (answer run, row, answer) and (grading run, row, grades) in one transaction.

        Raises ValueError where a row is there already: nothing is written twice.
        """
        at = now()
        with self._db.transaction():
            self._db.append("answers", _ANSWERS, [
                (run, row, [*a.replies], [*a.finishes], a.dropped, *spent(a.cost), at)
                for run, row, a in answers
            ])  # fmt: skip
            self._db.append("verdicts", _VERDICTS, [
                (run, row, [[*m] for m in g.marks], [*g.reasons], g.dropped, *spent(g.cost), at)
                for run, row, g in verdicts
            ])  # fmt: skip

    def forget_failed(self, answer_run: int, grading_run: int) -> int:
        """Deletes the rows that have no answer or no grades because something failed, so that they
        are tried again. Returns how many there were."""
        rows = set(self._db.numbers(
            'SELECT "row" FROM answers WHERE sitting = $1 AND dropped IS NOT NULL', answer_run
        )) | set(self._db.numbers(
            'SELECT "row" FROM verdicts WHERE marking = $1 AND dropped IS NOT NULL', grading_run
        ))  # fmt: skip
        failed = "AND dropped IS NOT NULL"
        with self._db.transaction():
            self._db.do(f"DELETE FROM answers WHERE sitting = $1 {failed}", answer_run)
            self._db.do(f"DELETE FROM verdicts WHERE marking = $1 {failed}", grading_run)
        return len(rows)

    def set_scores(self, grading_run: int, scores: Mapping[str, float | None]) -> None:
        """Writes the scores of a grading run in place of earlier ones."""
        with self._db.transaction():
            self._db.do("DELETE FROM scores WHERE marking = $1", grading_run)
            for metric, value in scores.items():
                self._db.do("INSERT INTO scores VALUES ($1, $2, $3)", grading_run, metric, value)

    def scored(self) -> list[dict[str, Any]]:
        """Every grading run with scores: its number, the benchmark, the facts of the answer run and
        of the judge, and metric -> value."""
        found = self._db.all(
            "SELECT m.marking, s.benchmark, s.facts, m.facts FROM markings m "
            "JOIN sittings s USING (sitting) ORDER BY s.benchmark, m.marking"
        )
        runs = []
        for run, benchmark, answering, judging in found:
            scores = dict(
                self._db.all('SELECT metric, "value" FROM scores WHERE marking = $1', run)
            )
            if scores:
                runs.append({
                    "grading_run": run, "benchmark": benchmark, "answering": dict(answering),
                    "judging": dict(judging), "scores": scores,
                })  # fmt: skip
        return runs

    def set_comparisons(self, comparisons: Sequence[Comparison]) -> None:
        """Writes the results of a study, in place of those of an earlier study of the same pair."""
        with self._db.transaction():
            for c in comparisons:
                self._db.do(
                    f"INSERT OR REPLACE INTO comparisons ({_COMPARED}, \"at\") VALUES "
                    "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
                    c.benchmark, c.metric, c.before_run, c.after_run, c.before_label,
                    c.after_label, c.before, c.after, c.difference, c.low, c.high, c.units,
                    c.error, c.p, c.p_holm, c.family, now(),
                )  # fmt: skip

    def comparisons(self) -> list[Comparison]:
        """All comparisons, in the order in which they were made."""
        found = self._db.all(f'SELECT {_COMPARED} FROM comparisons ORDER BY "at", rowid')
        return [Comparison(*values) for values in found]
