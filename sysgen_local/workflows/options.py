"""Options by name -> the objects that carry them: an option is named once, in its class."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from sysgen_local.core.errors import UsageError

T = TypeVar("T")


class Given:
    """Options by name, from keyword arguments or a command line. None means not given."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._left = {name: value for name, value in options.items() if value is not None}
        self._known: list[str] = []

    def take(self, kind: type[T]) -> T:
        """A dataclass of those options that are its fields; they are taken out. Raises UsageError
        for a value that its field's type does not allow."""
        names = [of.name for of in fields(kind)]  # type: ignore[arg-type]
        self._known += names
        given = {name: _plain(self._left.pop(name)) for name in names if name in self._left}
        try:
            return TypeAdapter(kind).validate_python(given)
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0])
            raise UsageError(f"{name} cannot be {given.get(name)!r}: {first['msg']}") from error

    def end(self, where: str) -> None:
        """Raises TypeError for an option that no class took."""
        for name in self._left:
            near = get_close_matches(name, self._known, 1)
            also = f": is {near[0]} meant?" if near else f"; known are {', '.join(self._known)}"
            raise TypeError(f"{where} has no option {name}{also}")


def _plain(value: object) -> object:
    """A path as text: models and prompt sets are named by text."""
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def one_of(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raises UsageError for a value that is none of these."""
    if value not in choices:
        raise UsageError(f"{name} cannot be {value!r}: it is one of {', '.join(choices)}")
