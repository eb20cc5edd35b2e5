"""`sysgen evaluate`: benchmarks for models, counted as their authors count."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sysgen_local.cli import options as opt
from sysgen_local.core import terminal
from sysgen_local.engine.options import Options

if TYPE_CHECKING:
    from sysgen_local.evaluation.benchmarks.benchmark import BenchmarkName
    from sysgen_local.workflows.benchmark import Setting

DATABASE = click.option(
    "--db",
    type=opt.PATH,
    default=Path("evaluation.duckdb"),
    show_default=True,
    help="The file that keeps answers and verdicts, of any models and judges.",
)
MODELS = [
    click.option("--model", metavar="NAME|FILE.gguf|URL", help="The model that is evaluated."),
    click.option(
        "--judge", metavar="NAME|FILE.gguf|URL", help="The model that judges.  [default: --model]"
    ),
]
ASKING = [
    click.option(
        "--system-in",
        type=click.Choice(["system", "user"]),
        default="system",
        show_default=True,
        help="Where the system message stands: in its role, or in the user turn.",
    ),
    click.option("--seed", type=int, default=0, metavar="N", help="Same seed, same answers."),
    click.option(
        "--temperature",
        type=click.FloatRange(0, 5),
        default=0.0,
        metavar="T",
        help="Of answers; 0 is greedy.  [default: 0]",
    ),
    click.option(
        "--top-p", type=click.FloatRange(0, 1), default=1.0, metavar="P", help="Nucleus; 1 is off."
    ),
    click.option(
        "--max-answer-tokens",
        type=click.IntRange(1),
        default=1024,
        show_default=True,
        metavar="N",
        help="Longest answer; one that is cut off is judged as it is.",
    ),
    click.option(
        "--max-judge-tokens",
        type=click.IntRange(1),
        default=1024,
        show_default=True,
        metavar="N",
        help="Longest reply of the judge.",
    ),
    click.option(
        "--retry-failed", is_flag=True, help="Ask again where an answer or a verdict failed."
    ),
]
JUDGE_PROMPT = click.option(
    "--judge-prompt", type=opt.PATH, help="Another prompt for the judge, in the shipped one's form."
)
LIMIT = click.option(
    "--limit", type=click.IntRange(1), metavar="N", help="Only the file's first N questions."
)


SHOWING = [
    click.option("--json", "as_json", is_flag=True, help="Every number in full precision."),
    click.option("-q", "--quiet", is_flag=True, help="No view of the work; only the scores."),
]
SOURCES = click.option(
    "--sources", type=opt.PATH, help="Table of source -> benchmark: .json, or .csv without heading."
)
SEES = click.option(
    "--judge-sees-system/--no-judge-sees-system",
    default=False,
    show_default=True,
    help="Show the judge the system message too; the official setting is no.",
)
HISTORY = click.option(
    "--history",
    type=click.Choice(["own", "gold"]),
    default="own",
    show_default=True,
    help="What later turns see: the model's own answers, or the dataset's.",
)


@click.group()
def evaluate() -> None:
    """How well a model follows system messages, by the benchmarks that the paper used.

    \b
    Example:
      sysgen evaluate sysbench dialogues.json --model mine.gguf --judge qwen2.5-7b
      sysgen evaluate multifacet bench.jsonl --model mine.gguf --judge qwen2.5-7b
    """


@evaluate.command()
@click.argument("dialogues", type=opt.PATH, required=False)
@HISTORY
@opt.options(MODELS, ASKING, [JUDGE_PROMPT, LIMIT], opt.MACHINE, SHOWING, database=DATABASE)
@click.option("--structure", type=opt.PATH, help="Score verdicts made elsewhere: what was judged.")
@click.option("--verdicts", type=opt.PATH, help="... and what was said of each criterion.")
def sysbench(
    dialogues: Path | None,
    structure: Path | None,
    verdicts: Path | None,
    as_json: bool,
    limit: int | None,
    **given: Any,
) -> int:
    """SysBench: dialogues of five turns under a system message, judged criterion by criterion.

    DIALOGUES is SysBench's own JSON, or JSONL of {"system_id", "system", "multi_turn":
    "dependent"|"parallel", "turns": [{"user", "alignment": "aligned"|"misaligned", "gold_answer",
    "criteria": [{"type", "text"}]}]}. CSR, ISR and SSR are counted as the official code does.
    A run that was stopped is taken up again by the same command.

    \b
    Examples:
      sysgen evaluate sysbench dialogues.json --model mine.gguf --judge qwen2.5-7b
      sysgen evaluate sysbench dialogues.json --model mine.gguf --history gold --json
      sysgen evaluate sysbench --structure structure.jsonl --verdicts verdicts.jsonl --json
    """
    from sysgen_local.report.benchmarks import sysbench_table

    if dialogues is None:
        from sysgen_local.evaluation.benchmarks.sysbench import score
        from sysgen_local.evaluation.benchmarks.verdicts import read_verdicts

        if structure is None or verdicts is None:
            raise click.UsageError("name DIALOGUES, or both --structure and --verdicts")
        scores = score(read_verdicts(structure, verdicts))
    else:
        if structure or verdicts:
            raise click.UsageError("--structure and --verdicts go without DIALOGUES")
        found = _examine("sysbench", dialogues, limit=limit, **given)
        if found is None:
            return 130
        scores = found
    _tell(scores, as_json, sysbench_table)
    return 0


@evaluate.command()
@click.argument("instances", type=opt.PATH, required=False)
@opt.options(
    MODELS, ASKING, [JUDGE_PROMPT, SEES, SOURCES, LIMIT], opt.MACHINE, SHOWING, database=DATABASE
)
@click.option("--replies", type=opt.PATH, help="Score judge's replies that were made elsewhere.")
def multifacet(
    instances: Path | None,
    replies: Path | None,
    sources: Path | None,
    as_json: bool,
    limit: int | None,
    **given: Any,
) -> int:
    """Multifacet: answers under unusual system messages, rated from 1 to 5 by four rubrics.

    INSTANCES is JSON or JSONL of {"source", "system", "prompt", "reference_answer", "rubrics":
    [{"criteria", "score_descriptions": {"1": ..., "5": ...}}]}. The average is over instances,
    each the mean of its rubrics. --replies takes a judge's replies (one a line, or by instance
    id) and reads them as the official parser does, and says where that would crash or count a
    score that is none of 1 to 5.

    \b
    Examples:
      sysgen evaluate multifacet bench.jsonl --model mine.gguf --judge qwen2.5-7b
      sysgen evaluate multifacet bench.jsonl --model mine.gguf --system-in user
      sysgen evaluate multifacet bench.jsonl --replies replies.json --json
    """
    from sysgen_local.evaluation.benchmarks.instances import read_sources
    from sysgen_local.report.benchmarks import multifacet_table

    if replies is not None:
        table = read_sources(sources) if sources else None
        scores = _replies(replies, instances, table)
    elif instances is None:
        raise click.UsageError("name INSTANCES, or --replies")
    else:
        found = _examine("multifacet", instances, limit=limit, sources=sources, **given)
        if found is None:
            return 130
        scores = found
    _tell(scores, as_json, multifacet_table)
    return 0


def _replies(path: Path, instances: Path | None, table: Mapping[str, str] | None) -> dict[str, Any]:
    from dataclasses import asdict

    from sysgen_local.evaluation.benchmarks.instances import read_instances, read_replies
    from sysgen_local.evaluation.benchmarks.multifacet import score

    found = read_replies(path, read_instances(instances) if instances else None)
    return {
        **score([rated for rated, _ in found], table),
        "replies": [
            {"id": rated.id, "rubric": number, **asdict(reply)}
            for rated, replies in found
            for number, reply in enumerate(replies, 1)
        ],
    }


def setting(
    *,
    temperature: float,
    top_p: float,
    judge_sees_system: bool = False,
    history: Any = "own",
    **given: Any,
) -> Setting:
    """The options of asking and judging as one thing."""
    from sysgen_local.engine.request import Sampling
    from sysgen_local.workflows.benchmark import Setting

    sampling = Sampling(temperature=temperature, top_p=top_p)
    return Setting(sampling=sampling, judge_sees_system=judge_sees_system, history=history, **given)


def _examine(
    benchmark: BenchmarkName,
    questions: Path,
    *,
    model: str | None,
    db: Path,
    quiet: bool,
    **given: Any,
) -> dict[str, Any] | None:
    """The benchmark's scores; None where the run was interrupted."""
    from sysgen_local.report.live import view_for
    from sysgen_local.workflows.benchmark import evaluate as run

    if model is None:
        raise click.UsageError("--model is missing: which model is to be evaluated?")
    view = view_for(sys.stderr, quiet=quiet)
    scores = run(benchmark, questions, model=model, db=db, views=[view], say=view.say, **given)
    if scores is None:
        click.echo("interrupted: the same command takes it up again", err=True)
        return None
    warn(scores)
    return scores


def warn(scores: Mapping[str, Any]) -> None:
    """Says what the numbers leave out."""
    from sysgen_local.evaluation.benchmarks.benchmark import unjudged

    of = scores["questions"]
    ways = []
    if of["failed"]:
        ways.append(
            "--retry-failed asks again, perhaps with a larger --context or --max-judge-tokens"
        )
    if of["pending"]:
        ways.append("the same command asks what is pending once more memory is free")
    if ways:
        click.echo(
            f"sysgen: the numbers are of {of['judged']:,} of {of['all']:,} questions; without "
            f"verdicts: {unjudged(of)}\n  -> {'; '.join(ways)}",
            err=True,
        )


def _tell(scores: dict[str, Any], as_json: bool, table: Any) -> None:
    if as_json:
        click.echo(terminal.json_text(scores))
        return
    terminal.console().print(table(scores))


@evaluate.command()
@click.argument("tasks", nargs=-1, required=True, metavar="TASK...")
@click.option("--model", required=True, metavar="NAME|FILE.gguf", help="The model to evaluate.")
@click.option(
    "--include",
    type=opt.FOLDER,
    help="A folder with tasks of your own.",
)
@click.option("--fewshot", type=click.IntRange(0), metavar="N", help="Examples in the prompt.")
@click.option(
    "--limit", type=click.IntRange(1), metavar="N", help="Only the first N rows of each task."
)
@click.option("--chat/--no-chat", default=False, help="Put prompts into the model's chat template.")
@click.option("-o", "--output", type=opt.PATH, help="Write all of it as JSON.")
@click.option("--json", "as_json", is_flag=True, help="Print all of it as JSON.")
@opt.options(opt.MACHINE, database=None)
@opt.taking(machine=Options)
def harness(
    tasks: tuple[str, ...],
    model: str,
    include: Path | None,
    fewshot: int | None,
    limit: int | None,
    chat: bool,
    output: Path | None,
    as_json: bool,
    machine: Options,
) -> None:
    """Unseen benchmarks: tasks of lm-evaluation-harness, to see that nothing else got worse.

    Needs the extra: pip install 'sysgen-local[harness]'. Tasks fetch their data from the Hugging
    Face hub, unless they bring their own as the one below.

    \b
    Examples:
      sysgen evaluate harness sysgen_opposites --include examples/harness --model builtin
      sysgen evaluate harness leaderboard_mmlu_pro --model mine.gguf --limit 200 -o after.json
    """
    from sysgen_local.core.extras import needs
    from sysgen_local.core.files import write
    from sysgen_local.models import check, resolve_file

    with needs("harness", "lm-evaluation-harness"):
        from sysgen_local.workflows import harness as runner
    found = resolve_file(model)
    check(found.path)
    results = runner.evaluate(
        found.path, tasks, machine, include=include, fewshot=fewshot,
        limit=limit, chat=chat,
    )  # fmt: skip
    text = json.dumps({"model": found.name, **results}, ensure_ascii=False, indent=1, default=str)
    if output is not None:
        write(output, f"{text}\n")
    if as_json:
        click.echo(text)
        return

    from sysgen_local.report.benchmarks import harness_table

    terminal.console().print(harness_table(results).rich())
