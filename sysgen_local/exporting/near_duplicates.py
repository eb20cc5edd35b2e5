"""Finds near-duplicates of earlier rows, and rows that resemble prompts of a benchmark.

Two texts are near-duplicates if the Jaccard similarity of their character 5-grams is high enough
and they have the same numbers and operators in the same order: one different sign makes another
problem. MinHash (datasketch) finds candidates, and each candidate is compared exactly.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sysgen_local.core.errors import UsageError
from sysgen_local.core.extras import needs
from sysgen_local.exporting.normalized import NormalizedText, normalized

NEAR = 0.8
"""Minimum Jaccard similarity of near-duplicates."""

_CANDIDATE = 0.65
"""Similarity for the search with MinHash, whose estimate is sometimes wrong by a tenth."""

WORDS = 13
"""Length of the word n-grams for contamination (the length that the authors of GPT-3 chose)."""

_KEYS = ("prompt", "instruction", "question", "query", "problem", "input", "text", "turns",
         "messages", "conversations")  # fmt: skip


def duplicates(rows: Iterable[tuple[int, str]], threshold: float = NEAR) -> list[int]:
    """The numbers of the rows that are near-duplicates of an earlier row that is kept. `rows` is
    (number, text), ascending."""
    index = _NearDuplicateIndex(threshold)
    found = []
    for row, text in rows:
        if index.contains(text):
            found.append(row)
        else:
            index.add(text)
    return found


def resembling(
    rows: Iterable[tuple[int, str]], others: Iterable[str], threshold: float = NEAR
) -> set[int]:
    """The numbers of the rows that are near-duplicates of one of the other texts. Only the rows are
    held in memory. `rows` is (number, text)."""
    index = _NearDuplicateIndex(threshold)
    numbers: dict[int, list[int]] = {}
    for row, text in rows:
        numbers.setdefault(index.add(text), []).append(row)
    return {row for other in others for place in index.find(other) for row in numbers[place]}


def contaminated(
    rows: Iterable[tuple[int, str]], prompts: Iterable[str], threshold: float = NEAR
) -> list[int]:
    """The numbers of the rows that are near-duplicates of a prompt or share 13 words in a row with
    one. `rows` is (number, text), ascending; a row may come several times with several texts."""
    index = _NearDuplicateIndex(threshold)
    ngrams: set[str] = set()
    for prompt in prompts:
        index.add(prompt)
        ngrams.update(normalized(prompt).word_ngrams(WORDS))
    found = (
        row
        for row, text in rows
        if index.contains(text) or not ngrams.isdisjoint(normalized(text).word_ngrams(WORDS))
    )
    return list(dict.fromkeys(found))


def prompts_of(path: Path) -> Iterator[str]:
    """The prompts in a benchmark's file: JSONL or JSON records with usual keys, or lines of text.
    Raises UsageError for a file that cannot be read or has no prompt."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no text in UTF-8 (byte {error.start})") from error
    try:
        whole = json.loads(text)
    except ValueError:
        whole = None
    found = 0
    for record in whole if isinstance(whole, list) else text.splitlines():
        for prompt in _prompts(record if isinstance(whole, list) else _decoded(record)):
            if prompt.strip():
                found += 1
                yield prompt
    if not found:
        raise UsageError(
            f"{path} holds no prompts",
            hint=f"lines of text, or JSON records with one of {', '.join(_KEYS)}",
        )


def _decoded(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return line


def _prompts(record: Any) -> Iterator[str]:
    match record:
        case str():
            yield record
        case list():
            yield from (text for item in record for text in _prompts(item))
        case {"role": str(role), "content": str(text)} | {"from": str(role), "value": str(text)}:
            if role in ("user", "human"):
                yield text
        case dict():
            for key in _KEYS:
                if key in record:
                    yield from _prompts(record[key])


class _NearDuplicateIndex:
    """An index of texts that finds near-duplicates."""

    def __init__(self, threshold: float) -> None:
        with needs("dedupe", "finding near-duplicates"):
            from datasketch import MinHashLSH

        self._threshold = threshold
        self._places: dict[str, int] = {}
        self._texts: list[NormalizedText] = []
        self._lsh: Any = MinHashLSH(threshold=min(_CANDIDATE, threshold), num_perm=128)

    def add(self, text: str) -> int:
        """Adds the text, and returns its place. Texts that are equal in normalised form have one
        place."""
        new = normalized(text)
        if new.plain not in self._places:
            self._lsh.insert(len(self._texts), _minhash(new.ngrams))
            self._places[new.plain] = len(self._texts)
            self._texts.append(new)
        return self._places[new.plain]

    def contains(self, text: str) -> bool:
        """Whether the index has this text or a near-duplicate of it."""
        new = normalized(text)
        return new.plain in self._places or next(self._like(new), None) is not None

    def find(self, text: str) -> set[int]:
        """The places of this text and of its near-duplicates."""
        new = normalized(text)
        same = self._places.get(new.plain)
        return {*self._like(new)} | ({same} if same is not None else set())

    def _like(self, new: NormalizedText) -> Iterator[int]:
        """The places of the near-duplicates that the search finds."""
        ngrams = new.ngrams
        for place in self._lsh.query(_minhash(ngrams)):
            other = self._texts[place]
            if new.exact == other.exact and _jaccard(ngrams, other.ngrams) >= self._threshold:
                yield place


def _jaccard(some: set[str], others: set[str]) -> float:
    common = len(some & others)
    return common / (len(some) + len(others) - common)


def _minhash(ngrams: set[str]) -> Any:
    from datasketch import MinHash

    return MinHash.bulk([[piece.encode() for piece in ngrams]], num_perm=128)[0]
