"""Rows that say the same as others: near-duplicates of earlier rows, and of benchmark prompts.

Near means a Jaccard similarity of their five-character pieces, estimated by MinHash (datasketch).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sysgen_local.errors import UsageError

NEAR = 0.8
"""From this similarity on, two texts count as the same."""

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
    """Of rows (number, text), ascending: those near a prompt, or with 13 words in a row of one."""
    near = _Near(threshold)
    runs: set[str] = set()
    for prompt in prompts:
        near.add(prompt)
        runs.update(_runs(prompt))
    return [row for row, text in rows if near.knows(text) or not runs.isdisjoint(_runs(text))]


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

        self._exact: set[str] = set()
        self._lsh = MinHashLSH(threshold=threshold, num_perm=128)

    def add(self, text: str) -> None:
        plain = _plain(text)
        if plain not in self._exact:
            self._lsh.insert(len(self._exact), _hashed(plain))
            self._exact.add(plain)

    def knows(self, text: str) -> bool:
        plain = _plain(text)
        return plain in self._exact or bool(self._lsh.query(_hashed(plain)))


def _hashed(plain: str) -> Any:
    from datasketch import MinHash

    pieces = {plain[i : i + 5].encode() for i in range(max(1, len(plain) - 4))}
    return MinHash.bulk([pieces], num_perm=128)[0]


def _plain(text: str) -> str:
    """Letters and digits in small, one space between words."""
    return " ".join(re.findall(r"\w+", text.lower()))


def _runs(text: str) -> Iterator[str]:
    words = _plain(text).split()
    return (" ".join(words[i : i + WORDS]) for i in range(len(words) - WORDS + 1))
