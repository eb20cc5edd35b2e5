"""LoRA adapters behind the name of a model: `MODEL+FILE.gguf[=SCALE]`, repeated for several."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from sysgen_local.core.errors import UsageError

_ADAPTER = re.compile(r"(?P<file>.*\.gguf)(=(?P<scale>.*))?", re.IGNORECASE | re.DOTALL)
_WRITE = "write MODEL+FILE.gguf, or MODEL+FILE.gguf=SCALE with a number such as 0.5"


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA adapter (Hu et al., arXiv 2106.09685) as a GGUF file, and the factor that its change
    of the weights is multiplied by: 1 as it was trained, 0 as if it was not there."""

    path: Path
    scale: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Adapter:
        """`FILE.gguf[=SCALE]`. Raises UsageError for a file of another name and for a scale that is
        no finite number."""
        found = _ADAPTER.fullmatch(text)
        if found is None or found["file"].lower() == ".gguf":
            raise UsageError(f"{text!r} is not the name of a LoRA adapter (.gguf)", hint=_WRITE)
        if found["scale"] is None:
            return cls(Path(found["file"]).expanduser())
        scale = _number(found["scale"])
        if scale is None or not math.isfinite(scale):
            raise UsageError(
                f"{found['scale']!r} is no scale of the adapter {found['file']}", hint=_WRITE
            )
        return cls(Path(found["file"]).expanduser(), scale)

    def __str__(self) -> str:
        """What `parse` takes to find this adapter again."""
        return f"{self.path}{self._suffix}"

    @property
    def name(self) -> str:
        """The name of the file without its folder, and the scale unless it is 1."""
        return f"{self.path.name}{self._suffix}"

    @property
    def title(self) -> str:
        """The name of the file without its folder, and the scale, in words."""
        return f"{self.path.name} at scale {self.scale:g}"

    @property
    def spelling(self) -> str:
        """The same, from any folder."""
        return f"{self.path.absolute()}{self._suffix}"

    @property
    def _suffix(self) -> str:
        """`=SCALE`; empty for 1. It has no `+`, which would begin another adapter."""
        if self.scale == 1:
            return ""
        return f"={self.scale!r}".removesuffix(".0").replace("e+", "e")


def joined(model: str, adapters: Iterable[str]) -> str:
    """The name of the model with these adapters, `FILE.gguf[=SCALE]` each, behind it. Raises
    UsageError as `Adapter.parse` does."""
    texts = list(adapters)
    for text in texts:
        Adapter.parse(text)
    return "+".join([model, *texts])


def split(
    name: str, is_model: Callable[[str], bool] = lambda name: Path(name).expanduser().exists()
) -> tuple[str, tuple[Adapter, ...]]:
    """A name -> the model without its adapters, and the adapters in their order.

    The longest beginning that `is_model` accepts is the model, so a file or a folder may have a `+`
    in its own name. Where it accepts none, the model ends at the first `+`. Raises UsageError for
    what is behind the model and no adapter.
    """
    parts = name.split("+")
    ends = range(len(parts), 0, -1)
    end = next((end for end in ends if is_model("+".join(parts[:end]))), 1)
    return "+".join(parts[:end]), tuple(map(Adapter.parse, _files(parts[end:])))


def split_last(name: str, number: int) -> tuple[str, list[str]]:
    """The name before its last `number` adapters, and these as they are written. No file is looked
    at: for names that may be of another machine."""
    texts = _files(name.split("+")[1:])[-number:] if number else []
    return name.removesuffix("".join(f"+{text}" for text in texts)), texts


def label_end(text: str) -> int:
    """Where the label of `LABEL=MODEL` ends: the index of its `=`, -1 where there is no label. The
    `=` in front of the scale of an adapter ends none."""
    at = text.rfind("=")
    while at >= 0 and _is_scale(text, at):
        at = text.rfind("=", 0, at)
    return at


def _is_scale(text: str, at: int) -> bool:
    """Whether the `=` at this index stands between an adapter's file and its scale."""
    before, after = text[:at], text[at + 1 :].partition("+")[0]
    behind_file = before.lower().endswith(".gguf") and "+" in before
    return behind_file and _number(after) is not None


def _files(parts: Iterable[str]) -> list[str]:
    """The adapters of parts between `+` signs. One that does not end as an adapter is the beginning
    of a path with a `+` in it."""
    files: list[str] = []
    begun: list[str] = []
    for part in parts:
        begun.append(part)
        if _ADAPTER.fullmatch(part):
            files.append("+".join(begun))
            begun = []
    return [*files, "+".join(begun)] if begun else files


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
