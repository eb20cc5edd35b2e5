"""The forecast of one phase: the first estimate, corrected by the finished rows of this run."""

from __future__ import annotations

from sysgen_local.core.sizes import Size
from sysgen_local.running.forecast.estimate import GUESSES, READ, USUAL, Tokens, unknown
from sysgen_local.running.forecast.lengths import Curve, Lengths


class RunningRow:
    """A row in work at a phase, and its tokens and requests so far."""

    __slots__ = ("read", "requests", "size", "written")

    def __init__(self, size: Size) -> None:
        self.size = size
        self.read = self.written = self.requests = 0

    def so_far(self, flight: Tokens) -> Tokens:
        """Its work so far. `flight` are the tokens of its running requests."""
        return Tokens(self.read + flight.read, self.written + flight.written, self.requests)


class PhaseForecast:
    """The work of a phase's rows in relation to the first estimate."""

    def __init__(self, name: str) -> None:
        self._guess, usual = GUESSES.get(name, (unknown, ()))
        self.known = name in GUESSES
        self.waiting = Size()
        self.running: dict[int, RunningRow] = {}
        self.lengths = Lengths(usual)
        self.factor = 1.0
        self.curve: Curve | None = None
        self.rows = 0
        self.like = Tokens()
        trusted = self.guess(USUAL).times(3.0 if self.known else 0.0)
        self._guessed, self._took = list(trusted), list(trusted)

    @property
    def each(self) -> Tokens:
        """The mean work of a finished row."""
        return Tokens(*self._took).times(1 / max(self.rows, 1))

    def guess(self, size: Size) -> Tokens:
        """The first estimate for rows of this size, without the rows of this run."""
        read, written, requests = self._guess(size)
        return Tokens(read, written * self.factor, requests)

    def expect(self, size: Size) -> Tokens:
        """The expected work of rows of this size. A phase without any estimate uses `like`."""
        if not (self.known or self.rows):
            return self.like.times(size.rows)
        return self._whole(size, self.curve.mean if self.curve else 0.0)

    def add_finished(self, running: RunningRow) -> None:
        """Counts a row that has finished this phase."""
        read, written, requests = guess = self.guess(running.size)
        if guess.work:
            self.lengths.add((running.written + READ * running.read) / guess.work)
        guessed, took = self._guessed, self._took
        guessed[0] += read
        guessed[1] += written
        guessed[2] += requests
        took[0] += running.read
        took[1] += running.written
        took[2] += running.requests
        self.rows += 1

    def multiple(self, running: RunningRow, flight: Tokens) -> float:
        """The work of a row so far as a multiple of its first estimate."""
        guess = self.guess(running.size).work
        return running.so_far(flight).work / guess if guess else 0.0

    def rest(self, running: RunningRow, flight: Tokens) -> Tokens:
        """The remaining work of a row in work."""
        if self.curve is None:
            return self.expect(running.size)
        so_far = self.multiple(running, flight)
        whole = self._whole(running.size, self.curve.beyond(so_far))
        took = running.so_far(flight)
        work = max(0.0, whole.work - took.work)
        read = min(max(0.0, whole.read - took.read), work / READ)
        return Tokens(read, work - READ * read, max(whole.requests - took.requests, 0.5))

    def _whole(self, size: Size, multiple: float) -> Tokens:
        """The work of rows that take this multiple of the first estimate. It is divided into
        reading, writing and requests as that of the finished rows."""
        guess, took, guessed = self.guess(size), Tokens(*self._took), Tokens(*self._guessed)
        works = took.work / guessed.work if guessed.work else 0.0
        shares = (a / b / works if b and works else 0.0 for a, b in zip(took, guessed, strict=True))
        return Tokens(*(a * b * multiple for a, b in zip(guess, shares, strict=True)))
