"""The desk of one store: its run, its rows, the report, a review, and exports. It does not use
HTTP.

The methods can be called from several threads. A lock lets only one of them have the store open at
a time, and lets no run begin meanwhile. While a review is open, everything else reads through its
connection: to open the file a second time in one process would give up the lock on it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, RLock
from typing import Any

import psutil

from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.core.files import check_folder
from sysgen_local.desk.child_run import ChildRun
from sysgen_local.desk.forms import ExportForm, RowsForm, RunForm
from sysgen_local.report.page_row import page_row
from sysgen_local.report.status import read_status
from sysgen_local.review.routes import review_page
from sysgen_local.review.session import Session
from sysgen_local.store import RowQuery, Store
from sysgen_local.workflows.export import export
from sysgen_local.workflows.report import report

PAGE = 20
"""Number of rows that are sent at a time."""

LONGEST = 20_000
"""Maximum number of characters of a text of such a row."""

FRESH = 60.0
"""Seconds after which the side file of another run is taken for one of a run that was killed."""

RETRY = 5.0
"""Seconds after which a store that could not be read is tried again."""

_REVIEW_ENDED = "The review has ended. What you decided is kept; the tab “Review” opens it again."


class Desk:
    """The desk of the store at `db`, which may not exist yet. `reviewer` is the name that is stored
    with decisions."""

    def __init__(self, db: Path, *, reviewer: str | None = None) -> None:
        """Raises UsageError where the file cannot be used."""
        self.db = db
        self._reviewer = reviewer
        self._lock = RLock()
        self._starting = Lock()
        self._child: ChildRun | None = None
        self._stored: dict[str, Any] | None = None
        self._problem = ""
        self._stamp: object = None
        self._retry_at = 0.0
        self._store: Store | None = None
        self._session: Session | None = None
        self._review = ""
        self._reviews = 0
        self._report = ""
        self.ending = False
        check_folder(db)
        if db.exists():
            with self._reading() as store:
                self._stored = _counts(store)
                self._stamp = self._file_stamp()

    def state(self) -> dict[str, Any]:
        """All that the page shows at a glance, as plain data.

        `run`: the run that goes on, else null: `here` (it was started by this desk), `stopping`
        (how often it was asked to stop), `seconds`, and `status`, the side file, null while the run
        reads its input. `last`: how the last run of this desk ended. `stored`: the counts of the
        store, null where there is no store; `problem` is the reason where it cannot be read.
        """
        run = self._run()
        if run is None:
            self._refresh()
        child = self._child
        ended = child if child is not None and child.outcome else None
        return {
            "run": run,
            "last": {"outcome": ended.outcome, "says": ended.says()} if ended else None,
            "stored": self._stored,
            "problem": self._problem,
            "reviewing": self._session is not None,
            "ending": self.ending,
        }

    def start(self, form: RunForm) -> dict[str, Any]:
        """Starts a run, after the review has been closed. Raises UsageError for an input that is
        not here, SysgenError where a run goes on."""
        with self._lock:
            self._refuse_during_run("start another one when it has ended")
            if not any(form.inputs) and self._stored is None:
                raise UsageError("there are no rows yet", hint="name an input")
            if not any(form.inputs) and self._stored and self._stored["unchecked"]:
                form = form.model_copy(update={"check": False})
            arguments = form.arguments(self.db)
            self.close_review()
            with self._starting:
                if self.ending:
                    raise SysgenError("the desk is ending; start it again for another run")
                self._child = ChildRun(arguments)
        return self.state()

    def stop(self) -> dict[str, Any]:
        """Asks the run of this desk to end in good order; the second time, to end immediately."""
        if self._child is None or not self._child.live:
            raise UsageError(
                "no run of this desk goes on",
                hint="a run that was started elsewhere is stopped there, with Ctrl-C",
            )
        self._child.stop()
        return self.state()

    def end(self) -> None:
        """Stops the run of this desk, if one goes on, and returns when it has ended."""
        with self._starting:  # no run begins after this
            self.ending = True
            child = self._child
        if child is not None:
            child.stop()
            child.wait()

    @property
    def running(self) -> bool:
        """Whether a run of this desk goes on."""
        return self._child is not None and self._child.live

    def rows(self, form: RowsForm) -> dict[str, Any]:
        """The rows with the results of all phases: `rows`, whether there are `more`, and the time
        `as_of` of the copy that was read during a run."""
        with self._reading() as store:
            found = store.find(form.query(PAGE + 1))
            shown, phases = [], store.phases
            stale = _stale(store, [row.row for row in found])
            for row in found[:PAGE]:
                origin, review = store.origin(row.row), store.reviewed(row.row)
                assert origin is not None
                of = page_row(
                    row, origin, review, phases=phases, stale=row.row in stale, longest=LONGEST
                )
                shown.append(of)
            return {"rows": shown, "more": len(found) > PAGE, "as_of": _as_of(store)}

    def make_report(self) -> dict[str, Any]:
        """Makes the report of the store as it is now, for `report_page`."""
        with self._reading() as store:
            self._report = report(store, title=self.db.stem)
            return {"as_of": _as_of(store) or time.strftime("%H:%M:%S")}

    def report_page(self) -> str:
        """The last report that was made. Raises UsageError before the first."""
        if not self._report:
            raise UsageError("no report was made yet", hint="the tab “Report” makes one")
        return self._report

    def open_review(self) -> dict[str, Any]:
        """Opens the review, unless it is open. `number` is another one for each that was opened.
        Raises SysgenError during a run, and where there is nothing to review."""
        with self._lock:
            self._refuse_during_run("the review opens when it has ended")
            if self.ending:
                raise SysgenError("the desk is ending")
            if self._session is None:
                self._open_review()
            return {"number": self._reviews}

    def close_review(self) -> None:
        """Closes the review, if one is open, and the store with it."""
        with self._lock:
            if self._session is not None and self._store is not None:
                self._session.close()
                self._store.close()
                self._session = self._store = None

    @property
    def session(self) -> Session:
        """The review that is open. Raises SysgenError where none is."""
        session = self._session
        if session is None:
            raise SysgenError(_REVIEW_ENDED)
        return session

    def review_page(self) -> str:
        """The page of the review that is open. Raises SysgenError where none is."""
        return self._review if self.session else ""

    def export(self, form: ExportForm) -> dict[str, Any]:
        """Writes the finished rows and their card: `files` (path and rows of each), the path of the
        `card`, `notes` on what was left out, and `as_of` as in `rows`. Raises UsageError for what
        `workflows.export` refuses, and for a file that exists."""
        path = form.path()
        notes: list[str] = []
        with self._reading() as store:
            done = export(
                store, path, format=form.format, variant=form.variant, pairs=form.pairs or None,
                where=form.where or None, say=notes.append,
            )  # fmt: skip
            return {
                "files": [{"path": str(of.path), "rows": of.rows} for of in done.files],
                "card": str(done.card_path),
                "notes": notes,
                "as_of": _as_of(store),
            }

    @contextmanager
    def _reading(self) -> Iterator[Store]:
        with self._lock:
            if self._session is not None:
                with self._session.reading() as store:
                    yield store
            elif self._child is not None and self._child.live:
                if self._status_of(self._child.pid) is None:
                    raise SysgenError(
                        "the run is reading its input", hint="rows can be looked at after that"
                    )
                with Store.open_copy(self.db) as store:
                    yield store
            else:
                with Store.open(self.db, create=False, read_only=True) as store:
                    yield store

    def _run(self) -> dict[str, Any] | None:
        """The run that goes on, whoever started it."""
        child = self._child
        if child is not None and child.live:
            return {
                "here": True,
                "stopping": child.signals,
                "seconds": child.seconds,
                "status": self._status_of(child.pid),
            }
        status = read_status(self.db)
        if status is None or not _is_live(status):
            return None
        return {"here": False, "stopping": 0, "seconds": 0, "status": status}

    def _status_of(self, pid: int) -> dict[str, Any] | None:
        status = read_status(self.db)
        return status if status and status.get("pid") == pid else None

    def _refuse_during_run(self, then: str) -> None:
        run = self._run()
        if run is not None:
            where = "" if run["here"] else f", started elsewhere as process {run['status']['pid']}"
            raise SysgenError(f"a run goes on{where}", hint=then)

    def _open_review(self) -> None:
        store = Store.open(self.db, create=False)
        try:
            session = Session(store, RowQuery("final", limit=None), self._reviewer)
            if not session.rows:
                raise UsageError(
                    f"{self.db} has no finished row to review", hint="finish a run first"
                )
            self._review = review_page(
                session, title=f"Review of {self.db.stem}", base="/review", ended=_REVIEW_ENDED
            )
        except BaseException:
            store.close()
            raise
        self._store, self._session = store, session
        self._reviews += 1

    def _refresh(self) -> None:
        """Reads the counts again where the file has changed. Another thread that has the store open
        is not waited for: then the counts stay as they are."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            if self.running:
                return
            late = self._problem and time.monotonic() > self._retry_at
            if self._session is None and (late or self._file_stamp() != self._stamp):
                self._stored, self._problem = None, ""
                if self.db.exists():
                    with self._reading() as store:
                        self._stored = _counts(store)
        except SysgenError as error:
            self._problem = str(error)
            self._retry_at = time.monotonic() + RETRY
        finally:
            self._stamp = self._file_stamp()
            self._lock.release()

    def _file_stamp(self) -> object:
        """Changes with the file or its write-ahead log."""
        found: list[tuple[int, int] | None] = []
        for path in (self.db, Path(f"{self.db}.wal")):
            try:
                of = path.stat()
                found.append((of.st_mtime_ns, of.st_size))
            except OSError:
                found.append(None)
        return found


def _counts(store: Store) -> dict[str, Any]:
    """The counts of a store in the form of the side file. `unchecked`: the last run was started
    without checks."""
    counts = store.counts()
    last = store.last_run()
    return {
        "rows": counts.rows(),
        "phases": {
            phase: {"done": of.done, "kept": of.kept, "dropped": dict(of.dropped), "running": 0}
            for phase, of in counts.phases.items()
        },
        "advice": [{"name": of.name, "says": of.says} for of in store.advice()],
        "unchecked": last is not None and "--no-check" in last.command.split(),
        "as_of": _as_of(store),
    }


def _stale(store: Store, numbers: Sequence[int]) -> set[int]:
    """Those of these rows whose answer was written under another system message than the row has
    now. One query for all: one for each takes 27 ms."""
    if not numbers:
        return set()
    where = f'stale AND "row" BETWEEN {numbers[0]} AND {numbers[-1]}'
    return {row for row, _ in store.queue(RowQuery(where=where, limit=None))}


def _as_of(store: Store) -> str | None:
    return f"{store.as_of:%H:%M:%S}" if store.as_of else None


def _is_live(status: Mapping[str, Any]) -> bool:
    """Whether the run that wrote this side file goes on, as far as can be seen."""
    pid, at = status.get("pid"), status.get("at")
    if not isinstance(pid, int) or not isinstance(at, int | float):
        return False
    return time.time() - at < FRESH and psutil.pid_exists(pid)
