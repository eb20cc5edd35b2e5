"""A benchmark run: a model answers the questions, a judge or rules grade them, scores are counted
as the benchmark's authors count.

Everything goes to one DuckDB file as it is done, under the fingerprints of its recipe: a run that
was stopped is taken up again, and one with another model, judge or option stands beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, get_args

from sysgen_local.core.counted import counted
from sysgen_local.core.errors import UsageError
from sysgen_local.core.sizes import BYTES_PER_TOKEN
from sysgen_local.engine.options import Options
from sysgen_local.engine.request import GREEDY, Sampling
from sysgen_local.evaluation.benchmarks.answer import Answer, History, SystemIn
from sysgen_local.evaluation.benchmarks.benchmark import Benchmark, BenchmarkName, load, need_golds
from sysgen_local.evaluation.benchmarks.instances import read_sources
from sysgen_local.evaluation.benchmarks.judging import (
    MultifacetJudge,
    SysBenchJudge,
)
from sysgen_local.evaluation.benchmarks.questions import PHASES, QuestionQueue, QuestionRecord
from sysgen_local.evaluation.benchmarks.read_judge import ReadingJudge
from sysgen_local.evaluation.benchmarks.rubrics import RubricJudge
from sysgen_local.models import Model
from sysgen_local.prompts import PromptSet, judge_prompt
from sysgen_local.report.status import StatusFile
from sysgen_local.running import executor
from sysgen_local.running.executor import Task
from sysgen_local.running.progress import Part, Progress, View
from sysgen_local.store.evaluation import Evaluation
from sysgen_local.workflows.models import find_model, model_facts
from sysgen_local.workflows.options import Given, one_of
from sysgen_local.workflows.preference import BUILTIN_JUDGE


@dataclass(frozen=True, slots=True)
class Setting:
    """How models are asked and graded. By default greedy, else as in the official settings."""

    sampling: Sampling = GREEDY
    seed: int = 0
    max_answer_tokens: int = 1024
    history: History = "own"
    system_in: SystemIn = "system"
    judge_sees_system: bool = False
    judge_prompt: Path | None = None
    max_judge_tokens: int = 1024


@dataclass(frozen=True, slots=True)
class BenchmarkRun:
    """One model, one judge and one benchmark. Models are named as in `find_model`. Where rules
    grade the answers, `judge` reads the phrases that no rule can test, if there are some."""

    benchmark: Benchmark
    model: str
    judge: str | None
    setting: Setting = field(default_factory=Setting)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The number of the grading run in the store, and every question with its results."""

    grading_run: int
    cases: list[QuestionRecord]


def run_benchmark(
    run: BenchmarkRun,
    store: Evaluation,
    views: Sequence[View],
    options: Options,
    *,
    retry_failed: bool = False,
    part: Part | None = None,
    announce: Callable[[str], None] = lambda line: None,
) -> Outcome | None:
    """Answers and grades all due questions and stores the scores; None if it was interrupted.
    `part`: which of several such runs this is.

    Raises UsageError for a model or file that cannot be used and for a missing judge, SysgenError
    where no question could be graded.
    """
    tasks = _tasks(run)
    answering, grading = tasks
    if grading.model and grading.model.name.split("+")[0] == "builtin":
        announce(BUILTIN_JUDGE)
    for note in run.benchmark.notes:
        announce(note)
    facts = {"benchmark": run.benchmark.name, "questions": run.benchmark.fingerprint}
    if run.benchmark.title:
        facts["questions_file"] = run.benchmark.title
    facts |= answering.facts
    answer_run = store.answer_run(
        run.benchmark.name, Task.of(facts), facts, older=Task.as_noted(facts, {})
    )
    grading_run = store.grading_run(
        answer_run, grading.fingerprint, grading.facts, older=grading.older
    )
    if retry_failed and (again := store.forget_failed(answer_run, grading_run)):
        announce(f"tried again: {counted(again, 'question')} that failed")
    queue = QuestionQueue(store, run.benchmark.questions, answer_run, grading_run)
    options = replace(options, longest=_longest(run))
    if not executor.run(tasks, queue, _progress(queue, part), views, options, announce=announce):
        return None
    cases = queue.records()
    scores = run.benchmark.score(cases)
    store.set_scores(grading_run, _flat(scores))
    return Outcome(grading_run, cases)


def evaluate(
    benchmark: BenchmarkName,
    questions: str | Path,
    *,
    model: str,
    judge: str | None = None,
    db: str | Path = "evaluation.duckdb",
    limit: int | None = None,
    sources: str | Path | None = None,
    retry_failed: bool = False,
    views: Sequence[View] = (),
    say: Callable[[str], None] = lambda line: None,
    **options: Any,
) -> dict[str, Any] | None:
    """The scores of a model on "sysbench", "multifacet", "advancedif", "ifeval", "multi-if" or
    "iheval", as the benchmark's authors count, or on "own", the items of a test set; None where the
    run was interrupted, which the same call takes up again.

    `questions` is the benchmark's file (`sources` Multifacet's table of sources), of which `limit`
    is how many are asked. `model` and `judge` are models by any name; without a judge the model
    grades itself. Rules grade all but the first three, and take no judge; of "own" a judge reads
    what no rule can test. Answers and grades are kept in `db`; `retry_failed` asks again where one
    failed. `options` are fields of `Sampling` (temperature, top_p), of `Setting` (seed, history,
    max_answer_tokens, ...) and of `engine.options.Options`.

    Raises UsageError for a file or model that cannot be used, SysgenError where no question could
    be graded, TypeError for an option that there is not.
    """
    one_of("benchmark", benchmark, get_args(BenchmarkName))
    given = Given(options)
    machine, sampling = given.take(Options), given.take(Sampling)
    setting = replace(given.take(Setting), sampling=sampling)
    given.end("evaluate")
    table = read_sources(Path(sources)) if sources else None
    loaded = load(benchmark, Path(questions), limit=limit, table=table)
    if judge is not None and not (loaded.needs_judge or loaded.reads):
        nothing = f", and {questions} has no phrase that a judge must read"
        raise UsageError(
            f"{benchmark} takes no judge: rules grade the answers{nothing * (benchmark == 'own')}",
            hint="leave --judge off",
        )
    with Evaluation.open(Path(db)) as store:
        found = run_benchmark(
            BenchmarkRun(loaded, model, (judge or model) if loaded.needs_judge else judge, setting),
            store,
            [StatusFile(Path(db)), *views],
            machine,
            retry_failed=retry_failed,
            announce=say,
        )
    return None if found is None else loaded.score(found.cases)


def _tasks(run: BenchmarkRun) -> tuple[Task, Task]:
    """The task of answering and the task of grading."""
    setting, benchmark = run.setting, run.benchmark
    model = find_model(run.model)
    if setting.history == "gold":
        need_golds(benchmark)
    answer = Answer(
        setting.sampling,
        setting.seed,
        setting.max_answer_tokens,
        setting.history,
        setting.system_in,
    )
    answering = Task(answer, model, answer.facts() | _identity("model", model))
    if benchmark.reads and run.judge is not None:
        reader = ReadingJudge(PromptSet.load("default"))
        judge = model if run.judge == run.model else find_model(run.judge)
        return answering, Task(reader, judge, reader.facts() | _identity("judge", judge))
    if benchmark.grader is not None:
        grader = benchmark.grader()
        return answering, Task(grader, None, grader.facts())
    if run.judge is None:
        raise UsageError(f"{benchmark.name} needs a judge, which grades the answers")
    judge = model if run.judge == run.model else find_model(run.judge)
    marker = _judge(run)
    return answering, Task(marker, judge, marker.facts() | _identity("judge", judge))


def _judge(run: BenchmarkRun) -> SysBenchJudge | MultifacetJudge | RubricJudge:
    setting = run.setting
    prompt = judge_prompt(run.benchmark.name, setting.judge_prompt)
    if run.benchmark.name == "advancedif":
        return RubricJudge(prompt)
    if run.benchmark.name == "sysbench":
        gold = setting.history == "gold"
        return SysBenchJudge(prompt, gold, setting.seed, setting.max_judge_tokens)
    sees = setting.judge_sees_system
    return MultifacetJudge(prompt, sees, setting.seed, setting.max_judge_tokens)


def _identity(role: str, model: Model) -> dict[str, str]:
    facts = model_facts(model)
    names = {"model": role, "model_file": f"{role}_file", "lora": f"{role}_lora"}
    return {names.get(name, name): of for name, of in facts.items()}


def _longest(run: BenchmarkRun) -> int:
    """An estimate of the tokens of the longest prompt with its answer: as if the model's earlier
    answers were as long as the dataset's."""
    setting = run.setting
    sizes = (
        sum(len(text.encode()) for text in (q.system, *chain(*q.earlier), *q.users, *q.golds))
        for q in run.benchmark.questions
    )
    replies = setting.max_judge_tokens if run.benchmark.needs_judge else 0
    return max(sizes) // BYTES_PER_TOKEN + setting.max_answer_tokens + replies


def _progress(queue: QuestionQueue, part: Part | None) -> Progress:
    cases = queue.records()
    progress = Progress(PHASES, rows=len(cases), part=part, end="judged")
    for case in cases:
        for phase, result in zip(PHASES, (case.answered, case.judged), strict=True):
            if result is not None and result.dropped:
                progress.phases[phase].dropped[result.dropped] += 1
            elif result is not None:
                progress.phases[phase].done += 1
    return progress


def _flat(scores: Mapping[str, Any], prefix: str = "") -> dict[str, float | None]:
    """Every number by its path, as `isr.dependent/aligned`."""
    flat: dict[str, float | None] = {}
    for name, value in scores.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        elif value is None or isinstance(value, int | float):
            flat[f"{prefix}{name}"] = value
    return flat
