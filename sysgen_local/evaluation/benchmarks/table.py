"""The table of the benchmarks. A new one is a reader, a count of its scores, and a line here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from sysgen_local.evaluation.benchmarks import (
    advancedif,
    by_instruction,
    dialogues,
    files,
    ifeval,
    iheval,
    iheval_scores,
    instances,
    multi_if,
    multifacet,
    own,
    sysbench,
)
from sysgen_local.evaluation.benchmarks.by_rule import RuleGrader
from sysgen_local.evaluation.statistics import Units, multifacet_units, sysbench_units

BenchmarkName = Literal[
    "sysbench", "multifacet", "own", "ifeval", "multi-if", "iheval", "advancedif"
]

RuleStage = RuleGrader | by_instruction.InstructionGrader
"""A stage that grades answers by rule."""

Sources = Mapping[str, str] | None
"""Multifacet's table of source -> benchmark."""


class Counting(NamedTuple):
    """Computes the scores of graded questions, and prepares the same for the bootstrap."""

    score: Callable[[Sequence[Any]], dict[str, Any]]
    units: Callable[[Sequence[Any]], Units]


def _plain(
    score: Callable[[Sequence[Any]], dict[str, Any]], units: Callable[[Sequence[Any]], Units]
) -> Callable[[Sources], Counting]:
    """A count that no table of sources changes."""
    return lambda sources: Counting(score, units)


def _by_source(sources: Sources) -> Counting:
    return Counting(
        partial(multifacet.score, table=sources), partial(multifacet_units, table=sources)
    )


def _first(read: Callable[[Path], Sequence[Any]]) -> Callable[[Path, int | None], Sequence[Any]]:
    """Reads the first `limit` questions of a file."""
    return lambda path, limit: read(path)[:limit]


def _no_title(path: Path) -> str:
    return ""


def _name_of_file(path: Path) -> str:
    return re.sub(r"\.jsonl?(?:\.gz)?$", "", path.name, flags=re.IGNORECASE)


def _nothing_to_read(questions: Sequence[Any]) -> bool:
    return False


def _no_notes(path: Path) -> Iterable[str]:
    return ()


@dataclass(frozen=True, slots=True)
class Definition:
    """A benchmark: how its file is read (`limit`: how many questions), counted and graded.
    `shares`: all its metrics are shares, but for its `differences` of shares, so that each has an
    interval of its own.

    `published` is where its file is to be had. `title` names a file where there may be several.
    `grader` is the stage of rules; None where a judge grades. `reads` tells of questions that rules
    grade whether a judge can read more in them. `unreadable` says why a question
    cannot be graded, whatever is answered, and `notes` what of a file is not used.
    """

    read: Callable[[Path, int | None], Sequence[Any]]
    counting: Callable[[Sources], Counting]
    summary: Callable[[Mapping[str, Any]], dict[str, float | None]]
    grader: Callable[[], RuleStage] | None = None
    reads: Callable[[Sequence[Any]], bool] = _nothing_to_read
    published: str = ""
    fingerprint: Callable[[Path], str] = files.fingerprint
    title: Callable[[Path], str] = _no_title
    unreadable: Callable[[Any], str | None] | None = None
    notes: Callable[[Path], Iterable[str]] = _no_notes
    shares: bool = False
    differences: tuple[str, ...] = ()


TABLE: dict[BenchmarkName, Definition] = {
    "sysbench": Definition(
        _first(dialogues.read_dialogues),
        _plain(sysbench.score, sysbench_units),
        sysbench.summary,
        published="https://github.com/PKU-Baichuan-MLSystemLab/SysBench",
    ),
    "multifacet": Definition(
        _first(instances.read_instances),
        _by_source,
        multifacet.summary,
    ),
    "own": Definition(
        _first(own.read_items),
        _plain(own.score, own.units),
        own.summary,
        RuleGrader,
        own.to_be_read,
        title=_name_of_file,
        shares=True,
        differences=own.DROPS,
    ),
    "ifeval": Definition(
        _first(ifeval.read_items),
        _plain(ifeval.score, ifeval.units),
        ifeval.summary,
        by_instruction.ifeval_grader,
        published="https://huggingface.co/datasets/google/IFEval",
        shares=True,
        unreadable=by_instruction.unreadable,
    ),
    "multi-if": Definition(
        _first(multi_if.read_dialogues),
        _plain(multi_if.score, multi_if.units),
        multi_if.summary,
        by_instruction.multi_if_grader,
        published="https://huggingface.co/datasets/facebook/Multi-IF",
        unreadable=by_instruction.unreadable,
    ),
    "iheval": Definition(
        iheval.read_items,
        _plain(iheval_scores.score, iheval_scores.units),
        iheval_scores.summary,
        by_instruction.iheval_grader,
        published="https://github.com/ytyz1307zzh/IHEval",
        fingerprint=iheval.fingerprint,
        unreadable=by_instruction.unreadable,
        notes=iheval.notes,
    ),
    "advancedif": Definition(
        _first(advancedif.read_conversations),
        _plain(advancedif.score, advancedif.units),
        advancedif.summary,
        published="https://huggingface.co/datasets/facebook/AdvancedIF",
        shares=True,
    ),
}
