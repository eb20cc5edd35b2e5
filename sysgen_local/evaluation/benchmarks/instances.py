"""Reads Multifacet's files: instances, replies of an external judge, a table of sources."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from sysgen_local.core.errors import UsageError
from sysgen_local.evaluation.benchmarks.files import (
    LocatedValue,
    checked,
    entries,
    load,
    text_of,
    unique,
)
from sysgen_local.evaluation.benchmarks.multifacet import Rated, Reply, parse
from sysgen_local.evaluation.benchmarks.verdicts import Identity

_HINT = (
    'an instance is {"source": ..., "system": ..., "prompt": ..., "reference_answer": ..., '
    '"rubrics": [{"criteria": ..., "score_descriptions": {"1": ..., "5": ...}}]}'
)
_REPLIES = ("replies", "judge_outputs_in_order", "outputs")
_TEXT = ("reply", "output", "input", "text")


class Rubric(BaseModel):
    model_config = ConfigDict(extra="ignore")

    criteria: str = Field(min_length=1)
    score_descriptions: dict[str, str] = Field(min_length=1)


class Instance(BaseModel):
    """One task. If it has no id, its id is its index in the file, from 0."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    id: Identity = ""
    source: str
    system: str
    prompt: str
    reference_answer: str
    rubrics: list[Rubric] = Field(min_length=1, validation_alias=AliasChoices("rubrics", "rubric"))

    @property
    def users(self) -> tuple[str, ...]:
        return (self.prompt,)

    @property
    def golds(self) -> tuple[str, ...]:
        return (self.reference_answer,)

    @property
    def earlier(self) -> tuple[tuple[str, str], ...]:
        return ()

    def judged(self, marks: tuple[tuple[str, ...], ...]) -> Rated:
        """The instance with these scores, one for each rubric."""
        return Rated(self.id, self.source, tuple(int(score) for (score,) in marks))


def read_instances(path: Path) -> list[Instance]:
    """All instances of a file. Raises UsageError with the place if a field is missing."""
    found = _instances(entries(path), path)
    instances = [checked(Instance, entry, hint=_HINT) for entry in found]
    if not instances:
        raise UsageError(f"{path} holds no instance", hint=_HINT)
    instances = [
        instance if instance.id else instance.model_copy(update={"id": str(i)})
        for i, instance in enumerate(instances)
    ]
    places = [entry.where for entry in found]
    unique(list(zip([i.id for i in instances], places, strict=True)), "instance")
    return instances


def read_replies(
    path: Path, instances: Sequence[Instance] | None
) -> list[tuple[Rated, list[Reply]]]:
    """Replies of an external judge for each instance, parsed as the official code does.

    A reply is a text, or an object with the text as reply, output, input or text. Without `id`s the
    replies are in the order of the instances' rubrics. Without instances (the file can have its own
    under "instances") each reply is a separate instance. Raises UsageError.
    """
    whole = load(path)
    if isinstance(whole, dict) and "instances" in whole and instances is None:
        own = whole["instances"]
        listed = own if isinstance(own, list) else [own]
        rows = [LocatedValue(value, f"{path}, instance {i}") for i, value in enumerate(listed, 1)]
        instances = [checked(Instance, row, hint=_HINT) for row in rows]
    if isinstance(whole, dict):
        name = next((name for name in _REPLIES if name in whole), None)
        whole = whole[name] if name else whole
    if isinstance(whole, dict):
        return _by_id(path, whole, instances)
    if not isinstance(whole, list) or not whole:
        raise UsageError(f"{path} holds no replies", hint="give a JSONL file with a reply a line")
    if all(isinstance(entry, dict) and "id" in entry for entry in whole):
        grouped: dict[str, list[Any]] = {}
        for entry in whole:
            replies = grouped.setdefault(str(entry["id"]), [])
            several = next((entry[name] for name in _REPLIES if name in entry), None)
            replies.extend(several if isinstance(several, list) else [entry])
        return _by_id(path, grouped, instances)
    if instances is None:
        return [_rated(str(i), "", [reply]) for i, reply in enumerate(whole)]
    return _in_order(path, whole, instances)


def _by_id(
    path: Path, grouped: Mapping[str, Any], instances: Sequence[Instance] | None
) -> list[tuple[Rated, list[Reply]]]:
    known = {instance.id: instance for instance in instances or ()}
    if instances is not None:
        for name in grouped:
            if name not in known:
                raise UsageError(f"{path}: instance {name} is not among the instances")
        for name, instance in known.items():
            replies = grouped.get(name, [])
            if not isinstance(replies, list) or len(replies) != len(instance.rubrics):
                count = len(replies) if isinstance(replies, list) else 1
                raise UsageError(
                    f"{path}: {count} replies for the {len(instance.rubrics)} rubrics of "
                    f"instance {name}"
                )
    rated = []
    for name in known or grouped:
        replies = grouped[name]
        source = known[name].source if name in known else ""
        rated.append(_rated(name, source, replies if isinstance(replies, list) else [replies]))
    return rated


def _in_order(
    path: Path, replies: Sequence[Any], instances: Sequence[Instance]
) -> list[tuple[Rated, list[Reply]]]:
    rubrics = sum(len(instance.rubrics) for instance in instances)
    if len(replies) != rubrics:
        raise UsageError(f"{path}: {len(replies)} replies for {rubrics} rubrics")
    rest = iter(replies)
    return [
        _rated(instance.id or str(i), instance.source, [next(rest) for _ in instance.rubrics])
        for i, instance in enumerate(instances)
    ]


def _rated(name: str, source: str, raw: Sequence[Any]) -> tuple[Rated, list[Reply]]:
    replies = [parse(_text(reply)) for reply in raw]
    return Rated(name, source, tuple(reply.score for reply in replies)), replies


def _text(reply: Any) -> Any:
    if isinstance(reply, dict):
        return next((reply[name] for name in _TEXT if name in reply), None)
    return reply


def _instances(found: list[LocatedValue], path: Path) -> list[LocatedValue]:
    """The instances of a file that has them under "instances" or by their ids."""
    if len(found) != 1 or not isinstance(found[0].value, dict) or "prompt" in found[0].value:
        return found
    inside = found[0].value.get("instances", found[0].value)
    if isinstance(inside, list):
        return [LocatedValue(value, f"{path}, instance {i}") for i, value in enumerate(inside, 1)]
    return [
        LocatedValue({"id": name, **value} if isinstance(value, dict) else value, f"{path}, {name}")
        for name, value in inside.items()
    ]


def read_sources(path: Path) -> dict[str, str]:
    """A table source -> benchmark: a JSON object, or CSV with two columns and no heading."""
    if path.suffix.lower() == ".json":
        table = load(path)
    else:
        rows = [row for row in csv.reader(io.StringIO(text_of(path))) if row]
        if wrong := next((row for row in rows if len(row) != 2), None):
            raise UsageError(f"{path}: {','.join(wrong)}: a row is source,benchmark")
        table = dict(rows)
    if not isinstance(table, dict) or not all(isinstance(v, str) for v in table.values()):
        raise UsageError(f"{path} is no table", hint='write {"source": "benchmark", ...}')
    return table
