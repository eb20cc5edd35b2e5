"""Counts from which it can be told that data is poor. Kept in memory while results pass, or read
from a store."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from sysgen_local.core.language import language_of, row_language
from sysgen_local.core.records import Checked, Filtered, Row, Verdict, Verified

PHRASES = 4096
"""Different phrases that are counted; beyond that those that came once are forgotten, so that a
long run stays small. What a fifth of the rows have is never among them."""

LANGUAGES = 200
"""Rows whose system message's language is looked at: a millisecond or two each."""


@dataclass(slots=True)
class Evidence:
    """Of the rows that went through phases. `model` is by name or path, `parameters` of that."""

    model: str = ""
    parameters: int | None = None
    language: str | None = None
    """The language that was asked for; None for that of each row."""

    through: Counter[str] = field(default_factory=Counter)
    """Phase -> rows."""
    dropped: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Phase and reason -> rows."""
    phrases: int = 0
    """Phrases that came to the filter."""
    removed: Counter[str] = field(default_factory=Counter)
    """Reason -> phrases that it removed."""
    strange: int = 0
    """Rows in which it removed phrases because of their script or language."""
    tags: Counter[tuple[str, ...]] = field(default_factory=Counter)
    """Tags of good phrases, in order -> judged rows."""
    said: Counter[str] = field(default_factory=Counter)
    """Good phrase -> rows."""
    labels: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Tag and label -> phrases."""
    good: float = 0.0
    good_squared: float = 0.0
    """Sums of p(good) and of its square over phrases."""
    again: int = 0
    """Checked rows with an answer that was written again, or that were dropped."""
    spoken: int = 0
    foreign: int = 0
    """Rows whose system message's language could be told, and those where it is another."""

    def add(self, row: Any, phase: str, result: Any) -> None:
        """A row went through a phase; what is no row of a dataset is not looked at."""
        if not isinstance(row, Row):
            return
        self.through[phase] += 1
        if result.dropped:
            self.dropped[phase, result.dropped] += 1
        if isinstance(result, Verified):
            if result.verdicts:
                self._judged(result.verdicts)
                if result.system and self.spoken < LANGUAGES:
                    self.compare(row, result.system)
        elif isinstance(result, Filtered):
            self.phrases += len(result.phrases) + len(result.removed)
            if result.removed:
                reasons = [removed.reason for removed in result.removed]
                self.removed.update(reasons)
                self.strange += "wrong_script" in reasons
        elif isinstance(result, Checked):
            self.again += result.tries > 1 or result.dropped is not None

    def compare(self, row: Row, system: str) -> None:
        """Whether a system message is in the language that it should be in."""
        wanted = self.language or row_language(row.conversation)
        found = language_of(system)
        if wanted and found:
            self.spoken += 1
            self.foreign += found != wanted

    @property
    def demonstration(self) -> bool:
        """Whether this is the built-in model, of which nobody expects good data."""
        return PurePath(self.model).name.removesuffix(".gguf") == "builtin"

    @property
    def judged(self) -> int:
        """Rows with verdicts."""
        return self.tags.total()

    def _judged(self, verdicts: tuple[Verdict, ...]) -> None:
        tags, said = [], self.said
        for tag, text, label, good, _, _ in verdicts:
            self.labels[tag, label] += 1
            self.good += good
            self.good_squared += good * good
            if label == "good":
                tags.append(tag)
                said[text] += 1
        self.tags[tuple(dict.fromkeys(tags))] += 1
        if len(said) > PHRASES:
            self.said = Counter({text: n for text, n in said.items() if n > 1})
            if len(self.said) > PHRASES // 2:
                self.said = Counter(dict(self.said.most_common(PHRASES // 4)))
