"""The store: conversations in, results in, rows out. One file, one process, one thread at a time.

Everything written is committed in whole transactions, so a process killed at any moment leaves a
consistent file that lacks at most the batch in hand. Row numbers run from 1 without gaps, in the
order of input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sysgen_local.core.advice import Finding, findings
from sysgen_local.core.quality import QualityCounts
from sysgen_local.core.records import (
    PHASES,
    Conversation,
    Phase,
    Phrase,
    Reject,
    Result,
    Row,
    Source,
)
from sysgen_local.core.sizes import Size
from sysgen_local.store import (
    copying,
    counts,
    failures,
    forgetting,
    intake,
    journal,
    judging,
    layouts,
    narrowing,
    quality,
    rejects,
    reviews,
    rows,
    sizes,
)
from sysgen_local.store.database import Database
from sysgen_local.store.file import connect, connect_to_memory, first_line


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a row came from: the source as the user knows it, and the line in it."""

    path: str
    line: int
    dataset: str | None
    license: str | None


class Store:
    """An open store. Get one with `Store.open`; close it, or use it in a `with` statement."""

    def __init__(self, db: Database) -> None:
        self._db = db

    @classmethod
    def open(cls, path: Path, *, create: bool = True, read_only: bool = False) -> Self:
        """Open the file, or make it. Raises UsageError, or LockedError where it is in use."""
        return cls(Database(connect(path, create=create, read_only=read_only), path))

    @classmethod
    def in_memory(cls) -> Self:
        """A store without a file: nothing is left of it, however the process ends."""
        return cls(Database(connect_to_memory(), Path(":memory:")))

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

    def ingest(
        self,
        source: Source,
        records: Iterable[Conversation | Reject],
        *,
        limit: int | None = None,
        batch: int = 5000,
        on_batch: Callable[[int], None] | None = None,
        again: intake.Reread | None = None,
        appended: bool = False,
        skip_system: bool = False,
    ) -> int:
        """Add the records of a source that are not here yet; returns how many were added.

        `records` is the whole source from its start: those read by an earlier call are skipped,
        so an ingest that was killed or limited goes on where it stopped. `limit` is the most
        records of this source in total. `on_batch` is told, after each commit, how many were
        added so far. A source is known by its content, wherever it lies; one of which no record
        was usable is read anew.

        `again` reads it once more, for a file with other content at a known place: where it only
        grew, `appended` takes the new records and without it GrownError is raised. Raises
        UsageError where the content is another, and where it was read with another mapping or, in
        `skip_system`, another treatment of rows that have a system message.
        """
        return intake.ingest(
            self._db, source, records, limit, batch, on_batch, again, appended, skip_system
        )

    def sources(self, names: Sequence[str]) -> list[int]:
        """The numbers of the sources that go by these names: the path as it was named, the file's
        place, its name, or the dataset's. UsageError for a name that none goes by."""
        return narrowing.find(self._db, names)

    def narrow(self, sources: Sequence[int]) -> None:
        """From here on this store is as if it held these sources' rows alone: for looking, and for
        what judges and measures say."""
        narrowing.narrow(self._db, sources)

    def find_source(self, source: Source) -> tuple[int, str] | None:
        """The number of a source with this content, and the path by which it was first read."""
        return intake.find_source(self._db, source.fingerprint)

    def skips_system(self, source: Source) -> bool | None:
        """Whether rows of this source that have a system message were rejected when it was read;
        None where it is new, or has shown no such row."""
        return intake.skips_system(self._db, source)

    def due(self, phase: Phase, *, page: int = 256) -> Iterator[Row]:
        """Rows this phase has to do, ascending: the phase before let them through.

        Each page is read whole before its first row is given out, so results may be committed
        while the iterator is open. Rows that fall due behind its place are not seen: ask anew.
        """
        return rows.due(self._db, phase, page)

    def commit(self, results: Sequence[tuple[int, Phase, Result]]) -> None:
        """Write results of any phases in one transaction: all of them or, on an error, none.

        Raises ValueError where a row has a result of that phase already, or where the phase
        before has not let it through; nothing is ever written twice.
        """
        rows.commit(self._db, results)

    def losses(self, phase: Phase) -> forgetting.Losses:
        """What `redo` of this phase would delete, and what people decided that would not hold."""
        return forgetting.losses(self._db, phase)

    def redo(self, phase: Phase) -> None:
        """Delete what this phase and all later ones did, with their recipes, and what was measured
        and judged of answers that go. What people decided stays: see `reviewed`."""
        with self._db.transaction():
            forgetting.forget(self._db, phase)

    def prepare(
        self, recipes: Mapping[Phase, journal.Recipe], *, redo: Phase | None = None
    ) -> None:
        """Delete what `redo` names and put these recipes in place of all that are there, in one
        transaction. Raises ValueError for results that would be left without a recipe."""
        with self._db.transaction():
            if redo is not None:
                forgetting.forget(self._db, redo)
            journal.set_recipes(self._db, recipes)

    def forget_failed(self, phases: Sequence[Phase]) -> int:
        """Delete what these phases did of rows that have no answer because something went wrong
        (`FAILURES`): they are due again. How many there were."""
        return failures.forget(self._db, phases)

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases a row passes before it is final: `check` only where answers are checked."""
        return counts.phases_of(self._db)

    def recipe(self, phase: Phase) -> journal.Recipe | None:
        """What this phase's results were made with; None before the first."""
        return journal.recipe(self._db, phase)

    def set_recipe(self, phase: Phase, fingerprint: str, facts: Mapping[str, str]) -> None:
        """Note what this phase's results are made with, in place of what was noted before."""
        journal.set_recipe(self._db, phase, journal.Recipe(fingerprint, facts))

    def start_run(
        self,
        command: str,
        *,
        model: str | None = None,
        seed: int | None = None,
        version: str | None = None,
    ) -> int:
        """Note that a run begins; returns its number."""
        return journal.start_run(self._db, command, model, seed, version)

    def end_run(self, run: int, outcome: str) -> None:
        """Note how a run ended."""
        journal.end_run(self._db, run, outcome)

    def last_run(self) -> journal.Run | None:
        """The latest run; None before the first."""
        return journal.last_run(self._db)

    def commands(self) -> list[str]:
        """The arguments of all runs that asked a model, the latest first."""
        return journal.commands(self._db)

    def row(self, number: int) -> Row | None:
        """One row with everything done to it; None where there is no such row."""
        return next(rows.load(self._db, [number], PHASES), None)

    def find(self, query: rows.RowQuery) -> list[Row]:
        """The rows chosen, with everything done to them. UsageError where `where` is no SQL."""
        return list(rows.find(self._db, query))

    def review(
        self,
        number: int,
        decision: reviews.Decision,
        phrases: Sequence[Phrase] | None = None,
        *,
        at: datetime | None = None,
        of: reviews.Version | None = None,
    ) -> None:
        """Note what a person decided of a row, beside what the model did; the last word counts.

        `phrases` are the row's as the person would have them, put in canonical order here; None
        leaves them alone. `at` is when it was decided (UTC), now unless given, and `of` the version
        of the row, the present one unless given. Raises ValueError for a tag that is none of the
        eight.
        """
        reviews.review(self._db, number, decision, phrases, at, of)

    def reviewed(self, number: int) -> reviews.Review | None:
        """What a person decided of this row, also of an earlier version; None where nobody did."""
        return reviews.reviewed(self._db, number)

    def forget_review(self, number: int) -> None:
        """As if nobody had looked at this row."""
        reviews.forget(self._db, number)

    def queue(self, query: rows.RowQuery) -> list[tuple[int, reviews.Decision | None]]:
        """The rows chosen, ascending, with what was decided of their present answers.

        UsageError where `where` is no SQL.
        """
        return rows.queue(self._db, query)

    def stale(self, number: int) -> bool:
        """Whether this row's answer was written under another system message than it now has."""
        return reviews.stale(self._db, number)

    def reopen(self) -> int:
        """Delete the answers that are stale: their rows are due for `respond` again, under the
        system messages they now have. How many there were; rejected rows stay as they are."""
        return reviews.reopen(self._db)

    def origin(self, number: int) -> Origin | None:
        """Where a row came from; None where there is no such row."""
        found = self._db.all(
            "SELECT s.path, c.line, s.dataset, s.license "
            'FROM conversations c JOIN sources s USING (source) WHERE c."row" = $1',
            number,
        )
        return Origin(*found[0]) if found else None

    def rejects(
        self, limit: int | None = None, *, where: str | None = None, seed: int | None = None
    ) -> list[tuple[str, Reject]]:
        """Records that could not be used, in the order of input, each with its source's path: the
        first `limit` or, with a seed, a sample that is always the same.

        `where` is an SQL condition over the view `rejected`; UsageError where it is none.
        """
        return rejects.find(self._db, where, limit, seed)

    def count_rejects(self, *, where: str | None = None) -> int:
        """How many of those records meet the condition. UsageError where it is none."""
        return rejects.count(self._db, where)

    def copy_rejects(self, path: Path, *, where: str | None = None, parquet: bool = False) -> int:
        """Write those records to a file: file, line, reason, detail, raw; how many there were.
        Raises UsageError as `rejects` does, OSError where it cannot be written."""
        import duckdb

        try:
            return rejects.copy(self._db, path, where, parquet=parquet)
        except duckdb.Error as error:
            raise OSError(first_line(error)) from error

    def longest(self) -> int:
        """Bytes of text in the longest conversation; 0 without any."""
        [(longest,)] = self._db.all(
            "SELECT coalesce(max(list_sum([strlen(t.content) + strlen(t.words) FOR t IN turns])), "
            "0) FROM conversations"
        )
        return int(longest)

    def quality_counts(self, *, blank: bool = False) -> QualityCounts:
        """Counts from which it can be told that data is poor; `blank`: before any row."""
        return quality.empty(self._db) if blank else quality.count(self._db)

    def advice(self) -> list[Finding]:
        """What is poor about the data, and what to try."""
        return findings(self.quality_counts())

    def sizes_waiting(self) -> dict[Phase, Size]:
        """Phase -> lengths of the rows that wait for it."""
        return sizes.waiting(self._db)

    def sizes_done(self) -> Size:
        """Lengths of the rows that phase 1 has done."""
        return sizes.done(self._db)

    def instructions(
        self,
        layout: layouts.Format = "messages",
        variant: copying.Variant = "full",
        selection: copying.Selection | None = None,
    ) -> Iterator[tuple[int, str]]:
        """Number and first instruction of each row that `copy_final` would write for this,
        ascending."""
        chosen = selection or copying.Selection()
        return copying.instructions(self._db, copying.Copy(layout, variant, False, chosen))

    def questions(
        self,
        layout: layouts.Format = "messages",
        variant: copying.Variant = "full",
        selection: copying.Selection | None = None,
    ) -> Iterator[tuple[int, str]]:
        """The same with every user turn: a row comes as often as it has some."""
        chosen = selection or copying.Selection()
        return copying.questions(self._db, copying.Copy(layout, variant, False, chosen))

    def lineage(
        self, layout: layouts.Format = "messages", selection: copying.Selection | None = None
    ) -> list[copying.LineageEntry]:
        """Where the rows come from that `copy_final` would write for this, and as a part of its
        own the rows whose phrases were written elsewhere."""
        return copying.lineage(self._db, layout, selection or copying.Selection())

    def thoughts(
        self, layout: layouts.Format, variant: copying.Variant, selection: copying.Selection
    ) -> copying.Thoughts:
        """How many of the rows that `copy_final` would write for this came with thoughts, and how
        many of them can leave with these."""
        return copying.thoughts(self._db, layout, variant, selection)

    def counts(self) -> counts.Counts:
        """How many rows stand where. Always adds up."""
        return counts.count(self._db)

    def stats(self) -> dict[str, Any]:
        """Everything `sysgen stats --json` says."""
        recipes = {phase: self.recipe(phase) for phase in PHASES}
        return {
            **counts.stats(self._db),
            "advice": [{"name": of.name, "says": of.says} for of in self.advice()],
            "measures": judging.means(self._db),
            "recipes": {
                phase: {"fingerprint": recipe.fingerprint, "facts": dict(recipe.facts)}
                for phase, recipe in recipes.items()
                if recipe
            },
        }

    def judge_queue(
        self,
        fingerprint: str,
        facts: Mapping[str, str],
        *,
        pairs: int,
        aligned: int,
        seed: int,
        older: str | None = None,
    ) -> judging.JudgeQueue:
        """The board of the judge with this recipe: of each dataset so many finished rows whose
        two answers it compares, and so many whose new answer it rates. `older`: the fingerprint by
        which an older version knew it."""
        number = judging.judge(self._db, fingerprint, facts, older)
        return judging.JudgeQueue(self._db, number, pairs, aligned, seed)

    def to_measure(self, metrics: Sequence[str]) -> Iterator[list[Any]]:
        """Pages of (row, old answers, new answers) that lack one of these measures."""
        return judging.to_measure(self._db, metrics)

    def write_measures(self, values: Mapping[int, Mapping[str, float]]) -> None:
        """Write measures, row -> metric -> value, in place of those that are there."""
        judging.write_measures(self._db, values)

    def judgements(self) -> list[dict[str, Any]]:
        """What each judge said, per dataset; see `judging.said`."""
        return judging.said(self._db)

    def pace(self, points: int = 60) -> list[tuple[float, int, int]]:
        """Hours worked, rows finished and tokens written so far, at so many moments."""
        return counts.pace(self._db, points)

    def ratios(self) -> list[tuple[float, int]]:
        """Finished rows by length of the new answer over the old one: (lower edge of 0.1, rows)."""
        return counts.ratios(self._db)

    def tags_by_dataset(self) -> list[tuple[str, str, float]]:
        """(dataset, tag, share of its judged rows that have a good phrase under that tag)."""
        return counts.tags_by_dataset(self._db)

    def copy_final(
        self,
        path: Path,
        *,
        layout: layouts.Format,
        variant: copying.Variant = "full",
        fold_system: bool = False,
        selection: copying.Selection | None = None,
        checks: bool = False,
        origin: bool = False,
        reasoning: bool = False,
        parquet: bool = False,
    ) -> copying.Written:
        """Write the finished rows to a file. `checks`: with the columns agrees, obeys and checks,
        as far as any row has them. `origin`: with source, line and row. `reasoning`: with the
        thoughts before answers.
        Raises OSError where it cannot be written."""
        import duckdb

        chosen = selection or copying.Selection()
        copy = copying.Copy(layout, variant, fold_system, chosen, checks, origin, reasoning)
        try:
            return copy.write(self._db, path, parquet=parquet)
        except duckdb.Error as error:
            raise OSError(first_line(error)) from error
