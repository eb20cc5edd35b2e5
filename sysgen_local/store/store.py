"""The store of a run: it takes conversations and results, and gives rows. It is used by one process
and one thread at a time.

All writes are transactions. A process that is killed at any moment leaves a consistent file, which
lacks at most the last batch. Rows are numbered from 1 without gaps, in the order of input. A store
of a shard lacks the rows of the other shards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from sysgen_local.core.advice import Finding, findings
from sysgen_local.core.pairs import RulePair
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
from sysgen_local.core.shard import Shard
from sysgen_local.core.sizes import Size
from sysgen_local.store import (
    copying,
    counts,
    decisions,
    failures,
    forgetting,
    held_out,
    intake,
    journal,
    judging,
    labels,
    layouts,
    merging,
    narrowing,
    pace,
    pairing,
    quality,
    rejects,
    reviews,
    rows,
    shards,
    sizes,
)
from sysgen_local.store.database import Database
from sysgen_local.store.file import connect, connect_to_memory, first_line
from sysgen_local.store.pace import RunSpeed
from sysgen_local.store.rows import RowQuery

if TYPE_CHECKING:
    from duckdb import DuckDBPyRelation


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a row came from: the source as the user named it, and the line in it."""

    path: str
    line: int
    dataset: str | None
    license: str | None


class Store:
    """An open store. Open it with `Store.open`. Close it, or use it in a `with` statement."""

    def __init__(self, db: Database) -> None:
        self._db = db

    @classmethod
    def open(
        cls, path: Path, *, create: bool = True, read_only: bool = False, snapshot: bool = True
    ) -> Self:
        """Opens the file, or makes it. With `read_only`, a file that another process writes to is
        copied, and the copy is read (see `as_of`), unless `snapshot` is False. Raises UsageError,
        or LockedError where the file is in use."""
        if read_only:
            return cls(Database.open_for_reading(path, snapshot=snapshot))
        return cls(Database(connect(path, create=create, read_only=False), path))

    @classmethod
    def open_copy(cls, path: Path) -> Self:
        """A copy of the file as it is now, to be read while another process writes to the file or
        is about to (see `as_of`). Raises UsageError, or LockedError where no copy could be
        made."""
        return cls(Database.open_copy(path))

    @classmethod
    def in_memory(cls) -> Self:
        """A store in memory. Nothing of it is written to disk."""
        return cls(Database(connect_to_memory(), Path(":memory:")))

    @property
    def path(self) -> Path:
        """The file."""
        return self._db.path

    @property
    def read_only(self) -> bool:
        """Whether the file was opened for reading alone."""
        return self._db.read_only

    @property
    def as_of(self) -> datetime | None:
        """The local time of the copy that is read because another process writes to the file; None
        where the file itself is open."""
        return self._db.snapshot.at if self._db.snapshot else None

    def checkpoint(self) -> None:
        """Writes all that was committed into the file itself, which can be moved then. Raises
        OSError where that fails, as on a full disk."""
        self._db.checkpoint()

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
        """Adds the records of a source that are not in the store yet. Returns how many were added.

        `records` are all records of the source from its start. Those that an earlier call read are
        skipped, so an ingest that was killed or limited resumes where it stopped. `limit` is the
        most records of this source in total. `on_batch` is called after each commit with the number
        of records added so far. A source is identified by its content, not by its path. A source
        without a usable record is read again.

        `again` reads the source again, to compare it where a file at a known path has new content.
        Where the file only grew, the new records are read if `appended` is set, and otherwise
        GrownError is raised. Raises UsageError where the content differs, and where the source was
        read with another mapping or another `skip_system`.
        """
        return intake.ingest(
            self._db, source, records, limit, batch, on_batch, again, appended, skip_system
        )

    @property
    def shard(self) -> Shard | None:
        """The shard that this store holds; None where it holds all rows of its inputs."""
        return shards.read(self._db)

    def choose_shard(self, shard: Shard) -> None:
        """Makes this the shard of a store that has read nothing yet. Raises UsageError where the
        store holds another shard, or all rows."""
        shards.choose(self._db, shard)

    def inputs(self) -> shards.Inputs:
        """The numbers of records and of usable rows of all inputs, also those of other shards."""
        return shards.inputs(self._db)

    def shard_facts(self) -> dict[str, Any] | None:
        """The shard (`numbers`, `of`) and the records of all inputs (`input`), as data for JSON;
        None where the store holds all rows."""
        return shards.facts(self._db)

    def attach(self, path: Path, name: str) -> Store:
        """The store in another file, to be read and to be merged into this one; `name` is an SQL
        name for it. The file is never written: where another process writes to it, or where it
        comes from an older version, a copy is read (see `as_of`). Raises as `open`."""
        return Store(self._db.attach(path, name))

    def merge(
        self,
        stores: Sequence[Store],
        recipes: Mapping[Phase, journal.Recipe],
        shard: Shard | None,
    ) -> None:
        """Fills this new store with all that these attached ones hold: shards of the same inputs,
        or stores of different inputs (see `merging`). `recipes` are those of the result, and
        `shard` is its shard, where it does not hold all rows. Raises UsageError where the stores do
        not belong together."""
        merging.merge(self._db, [store._db for store in stores], recipes, shard)

    def held(self, numbers: Iterable[int]) -> set[int]:
        """Those of these row numbers that are in the store."""
        sql = 'SELECT "row" FROM conversations WHERE "row" IN (SELECT unnest($1::BIGINT[]))'
        return set(self._db.numbers(sql, list(numbers)))

    def sources(self, names: Sequence[str]) -> list[int]:
        """The numbers of the sources with these names. A name is the path as it was given, the
        file's real path, its file name, its folder, or the dataset's name. Raises UsageError for a
        name of no source."""
        return narrowing.find(self._db, names)

    def narrow(self, sources: Sequence[int]) -> None:
        """Restricts this store to the rows of these sources until it is closed. Only verdicts of
        judges and measures can be written then."""
        narrowing.narrow(self._db, sources)

    @contextmanager
    def narrowed(self, sources: Sequence[int]) -> Iterator[None]:
        """Restricts this store to the rows of these sources inside a `with` block; no restriction
        where `sources` is empty."""
        if sources:
            narrowing.narrow(self._db, sources)
        try:
            yield
        finally:
            if sources:
                narrowing.widen(self._db)

    def files(self) -> list[intake.SourceFile]:
        """The sources in the order in which they were read, with the hashes of their content."""
        return intake.files(self._db)

    def is_input(self, path: Path) -> bool:
        """Whether this file is one that rows of the store were read from."""
        return bool(
            self._db.all("SELECT 1 FROM sources WHERE file = $1", str(path.expanduser().resolve()))
        )

    def count_declined(self, where: str | None = None) -> int:
        """How many of the finished rows that meet the condition a person declined. Raises
        UsageError where `where` is not valid SQL."""
        if not self._db.all("SELECT 1 FROM reviews WHERE decision = 'rejected' LIMIT 1"):
            return 0
        declined = "review = 'rejected'" + (f" AND (\n{where}\n)" if where else "")
        return len(self.queue(RowQuery("final", where=declined, limit=None)))

    def find_source(self, source: Source) -> tuple[int, str] | None:
        """(number, path) of the stored source with this content; None where there is none. The path
        is the one under which it was read first."""
        return intake.find_source(self._db, source.fingerprint)

    def skips_system(self, source: Source) -> bool | None:
        """Whether rows of this source that have a system message were rejected when it was read.
        None where the source is new, or has had no such row."""
        return intake.skips_system(self._db, source)

    def due(self, phase: Phase, *, page: int = 256) -> Iterator[Row]:
        """The rows that are due for this phase, in ascending order: the phase before passed them.

        Each page of `page` rows is read completely before its first row is yielded, so results may
        be committed while the iterator is open. It does not yield rows that become due with a
        smaller number than the last one; call `due` again for these.
        """
        return rows.due(self._db, phase, page)

    def commit(self, results: Sequence[tuple[int, Phase, Result]]) -> None:
        """Writes (row, phase, result) of any phases in one transaction: all or, on an error, none.

        Raises ValueError where a row has a result of that phase already, or where the phase before
        has not passed it. Nothing is written twice.
        """
        rows.commit(self._db, results)

    def take_back(self, results: Iterable[tuple[int, Phase]]) -> None:
        """Deletes these results, (row, phase) each, so that the rows are due again."""
        forgetting.take_back(self._db, results)

    def losses(self, phase: Phase) -> forgetting.Losses:
        """What `redo` of this phase would delete, and how many reviews would not be valid then."""
        return forgetting.losses(self._db, phase)

    def redo(self, phase: Phase) -> None:
        """Deletes the results and recipes of this phase and all later ones, and the measures and
        verdicts of answers that are deleted. Reviews stay: see `reviewed`."""
        with self._db.transaction():
            forgetting.forget(self._db, phase)

    def prepare(
        self, recipes: Mapping[Phase, journal.Recipe], *, redo: Phase | None = None
    ) -> None:
        """Deletes as `redo` does and replaces all recipes by these, in one transaction. Raises
        ValueError where results would be left without a recipe."""
        with self._db.transaction():
            if redo is not None:
                forgetting.forget(self._db, redo)
            journal.set_recipes(self._db, recipes)

    def forget_failed(self, phases: Sequence[Phase]) -> int:
        """Deletes the results of these phases that are failures (`FAILURES`), so that their rows
        are due again. Returns how many there were."""
        return failures.forget(self._db, phases)

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases of this store; `check` only where answers are checked."""
        return counts.phases_of(self._db)

    def recipe(self, phase: Phase) -> journal.Recipe | None:
        """The recipe of this phase's results; None before the first."""
        return journal.recipe(self._db, phase)

    def set_recipe(self, phase: Phase, fingerprint: str, facts: Mapping[str, str]) -> None:
        """Writes the recipe of this phase's results, in place of an earlier one."""
        journal.set_recipe(self._db, phase, journal.Recipe(fingerprint, facts))

    def start_run(
        self,
        command: str,
        *,
        model: str | None = None,
        seed: int | None = None,
        version: str | None = None,
    ) -> int:
        """Writes that a run begins. Returns its number."""
        return journal.start_run(self._db, command, model, seed, version)

    def end_run(self, run: int, outcome: str) -> None:
        """Writes how a run ended."""
        journal.end_run(self._db, run, outcome)

    def last_run(self) -> journal.Run | None:
        """The latest run; None before the first."""
        return journal.last_run(self._db)

    def commands(self) -> list[str]:
        """The arguments of all runs that used a model, the latest first."""
        return journal.commands(self._db)

    def row(self, number: int) -> Row | None:
        """One row with the results of all phases; None where there is no such row."""
        return next(rows.load(self._db, [number], PHASES), None)

    def rows(self, where: str | None = None, *, limit: int | None = None) -> Iterator[Row]:
        """Finished rows in the order of the input, with the results of all phases.

        `where` is an SQL condition over the view `journey` (docs/store.md lists its columns).
        Rows are read page by page. Raises UsageError where `where` is not valid SQL.
        """
        return rows.find(self._db, RowQuery("final", where=where, limit=limit))

    def query(self, sql: str) -> DuckDBPyRelation:
        """The result of an SQL query over the tables and views: `.df()` gives pandas, `.pl()`
        polars, `.arrow()` Arrow. Raises duckdb.Error where `sql` is not valid."""
        return self._db.con.sql(sql)

    def find(self, query: RowQuery) -> list[Row]:
        """The rows of a query, with the results of all phases. Raises UsageError where `where` is
        not valid SQL."""
        return list(rows.find(self._db, query))

    def review(
        self,
        number: int,
        decision: reviews.Decision | None,
        phrases: Sequence[Phrase] | None = None,
        *,
        answers: Sequence[str] | None = None,
        note: str | None = None,
        reviewer: str | None = None,
        at: datetime | None = None,
        of: reviews.Version | None = None,
    ) -> None:
        """Writes a person's review of a row, in place of an earlier one.

        `decision` None is a note alone. `phrases` are the edited phrases, which are put in
        canonical order, and `answers` the edited contents of all turns of the assistant; None
        leaves those of the model. `at` is the time of the decision (UTC), `of` the version of the
        row that it is about; by default these are now and the present version. Raises ValueError
        for a tag that is not one of the eight, for another number of answers than the row has, and
        for an edit without a decision.
        """
        with self._db.transaction():
            reviews.write(self._db, number, decision, phrases, answers, note, reviewer, at, of)

    def reviewed(self, number: int) -> reviews.Review | None:
        """The review of this row, also one of an earlier version; None where there is none."""
        return reviews.reviewed(self._db, number)

    def forget_review(self, number: int) -> None:
        """Deletes the review of this row."""
        reviews.forget(self._db, number)

    def edits(self) -> reviews.Edits:
        """The finished rows with an edit that holds, and those that are stale."""
        return reviews.edits(self._db)

    def decided(self) -> list[decisions.Decided]:
        """All reviews, each with what identifies its row in another store, in ascending order."""
        return decisions.export(self._db)

    def places(self, decided: Sequence[decisions.Decided]) -> list[int | None]:
        """The number of the row that each of these decisions is about; None where this store has no
        such row."""
        return decisions.places(self._db, decided)

    def merge_decisions(
        self, decided: Mapping[int, reviews.Review], *, overwrite: bool = False
    ) -> decisions.Merged:
        """Writes decisions, row -> review, all or, on an error, none.

        Where the store has a decision about the row, the newer one stays; one that holds is not
        replaced by one about other answers. `overwrite` takes the given ones. Raises ValueError as
        `review` does.
        """
        return decisions.merge(self._db, decided, overwrite)

    def add_labels(self, added: Sequence[labels.Label]) -> None:
        """Adds what people decided blind, in one transaction. Nothing is replaced: of the labels of
        one reviewer about one thing the latest counts. Raises ValueError for a word that cannot be
        said about that kind of thing."""
        labels.add(self._db, added)

    def label_queue(self, kind: labels.Kind, reviewer: str, limit: int) -> list[labels.Label]:
        """What this person may be asked next, without an answer: random things and those on which
        the model was least sure, in turn, as far as the person has not labelled them."""
        return labels.queue(self._db, kind, reviewer, limit)

    def latest_labels(self) -> list[labels.Label]:
        """The latest label of every reviewer about every thing, also those that were taken
        back."""
        return labels.latest(self._db)

    def compared_labels(self) -> list[labels.Compared]:
        """The latest labels, each beside the present verdict of phase 3, or of every judge."""
        return labels.compared(self._db)

    def pair_texts(self, number: int) -> tuple[str, labels.PairTexts] | None:
        """The texts of a row that a judge compares, and their digest; None where the row has no
        pair of answers."""
        return labels.pair_texts(self._db, number)

    def pair_verdicts(self, numbers: Sequence[int]) -> dict[int, labels.PairVerdict]:
        """Row -> the verdict of the latest judge that compared its answers."""
        return labels.pair_verdicts(self._db, numbers)

    def placed_labels(self) -> list[labels.PlacedLabel]:
        """The latest labels, each with what identifies its row in another store."""
        return labels.placed(self._db)

    def find_labelled(self, placed: Sequence[labels.PlacedLabel]) -> list[int | None]:
        """The number of the row that each of these labels is about; None where this store has no
        such row."""
        return labels.find(self._db, placed)

    def merge_labels(self, added: Sequence[labels.Label]) -> labels.Added:
        """Adds labels, all or, on an error, none. One that is older than what the same reviewer
        said of the same thing is left out. Raises ValueError as `add_labels`."""
        return labels.merge(self._db, added)

    def having(self, words: str) -> list[int]:
        """The finished rows that have these words, in upper or lower case, in a text: the turns,
        the answers of before and after the checks, system messages, edits and notes."""
        return rows.having(self._db, words)

    def queue(self, query: RowQuery) -> list[tuple[int, reviews.Decision | None]]:
        """(row, decision) of the rows of a query, in ascending order. The decision is the valid one
        of the row, or None. Raises UsageError where `where` is not valid SQL."""
        return rows.queue(self._db, query)

    def stale(self, number: int) -> bool:
        """Whether this row's answer was written under another system message than the row has
        now."""
        return reviews.stale(self._db, number)

    def reopen(self) -> int:
        """Deletes the answers that are stale, so that their rows are due for `respond` again under
        their present system messages. Returns how many there were. Rejected rows keep theirs, and
        so do rows whose answer a person edited (`kept_answers`)."""
        return reviews.reopen(self._db)

    def kept_answers(self) -> int:
        """How many accepted rows keep an answer that a person edited, although their system message
        was edited since the model answered them."""
        return reviews.kept(self._db)

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
        """(path of the source, record) of records that could not be used, in the order of input:
        the first `limit` of them or, with a seed, a reproducible sample.

        `where` is an SQL condition over the view `rejected`. Raises UsageError where it is not
        valid SQL.
        """
        return rejects.find(self._db, where, limit, seed)

    def count_rejects(self, *, where: str | None = None) -> int:
        """How many of those records meet the condition. Raises UsageError as `rejects` does."""
        return rejects.count(self._db, where)

    def copy_rejects(self, path: Path, *, where: str | None = None, parquet: bool = False) -> int:
        """Writes those records to a file with the columns file, line, reason, detail and raw.
        Returns how many there were. Raises UsageError as `rejects` does, OSError where the file
        cannot be written."""
        import duckdb

        try:
            return rejects.copy(self._db, path, where, parquet=parquet)
        except duckdb.Error as error:
            raise OSError(first_line(error)) from error

    def lengths(self) -> list[tuple[int, int]]:
        """(bytes of text, conversations that are due and have about so many), ascending."""
        return sizes.lengths(self._db, self.phases)

    def quality_counts(self, *, blank: bool = False) -> QualityCounts:
        """The counts that `advice` is based on. `blank`: the counts before any row."""
        return quality.empty(self._db) if blank else quality.count(self._db)

    def advice(self) -> list[Finding]:
        """Findings about poor data, each with what to try."""
        return findings(self.quality_counts())

    def sizes_waiting(self) -> dict[Phase, Size]:
        """Phase -> text lengths of the rows that are due for it."""
        return sizes.waiting(self._db)

    def sizes_done(self) -> Size:
        """Text lengths of the rows that phase 1 has done."""
        return sizes.done(self._db)

    def instructions(
        self,
        layout: layouts.Format = "messages",
        variant: copying.Variant = "full",
        selection: copying.Selection | None = None,
    ) -> Iterator[tuple[int, str]]:
        """(row, first instruction) of the rows that `copy_final` would write with these arguments,
        in ascending order."""
        chosen = selection or copying.Selection()
        return copying.instructions(self._db, copying.Copy(layout, variant, False, chosen))

    def questions(
        self,
        layout: layouts.Format = "messages",
        variant: copying.Variant = "full",
        selection: copying.Selection | None = None,
    ) -> Iterator[tuple[int, str]]:
        """As `instructions`, but with all user turns: one pair for each."""
        chosen = selection or copying.Selection()
        return copying.questions(self._db, copying.Copy(layout, variant, False, chosen))

    def held_out(
        self, low: float, where: str | None = None
    ) -> Iterator[tuple[Row, reviews.Decision | None]]:
        """The rows whose number by the hash of their first instruction is at least `low`, the
        highest first: a split of the export that ends at `low` has none of them. Rows of every
        state, with the results of phases 1 to 3, and the valid decision about each.

        `where` is an SQL condition over the view `journey`. Raises UsageError where it is not valid
        SQL.
        """
        return held_out.held_out(self._db, low, where)

    def instructions_before(self, high: float) -> Iterator[str]:
        """The first instructions of all other rows: those whose number is less than `high`."""
        return held_out.instructions_before(self._db, high)

    def lineage(
        self, layout: layouts.Format = "messages", selection: copying.Selection | None = None
    ) -> list[copying.LineageEntry]:
        """The datasets of the rows that `copy_final` would write with these arguments. The rows
        whose phrases were imported are one more entry at the end (`IMPORTED`)."""
        return copying.lineage(self._db, layout, selection or copying.Selection())

    @contextmanager
    def paired(
        self, selection: copying.Selection, make: Callable[[Row], RulePair | str]
    ) -> Iterator[None]:
        """Makes a preference pair of each selected finished row, for exports inside a `with` block
        whose selection has `pairs`. `make` gets a row as it leaves in an export and returns its
        pair, or why it has none. Raises UsageError where `where` is not valid SQL."""
        numbers = copying.numbers(self._db, selection)
        made = ((row.row, make(row)) for row in pairing.released(self._db, numbers))
        try:
            pairing.use(self._db, made)
            yield
        finally:
            pairing.drop(self._db)

    def thoughts(
        self, layout: layouts.Format, variant: copying.Variant, selection: copying.Selection
    ) -> copying.Thoughts:
        """How many of the rows that `copy_final` would write with these arguments came with
        thoughts, and how many of them can be written with these."""
        return copying.thoughts(self._db, layout, variant, selection)

    def counts(self) -> counts.Counts:
        """The number of rows by phase and outcome. The sums always add up: see `counts`."""
        return counts.count(self._db)

    def stats(self) -> dict[str, Any]:
        """The data of `sysgen stats --json`."""
        recipes = {phase: self.recipe(phase) for phase in PHASES}
        return {
            **counts.stats(self._db),
            "shard": shards.facts(self._db),
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
        """The work queue of the judge with this recipe. Of each dataset the judge compares the two
        answers of `pairs` finished rows, and rates the new answer of `aligned` rows; `seed` draws
        the rows. `older` is the fingerprint that an older version gave to the same recipe."""
        number = judging.judge(self._db, fingerprint, facts, older)
        return judging.JudgeQueue(self._db, number, pairs, aligned, seed)

    def to_measure(self, metrics: Sequence[str]) -> Iterator[list[Any]]:
        """Pages of (row, old answers, new answers) of finished rows that lack one of these
        measures."""
        return judging.to_measure(self._db, metrics)

    def write_measures(self, values: Mapping[int, Mapping[str, float]]) -> None:
        """Writes measures, row -> metric -> value, in place of earlier ones."""
        judging.write_measures(self._db, values)

    @property
    def measured(self) -> bool:
        """Whether any row is measured."""
        return bool(judging.means(self._db))

    def judgements(self) -> list[dict[str, Any]]:
        """The verdicts of each judge for each dataset; see `judging.judgements`."""
        return judging.judgements(self._db)

    def pace(self, points: int = 60) -> list[tuple[float, int, int]]:
        """Progress over time in at most `points` points; see `pace.pace`."""
        return pace.pace(self._db, points)

    def speeds(self) -> list[RunSpeed]:
        """The speed of every run that has results; see `pace.speeds`."""
        return pace.speeds(self._db)

    def ratios(self) -> list[tuple[float, int]]:
        """Histogram of the length of new answers relative to old ones; see `counts.ratios`."""
        return counts.ratios(self._db)

    def tags_by_dataset(self) -> list[tuple[str, str, float]]:
        """(dataset, tag, share of its judged rows that have a good phrase with that tag)."""
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
        objects: bool = False,
        parquet: bool = False,
    ) -> copying.Written:
        """Writes the finished rows to a file. `fold_system`: the system message is put before the
        first instruction. `checks`: with the columns agrees, obeys and checks, as far as any row
        has them. `origin`: with the columns source, line and row. `reasoning`: with the thoughts
        before answers. `objects`: tools and the arguments of calls are objects, and not JSON text.
        Raises OSError where the file cannot be written."""
        import duckdb

        chosen = selection or copying.Selection()
        copy = copying.Copy(
            layout, variant, fold_system, chosen, checks, origin, reasoning, objects
        )
        try:
            return copy.write(self._db, path, parquet=parquet)
        except duckdb.Error as error:
            raise OSError(first_line(error)) from error
