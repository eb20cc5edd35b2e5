"""Counts that show whether generated data is poor, for `advice`. A run counts its results as they
come; `stats` reads the same counts from a store."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from sysgen_local.core.language import language_of, row_language
from sysgen_local.core.records import Checked, Filtered, Row, Verdict, Verified

PHRASES = 4096
"""The most different phrases that are kept. Beyond it, phrases that came once are dropped, so that
a long run takes little memory. A phrase that a fifth of the rows have is always kept."""

LANGUAGES = 200
"""The most rows whose system message's language is identified: 1 to 2 ms each."""


@dataclass(slots=True)
class QualityCounts:
    """Counts of rows, by phase. `model` is the model's name or path, `parameters` its size."""

    model: str = ""
    parameters: int | None = None
    language: str | None = None
    """The language of `--language`, as a code; None where each row keeps its own."""

    rows_done: Counter[str] = field(default_factory=Counter)
    """Phase -> rows that it has done."""
    dropped: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(Phase, reason) -> rows."""
    phrases: int = 0
    """Phrases that the filter read."""
    removed: Counter[str] = field(default_factory=Counter)
    """Reason -> phrases that the filter removed."""
    wrong_script: int = 0
    """Rows in which the filter removed phrases because of their script or language."""
    tags: Counter[tuple[str, ...]] = field(default_factory=Counter)
    """Tags of a row's good phrases, in order -> judged rows."""
    good_phrases: Counter[str] = field(default_factory=Counter)
    """Good phrase -> rows."""
    labels: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(Tag, label) -> phrases."""
    good: float = 0.0
    good_squared: float = 0.0
    """Sums of p(good) and of its square, over all judged phrases."""
    rewritten: int = 0
    """Checked rows in which an answer was generated again, or that were dropped."""
    language_known: int = 0
    """Rows whose system message's language could be identified."""
    language_differs: int = 0
    """Those of them where it is not the language that was wanted."""

    def add(self, row: Any, phase: str, result: Any) -> None:
        """Counts one result of a phase. Items that are no rows of a dataset are ignored."""
        if not isinstance(row, Row):
            return
        self.rows_done[phase] += 1
        if result.dropped:
            self.dropped[phase, result.dropped] += 1
        if isinstance(result, Verified):
            if result.verdicts:
                self._judged(result.verdicts)
                if result.system and self.language_known < LANGUAGES:
                    self.compare(row, result.system)
        elif isinstance(result, Filtered):
            self.phrases += len(result.phrases) + len(result.removed)
            if result.removed:
                reasons = [removed.reason for removed in result.removed]
                self.removed.update(reasons)
                self.wrong_script += "wrong_script" in reasons
        elif isinstance(result, Checked):
            self.rewritten += result.tries > 1 or result.dropped is not None

    def compare(self, row: Row, system: str) -> None:
        """Counts whether a system message is in the wanted language."""
        wanted = self.language or row_language(row.conversation)
        found = language_of(system)
        if wanted and found:
            self.language_known += 1
            self.language_differs += found != wanted

    @property
    def demonstration(self) -> bool:
        """Whether this is the built-in model, which is too small for good data, with adapters or
        without."""
        names = (self.model, self.model.partition("+")[0])  # behind a + are LoRA adapters
        return any(PurePath(name).name.removesuffix(".gguf") == "builtin" for name in names)

    @property
    def judged(self) -> int:
        """Number of rows with verdicts."""
        return self.tags.total()

    def _judged(self, verdicts: tuple[Verdict, ...]) -> None:
        tags, phrases = [], self.good_phrases
        for tag, text, label, good, _, _ in verdicts:
            self.labels[tag, label] += 1
            self.good += good
            self.good_squared += good * good
            if label == "good":
                tags.append(tag)
                phrases[text] += 1
        self.tags[tuple(dict.fromkeys(tags))] += 1
        if len(phrases) > PHRASES:
            self.good_phrases = Counter({text: n for text, n in phrases.items() if n > 1})
            if len(self.good_phrases) > PHRASES // 2:
                self.good_phrases = Counter(dict(self.good_phrases.most_common(PHRASES // 4)))
