"""Rows that say the same as others: near-duplicates of earlier rows, and of benchmark prompts.

Near means a Jaccard similarity of their five-character ngrams, over texts with the same numbers and
operators in the same order: one sign makes another problem, however much is alike around it.
MinHash (datasketch) finds the candidates, and each is compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sysgen_local.core.errors import UsageError
from sysgen_local.export.normalized import NormalizedText, normalized

NEAR = 0.8
"""From this similarity on, two texts count as the same."""

_CANDIDATE = 0.65
"""What MinHash is asked for: its estimate is off by a tenth now and then."""

WORDS = 13
"""A run of so many words in common is contamination (the length GPT-3's authors chose)."""

_KEYS = ("prompt", "instruction", "question", "query", "problem", "input", "text", "turns",
         "messages", "conversations")  # fmt: skip


def duplicates(rows: Iterable[tuple[int, str]], threshold: float = NEAR) -> list[int]:
    """Of rows (number, text), ascending: those that are near an earlier one that stays."""
    near = _Near(threshold)
    found = []
    for row, text in rows:
        if near.knows(text):
            found.append(row)
        else:
            near.add(text)
    return found


def contaminated(
    rows: Iterable[tuple[int, str]], prompts: Iterable[str], threshold: float = NEAR
) -> list[int]:
    """Of rows (number, text), ascending: those near a prompt, or with 13 words in a row of one.
    A row may come several times, with another text each time."""
    near = _Near(threshold)
    ngrams: set[str] = set()
    for prompt in prompts:
        near.add(prompt)
        ngrams.update(normalized(prompt).word_ngrams(WORDS))
    found = (
        row
        for row, text in rows
        if near.knows(text) or not ngrams.isdisjoint(normalized(text).word_ngrams(WORDS))
    )
    return list(dict.fromkeys(found))


def prompts_of(path: Path) -> Iterator[str]:
    """The prompts in a benchmark's file: JSONL or JSON records by their usual keys, else lines."""
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


class _Near:
    """A set of texts that knows those near them."""

    def __init__(self, threshold: float) -> None:
        from datasketch import MinHashLSH

        self._threshold = threshold
        self._exactly: set[str] = set()
        self._texts: list[NormalizedText] = []
        self._lsh: Any = MinHashLSH(threshold=min(_CANDIDATE, threshold), num_perm=128)

    def add(self, text: str) -> None:
        new = normalized(text)
        if new.plain not in self._exactly:
            self._lsh.insert(len(self._texts), _hashed(new.ngrams))
            self._texts.append(new)
            self._exactly.add(new.plain)

    def knows(self, text: str) -> bool:
        new = normalized(text)
        if new.plain in self._exactly:
            return True
        ngrams = new.ngrams
        candidates = (self._texts[i] for i in self._lsh.query(_hashed(ngrams)))
        return any(
            new.exact == other.exact and _jaccard(ngrams, other.ngrams) >= self._threshold
            for other in candidates
        )


def _jaccard(some: set[str], others: set[str]) -> float:
    common = len(some & others)
    return common / (len(some) + len(others) - common)


def _hashed(ngrams: set[str]) -> Any:
    from datasketch import MinHash

    return MinHash.bulk([[piece.encode() for piece in ngrams]], num_perm=128)[0]
