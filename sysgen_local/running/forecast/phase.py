"""What is known of a phase: the guess, corrected by what its rows took in this run."""

from __future__ import annotations

from sysgen_local.core.sizes import Size
from sysgen_local.running.forecast.estimate import GUESSES, READ, USUAL, Tokens, unknown
from sysgen_local.running.forecast.lengths import Curve, Lengths


class RunningRow:
    """A row in work at a phase, and what it took there so far."""

    __slots__ = ("read", "requests", "size", "written")

    def __init__(self, size: Size) -> None:
        self.size = size
        self.read = self.written = self.requests = 0

    def took(self, flight: Tokens) -> Tokens:
        return Tokens(self.read + flight.read, self.written + flight.written, self.requests)


class PhaseForecast:
    """What is known of a phase: what its rows take beside what was guessed."""

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
        """What a row took."""
        return Tokens(*self._took).times(1 / max(self.rows, 1))

    def guess(self, size: Size) -> Tokens:
        """Before anything is seen in this run."""
        read, written, requests = self._guess(size)
        return Tokens(read, written * self.factor, requests)

    def expect(self, size: Size) -> Tokens:
        """What such rows will take; those of a phase that nothing is known of, what `like` says."""
        if not (self.known or self.rows):
            return self.like.times(size.rows)
        return self._whole(size, self.curve.mean if self.curve else 0.0)

    def ended(self, running: RunningRow) -> None:
        """A row has gone through."""
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
        """How far a row is; `flight` is what its requests under way took so far."""
        guess = self.guess(running.size).work
        return running.took(flight).work / guess if guess else 0.0

    def rest(self, running: RunningRow, flight: Tokens) -> Tokens:
        """What a row in work has still to take."""
        if self.curve is None:
            return self.expect(running.size)
        so_far = self.multiple(running, flight)
        whole = self._whole(running.size, self.curve.beyond(so_far))
        took = running.took(flight)
        work = max(0.0, whole.work - took.work)
        read = min(max(0.0, whole.read - took.read), work / READ)
        return Tokens(read, work - READ * read, max(whole.requests - took.requests, 0.5))

    def _whole(self, size: Size, multiple: float) -> Tokens:
        """Rows that take this multiple of what was guessed, divided as it was with others."""
        guess, took, guessed = self.guess(size), Tokens(*self._took), Tokens(*self._guessed)
        works = took.work / guessed.work if guessed.work else 0.0
        shares = (a / b / works if b and works else 0.0 for a, b in zip(took, guessed, strict=True))
        return Tokens(*(a * b * multiple for a, b in zip(guess, shares, strict=True)))
