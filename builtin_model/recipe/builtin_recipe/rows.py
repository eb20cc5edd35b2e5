"""Instructions that no generator wrote, with the domains that fit them, labelled by hand.

A hundred stand in `instructions.toml`, with ordinary answers. A hundred more are rows of a public
data set (`rows.toml`), of which only indices and labels are here. Those of `validation.toml` serve
to choose between models, and for no figure.
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent
_ROWS = 1100

_COMMON = frozenset(
    """
    what which with that this from into using used word words sentence given following find name
    generate provide rewrite identify change convert explain describe define term please create
    main type number does have they your find
    """.split()
)
"""Words of four letters and more that tell nothing of a row's topic."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """An instruction and an ordinary answer; `topic` are words of which one must come up."""

    instruction: str
    answer: str
    topic: list[str]
    domains: list[str]


@dataclass(frozen=True, slots=True)
class Written(Labelled):
    """One written by hand, with a system message to answer under and the format it asks for."""

    system: str
    format: str


def written() -> list[Written]:
    text = (_FOLDER / "instructions.toml").read_text(encoding="utf-8")
    return [Written(**entry) for entry in tomllib.loads(text)["instructions"]]


def for_choosing() -> list[Labelled]:
    """Instructions by which one of several models is taken; all have the same answer."""
    domains = tomllib.loads((_FOLDER / "validation.toml").read_text(encoding="utf-8"))["domains"]
    return [
        Labelled(text, "I can help you with that.", _telling(text), fitting)
        for text, fitting in domains.items()
    ]


def labels() -> dict[int, list[str]]:
    """Index of a row -> the domains that fit."""
    text = (_FOLDER / "rows.toml").read_text(encoding="utf-8")
    return {int(index): names for index, names in tomllib.loads(text)["domains"].items()}


def read(path: Path) -> list[Labelled]:
    """The labelled rows of the data set's file. ValueError where it is another one."""
    rows = json.loads(path.read_text(encoding="utf-8"))
    if len(rows) != _ROWS:
        raise ValueError(f"{path} has {len(rows)} rows, not {_ROWS}: it is another data set")
    return [_labelled(rows[index], domains) for index, domains in labels().items()]


def _labelled(row: dict[str, str], domains: list[str]) -> Labelled:
    instruction = "\n\n".join(part for part in (row["instruction"], row["input"]) if part)
    return Labelled(instruction, row["output"], _telling(instruction), domains)


def _telling(instruction: str) -> list[str]:
    """The words that can show the topic; all words where it has none of four letters."""
    words = re.findall(r"\w+", instruction.lower())
    return [w for w in words if len(w) > 3 and w not in _COMMON] or words
