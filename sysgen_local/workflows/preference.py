"""A judge on old against new answers, and on how well system messages are followed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sysgen_local.core.counted import counted
from sysgen_local.core.server import Server
from sysgen_local.core.sizes import BYTES_PER_TOKEN
from sysgen_local.engine.options import Options
from sysgen_local.evaluation.preference import PreferenceJudge, summary
from sysgen_local.prompts import PromptSet
from sysgen_local.running.executor import Task
from sysgen_local.running.executor import run as execute
from sysgen_local.running.progress import Progress, View
from sysgen_local.store import Store
from sysgen_local.workflows.models import find_model, license_facts, model_facts
from sysgen_local.workflows.options import Given

BESIDE_THE_ANSWERS = 1024
"""Tokens for the judge's prompt and its reply."""


@dataclass(frozen=True, slots=True)
class Preference:
    """`figures` are those of every judge that the store knows: win rates of new answers with
    intervals, and ratings, by dataset. `asked` rows were judged now, `left` rows need more memory
    than is free. `finished` is False where it was interrupted."""

    figures: list[dict[str, Any]]
    asked: int
    left: int
    finished: bool


BUILTIN_JUDGE = (
    "judge: builtin, a small demonstration model without knowledge: its verdicts show how this "
    "works, and nothing about the answers (--judge NAME)"
)


def judge(
    store: Store,
    judge: str | None = None,
    *,
    prompts: str | None = None,
    pairs: int = 100,
    aligned: int = 20,
    seed: int = 0,
    sources: Sequence[str] = (),
    retry_failed: bool = False,
    views: Sequence[View] = (),
    say: Callable[[str], None] = lambda line: None,
    **options: Any,
) -> Preference:
    """Asks a judge which answer serves the request better, the old or the new one, in both orders,
    and how well the new one follows its system message (the SysGen paper's figures 3 and 4).

    `prompts` is a prompt set, `retry_failed` asks again where no verdict came.
    `judge` is a model by any name (a server's address too), else the model that answered. `pairs`
    and `aligned` are rows of each dataset; `sources` names inputs or datasets. What a judge has
    said is kept in the store and not asked again. `options` are fields of
    `engine.options.Options`. Raises UsageError or SysgenError for a judge that cannot be used.
    """
    given = Given(options)
    machine = given.take(Options)
    given.end("judge")
    with store.narrowed(store.sources(sources) if sources else ()):
        task = _task(store, judge, prompts)
        if task.model and task.model.name.split("+")[0] == "builtin":
            say(BUILTIN_JUDGE)
        queue = store.judge_queue(
            task.fingerprint, task.facts, pairs=pairs, aligned=aligned, seed=seed, older=task.older
        )
        if retry_failed and (again := queue.forget_failed()):
            say(f"tried again: {counted(again, 'row')} that could not be judged")
        due = list(queue.due("judge"))
        finished = True
        if due:
            longest = max(len(p.system + p.instruction + p.old + p.new) for p in due)
            longest = longest // BYTES_PER_TOKEN + BESIDE_THE_ANSWERS
            progress = Progress(("judge",), rows=len(due), end="judged")
            machine = replace(machine, longest=longest)
            finished = execute([task], queue, progress, views, machine, announce=say)
        figures = summary(store.judgements())
        left = sum(1 for _ in queue.due("judge")) if finished else 0
    return Preference(figures, len(due), left, finished)


def _task(store: Store, judge: str | None, prompts: str | None) -> Task:
    answered = store.recipe("respond")
    model = find_model(judge or (answered.facts.get("model") if answered else None) or "builtin")
    entry = None if isinstance(model, Server) else model.entry
    used = PromptSet.load(prompts or (entry.prompts if entry else "default"))
    stage = PreferenceJudge.of(used)
    facts = {**stage.facts(), **model_facts(model), "prompt_set": used.name}
    facts |= license_facts(model)
    return Task(stage, model, facts)
