"""Names for what is meant to be shared: the report page and the dataset card.

They have no absolute path and no address of a server. A file or folder of this machine is named by
the last part of its path and by the start of the hash of its content, a model behind servers by its
name there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from typing import NamedTuple

from sysgen_local.core.adapters import Adapter, split_last
from sysgen_local.store import LineageEntry, SourceFile

_DIGITS = 12
_MOST_FILES = 3
_STRING = re.compile(r"'((?:[^']|'')*)'")
_PROMPTS = ("prompts", "respond", "demonstrations", "prefer")
"""The fact with the hash of the prompts: in the recipe of phases with one prompt, of `check`, of
`filter`, and of a judge."""


def public_name(name: str, digest: str = "", lora: str = "") -> str:
    """The last part of an absolute path, and the first 12 digits of `digest`, the hash of the
    content, in brackets. Of addresses with a model, http://HOST:PORT/v1#MODEL, the model. Every
    other name (of the catalogue, relative) as it is. `lora` is that fact of a recipe whose model
    has LoRA adapters: then each part of the name is named so."""
    if lora:
        digests = _digests(lora)
        base, adapters = split_last(name, len(digests))
        return "+".join([public_name(base, digest), *map(public_name, adapters, digests)])
    if name.startswith(("http://", "https://")) and "#" in name:
        model = name.split(",")[0].partition("#")[2]
        served = _absolute(model)
        return served.name if served else model
    path = _absolute(name)
    if path is None:
        return name
    return _with_hash(path.name or path.anchor, digest)


def public_facts(facts: Mapping[str, str]) -> dict[str, str]:
    """The facts of a recipe, in which the model, the judge and the prompt set have public names,
    and `lora` has those of the adapters in place of their whole hashes."""
    prompts = next((facts[name] for name in _PROMPTS if name in facts), "")
    model, lora = facts.get("model_file", ""), facts.get("lora", "")
    named = {
        name: public_name(facts[name], model, lora) for name in ("model", "judge") if name in facts
    }
    if "prompt_set" in facts:
        named["prompt_set"] = public_name(facts["prompt_set"], prompts)
    if lora:
        named["lora"] = " and ".join(map(str, model_parts(facts)[1]))
    return {**facts, **named}


class PublicAdapter(NamedTuple):
    """The public name of a LoRA adapter, and its scale."""

    name: str
    scale: float

    def __str__(self) -> str:
        return f"{self.name} at scale {self.scale:g}"


def model_parts(facts: Mapping[str, str]) -> tuple[str, list[PublicAdapter]]:
    """The public name of the GGUF, or of the server's model, in a recipe, and its adapters."""
    digests = _digests(facts.get("lora", ""))
    base, texts = split_last(facts.get("model", "unknown"), len(digests))
    adapters = []
    for text, digest in zip(texts, digests, strict=True):
        adapter = Adapter.parse(text)
        adapters.append(PublicAdapter(public_name(str(adapter.path), digest), adapter.scale))
    return public_name(base, facts.get("model_file", "")), adapters


def _digests(lora: str) -> list[str]:
    """The hashes of the adapters in that fact of a recipe, `HASH=SCALE` of each."""
    return [of.partition("=")[0] for of in lora.split()]


def source_names(files: Sequence[SourceFile]) -> dict[str, str]:
    """Path -> public name of every source, with a hash only where two sources have the same name
    otherwise."""
    names = Counter(public_name(of.path) for of in files)
    return {
        of.path: public_name(of.path, of.fingerprint if names[public_name(of.path)] > 1 else "")
        for of in files
    }


def files_of(dataset: str, files: Sequence[SourceFile]) -> list[str]:
    """The first files of a dataset, each with the start of the hash of its content, and how many
    more there are."""
    found = [of for of in files if of.dataset == dataset]
    named = []
    for of in found[:_MOST_FILES]:
        public = public_name(of.path, of.fingerprint)
        named.append(_with_hash(of.path, of.fingerprint) if public == of.path else public)
    more = len(found) - _MOST_FILES
    return [*named, f"and {more:,} more"] if more > 0 else named


def public_lineage(
    lineage: Sequence[LineageEntry], files: Sequence[SourceFile]
) -> list[LineageEntry]:
    """The lineage without absolute paths."""
    names = source_names(files)
    return [replace(part, dataset=names.get(part.dataset, part.dataset)) for part in lineage]


def public_condition(where: str, names: Mapping[str, str]) -> str:
    """An SQL condition in which the strings that are absolute paths have public names. `names` are
    those of the sources."""

    def named(match: re.Match[str]) -> str:
        text = match[1]
        path = _absolute(text)
        short = path is None or len(path.parts) < 3  # such as '/help', which a row may begin with
        if short and text not in names:
            return match[0]
        return f"'{names.get(text, public_name(text))}'"

    return _STRING.sub(named, where)


def _with_hash(name: str, digest: str) -> str:
    """The name with the first 12 digits of the hash in brackets."""
    return f"{name} ({digest[:_DIGITS]})" if digest else name


def _absolute(name: str) -> PurePath | None:
    """The absolute path, of this system or of Windows; None for every other name."""
    paths: tuple[PurePath, ...] = (PurePosixPath(name), PureWindowsPath(name))
    return next((path for path in paths if path.is_absolute()), None)
