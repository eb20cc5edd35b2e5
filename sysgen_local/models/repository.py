"""The GGUF files of a hub repository: which quantisations there are, and which one a name means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple

from sysgen_local.core.gguf_parts import PART


class RepositoryFile(NamedTuple):
    """A file of a repository: its path in it, and its size in bytes (0: the hub does not say)."""

    name: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class Gguf:
    """A whole GGUF of a repository: one file, or all parts of a split one in their order. `quant`
    is the quantisation in its name, in lower case; None where the name has none."""

    quant: str | None
    files: tuple[RepositoryFile, ...]

    @property
    def name(self) -> str:
        """The path of the file that is loaded: the only one, or the first part."""
        return self.files[0].name

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        return sum(file.size for file in self.files)


PREFERRED = (
    "q4_k_m", "q4_k_l", "ud-q4_k_xl", "q4_k_xl", "q4_k_s", "iq4_nl", "iq4_xs", "q4_1", "q4_0",
    "mxfp4", "mxfp4_moe", "q5_k_m", "q5_k_l", "q5_k_s", "q5_1", "q5_0", "q6_k", "q8_0",
)  # fmt: skip
"""Quantisations that are taken where none is named, the best choice first: four bits, then more.
With fewer bits models lose much, and with 16 they need twice the memory of q8_0: those are only
taken by name, or where there is nothing else."""

_QUANT = re.compile(
    r"(?<![A-Za-z0-9])((?:UD-)?I?Q[1-8](?:_[A-Z0-9]{1,3})*|TQ[12]_0|MXFP4(?:_MOE)?|NVFP4"
    r"|BF16|FP?16|FP?32)(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_SAFE = re.compile(r"(?!/)(?!.*(^|/)\.\.(/|$))[^\x00-\x1f\x7f-\x9f\\]+\.gguf", re.IGNORECASE)
"""Paths that stay inside the repository's folder, without control characters."""

_ACCESSORY = re.compile(r"(^|[-._])(mmproj|imatrix)([-._]|$)", re.IGNORECASE)
"""In names of GGUFs that are no language model: image encoders, statistics for quantisation."""


def ggufs(files: Iterable[RepositoryFile]) -> list[Gguf]:
    """The whole GGUFs among these files, sorted by name. Sets of parts that are not complete, and
    accessories of models, are left out."""
    whole: list[Gguf] = []
    parts: dict[tuple[str, str], list[RepositoryFile]] = {}
    for file in sorted(files):
        if not _SAFE.fullmatch(file.name) or _ACCESSORY.search(_stem(file.name)):
            continue
        if found := PART.fullmatch(file.name):
            parts.setdefault((found["stem"], found["count"]), []).append(file)
        else:
            whole.append(Gguf(quant_of(file.name), (file,)))
    for (_, count), members in parts.items():
        if len(members) == int(count):
            whole.append(Gguf(quant_of(members[0].name), tuple(members)))
    return sorted(whole, key=lambda gguf: gguf.name)


def quant_of(name: str) -> str | None:
    """The quantisation in the name of a GGUF or of its folder, in lower case: the last one that is
    there, since models have names too (`Qwen3-8B-UD-Q4_K_XL.gguf` -> `ud-q4_k_xl`)."""
    for part in (_stem(name), PurePosixPath(name).parent.name):
        if found := _QUANT.findall(part):
            return str(found[-1]).lower()
    return None


def named(found: Sequence[Gguf], quant: str | None, file: str | None) -> list[Gguf]:
    """The GGUFs that a name means: those with this file (any part), else with this quantisation,
    else all."""
    if file is not None:
        return [gguf for gguf in found if any(file == part.name for part in gguf.files)]
    if quant is None:
        return list(found)
    wanted = quant.lower()
    exact = [gguf for gguf in found if gguf.quant == wanted]
    return exact or [gguf for gguf in found if gguf.quant == f"ud-{wanted}"]


def preferred(found: Sequence[Gguf]) -> Gguf | None:
    """The only one of them, else that of the best quantisation by PREFERRED; None where there is no
    clear choice."""
    if len(found) == 1:
        return found[0]
    for quant in PREFERRED:
        if of_quant := [gguf for gguf in found if gguf.quant == quant]:
            return of_quant[0] if len(of_quant) == 1 else None
    return None


def _stem(name: str) -> str:
    base = PurePosixPath(name).name
    found = PART.fullmatch(base)
    return found["stem"] if found else base[: -len(".gguf")]
