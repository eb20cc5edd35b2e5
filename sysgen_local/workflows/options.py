"""Options by name -> the objects that carry them: an option is named once, in its class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, TypeVar

T = TypeVar("T")


class Given:
    """Options by name, from keyword arguments or a command line. None means not given."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._left = {name: value for name, value in options.items() if value is not None}
        self._known: list[str] = []

    def take(self, kind: type[T]) -> T:
        """A dataclass of those options that are its fields; they are taken out."""
        names = [of.name for of in fields(kind)]  # type: ignore[arg-type]
        self._known += names
        return kind(**{name: self._left.pop(name) for name in names if name in self._left})

    def end(self, where: str) -> None:
        """Raises TypeError for an option that no class took."""
        for name in self._left:
            near = get_close_matches(name, self._known, 1)
            also = f": is {near[0]} meant?" if near else f"; known are {', '.join(self._known)}"
            raise TypeError(f"{where} has no option {name}{also}")
