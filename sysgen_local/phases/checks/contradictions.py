"""Finds two demands that no answer can meet together, where a rule can tell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations

from sysgen_local.phases.checks.amounts import Range
from sysgen_local.phases.checks.countable import Demand

_EXACTLY = re.compile(r"exactly (\d+) ")
_LIMIT = re.compile(r"(at most|at least) (\d+) ")
_BETWEEN = re.compile(r"(\d+) to (\d+) ")

_COUNTED = ("sentences", "words", "characters", "paragraphs", "lines", "items")
_LISTS = frozenset({"numbered list", "bullets", "items", "list"})
_STRUCTURED = _LISTS | {"table", "headings", "sections"}
_SHORT = frozenset({"one word", "one letter", "number only"})
"""An answer that is only this has no other part."""

_ONE_ONLY = ("language", "first words", "last words")
"""Kinds of which an answer can meet one demand, if both say what must be there."""

_FORBIDDEN = {
    "no lists": _LISTS,
    "no bullet points": frozenset({"bullets"}),
    "no numbered lists": frozenset({"numbered list"}),
    "no tables": frozenset({"table"}),
    "no headings": frozenset({"headings"}),
    "no code": frozenset({"code"}),
    "no emojis": frozenset({"emojis"}),
    "no capital letters": frozenset({"upper case"}),
    "no Markdown": _LISTS | {"table", "headings", "markdown", "bold"},
}
"""Text of a prohibition -> the kinds of demand that it excludes."""


def contradiction(demands: Sequence[Demand]) -> tuple[Demand, Demand] | None:
    """The first two demands that contradict one another; None if a rule sees none."""
    for one, other in combinations(demands, 2):
        if _excludes(one, other) or _excludes(other, one):
            return one, other
    return None


def _excludes(one: Demand, other: Demand) -> bool:
    if one.kind == other.kind:
        return _of_one_kind(one, other)
    if other.kind in _FORBIDDEN.get(one.text, ()):
        return True
    if one.kind == "lower case":
        return other.kind == "upper case"
    if one.kind in _SHORT:
        return other.kind in _STRUCTURED | _SHORT or _least(other) > 1
    if one.kind == "json" and one.text.startswith("only"):
        return other.kind in _STRUCTURED | {"first words", "last words"}
    if one.kind == "avoid words":
        return one.text.removeprefix("does not use ") == other.text.removeprefix("uses ")
    return one.text == "exactly 1 sentence" and other.kind in _STRUCTURED


def _of_one_kind(one: Demand, other: Demand) -> bool:
    """Whether two demands of one kind ask for different amounts, languages or words."""
    if one.kind in _COUNTED:
        some, others = _range(one.text), _range(other.text)
        return some is not None and others is not None and not _overlap(some, others)
    return one.kind in _ONE_ONLY and "does not" not in one.text + other.text


def _least(demand: Demand) -> int:
    found = _range(demand.text) if demand.kind in _COUNTED else None
    return found.low if found else 0


def _range(text: str) -> Range | None:
    """The range in the text of a demand."""
    if match := _EXACTLY.match(text):
        return Range(int(match[1]), int(match[1]))
    if match := _BETWEEN.match(text):
        return Range(int(match[1]), int(match[2]))
    if match := _LIMIT.match(text):
        number = int(match[2])
        return Range(0, number) if match[1] == "at most" else Range(number, None)
    return None


def _overlap(some: Range, others: Range) -> bool:
    return (some.high is None or others.low <= some.high) and (
        others.high is None or some.low <= others.high
    )
