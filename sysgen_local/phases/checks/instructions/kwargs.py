"""Reads the parameters of an instruction ("kwargs"), as a benchmark's file has them.

The reference draws a parameter at random where one is missing or negative, and crashes where one
has another type. Here both are an `UnreadableError` with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

from sysgen_local.core.language import script_for

Relation = Literal["less than", "at least"]

Reader = Callable[[Any], Any]
"""The value of a parameter in the file -> what the rule takes. Raises UnreadableError."""


class UnreadableError(ValueError):
    """An instruction that cannot be checked. The text says why, without a full stop."""


def read(given: Mapping[str, Any], readers: Mapping[str, Reader]) -> dict[str, Any]:
    """The parameters by name. Null counts as missing, as in the published file, which has every
    parameter in every item. Raises UnreadableError for one that is missing, wrong or unknown."""
    there = {name: value for name, value in given.items() if value not in (None, "", [])}
    if unknown := sorted(there.keys() - readers.keys()):
        raise UnreadableError(f"{unknown[0]} is no parameter of it")
    found = {}
    for name, reader in readers.items():
        if name not in there:
            raise UnreadableError(f"{name} is missing, which the reference draws at random")
        try:
            found[name] = reader(there[name])
        except UnreadableError as error:
            raise UnreadableError(f"{name} {error}") from None
    return found


def number(value: Any) -> int:
    """A whole number from 0. A float without a fraction is one: some files have passed through a
    table."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int or value < 0:
        raise UnreadableError(f"is {value!r}, and no number from 0")
    return int(value)


def relation(value: Any) -> Relation:
    known: tuple[Relation, ...] = get_args(Relation)
    if value in known:
        return known[known.index(value)]
    raise UnreadableError(f"is {value!r}: {' or '.join(known)} is known")


def text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise UnreadableError(f"is {value!r}, and no text")
    return value


def sign(value: Any) -> str:
    """One character."""
    if len(text(value).strip()) != 1:
        raise UnreadableError(f"is {value!r}, and no single letter")
    return str(value)


def pattern(value: Any) -> str:
    """A text that the reference uses as a regular expression. One that does not compile, or that
    could take for ever, is refused: a file may come from anywhere."""
    found = text(value).strip()
    try:
        re.compile(found)
    except (re.error, RecursionError, OverflowError) as error:
        raise UnreadableError(
            f"is {value!r}, which the reference reads as a regular expression, and it is none: "
            f"{error}"
        ) from None
    bare = re.sub(r"\\.", "", found)
    repeats = len(re.findall(r"[*+{]\+?", bare))
    if repeats > 1 or (repeats and "(" in bare) or "(?" in bare or re.search(r"\\\d", found):
        raise UnreadableError(f"is {value!r}, a regular expression that may take too long")
    return str(value)


def stripped_pattern(value: Any) -> str:
    """As `pattern`, without the spaces around it."""
    return pattern(value).strip()


def patterns(value: Any) -> tuple[str, ...]:
    """A list of at least one text, each as in `pattern`."""
    if not isinstance(value, list | tuple) or not value:
        raise UnreadableError(f"is {value!r}, and no list of words")
    for of in value:
        pattern(of)
    return tuple(map(str, value))


def language(value: Any) -> str:
    """The code of a language that can be told from others."""
    code = text(value).strip()
    if script_for(code.split("-")[0]) is None:
        raise UnreadableError(f"is {value!r}, a language that no rule can tell")
    return code


def holds(count: int, relation: Relation, threshold: int) -> bool:
    return count < threshold if relation == "less than" else count >= threshold
