"""`sysgen evaluate`: runs benchmarks and scores them as the official code of each does."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sysgen_local.cli import completion, hardware, values
from sysgen_local.cli import options as opt
from sysgen_local.cli.harness import harness
from sysgen_local.core import terminal

if TYPE_CHECKING:
    from sysgen_local.evaluation.benchmarks.benchmark import BenchmarkName

QUESTIONS = values.file(".json", ".jsonl", ".json.gz", ".jsonl.gz")
"""A file with the questions of a benchmark, or with verdicts or replies about them."""
DATABASE = click.option(
    "--db",
    type=values.DATABASE_FILE,
    default=Path("evaluation.duckdb"),
    show_default=True,
    help="DuckDB file for the answers and verdicts of all evaluated models and judges.",
)
MODEL = opt.with_lora(
    click.option(
        "--model",
        metavar=values.ANY_MODEL,
        shell_complete=completion.models,
        help="Model to evaluate.",
    )
)
JUDGE = click.option(
    "--judge",
    metavar=values.ANY_MODEL,
    shell_complete=completion.models,
    help="Model that judges the answers.  [default: --model]",
)
ASKING = [
    click.option(
        "--system-in",
        type=click.Choice(["system", "user"]),
        default="system",
        show_default=True,
        help="Put the system message into the system role, or into the user turn.",
    ),
    click.option(
        "--seed",
        type=values.SEED,
        default=0,
        metavar="N",
        help="Seed of the sampler. The same seed gives the same answers.",
    ),
    click.option(
        "--temperature",
        type=click.FloatRange(0, 5),
        default=0.0,
        metavar="T",
        help="Sampling temperature of the answers. 0 is greedy decoding.  [default: 0]",
    ),
    click.option(
        "--top-p",
        type=click.FloatRange(0, 1),
        default=1.0,
        metavar="P",
        help="Nucleus sampling (top-p) of the answers. 1 switches it off.",
    ),
    click.option(
        "--max-answer-tokens",
        type=values.at_least(1),
        default=1024,
        show_default=True,
        metavar="N",
        help="Largest number of tokens in an answer. An answer that is cut off is judged as it is.",
    ),
]
JUDGE_TOKENS = click.option(
    "--max-judge-tokens",
    type=values.at_least(1),
    default=1024,
    show_default=True,
    metavar="N",
    help="Largest number of tokens in a reply of the judge.",
)
RETRY = click.option(
    "--retry-failed",
    is_flag=True,
    help="Try questions again whose answer or verdict failed.",
)
JUDGE_PROMPT = click.option(
    "--judge-prompt",
    type=values.file(".md", ".txt"),
    help="File with another prompt for the judge (.md or .txt). It has the form of the built-in "
    "prompt.",
)
LIMIT = click.option(
    "--limit",
    type=values.at_least(1),
    metavar="N",
    help="Use only the first N questions of the file.",
)
SHOWING = [
    opt.as_json,
    click.option("-q", "--quiet", is_flag=True, help="Print only the scores, no progress."),
]
SOURCES = click.option(
    "--sources",
    type=values.file(".json", ".csv"),
    help="Table of source -> benchmark, to score each benchmark in the file: .json, or .csv "
    "without a header.",
)
SEES = click.option(
    "--judge-sees-system/--no-judge-sees-system",
    default=False,
    show_default=True,
    help="Show the system message to the judge. The official setting is no.",
)
HISTORY = click.option(
    "--history",
    type=click.Choice(["own", "gold"]),
    default="own",
    show_default=True,
    help="Answers that stand before a later turn: the model's own, or those of the dataset.",
)


@click.group()
def evaluate() -> None:
    """Measure how well a model follows system messages.

    The benchmarks are those of the SysGen paper (sysbench, multifacet), a test set that rules grade
    (own), and tasks of lm-evaluation-harness (harness). Use it before and after training, or use
    `sysgen study` to compare several models at once.

    \b
    Example:
      sysgen evaluate sysbench dialogues.json --model mine.gguf --judge qwen2.5-7b
      sysgen evaluate multifacet bench.jsonl --model mine.gguf --judge qwen2.5-7b
      sysgen evaluate own test.jsonl --model mine.gguf
    """


@evaluate.command()
@click.argument("dialogues", type=QUESTIONS, required=False)
@HISTORY
@opt.options(
    [MODEL, JUDGE],
    ASKING,
    [JUDGE_TOKENS, RETRY, JUDGE_PROMPT, LIMIT],
    hardware.MACHINE,
    hardware.CLUSTER,
    SHOWING,
    database=DATABASE,
)
@click.option(
    "--structure",
    type=QUESTIONS,
    help="Score verdicts of another program. FILE is JSONL of the dialogues that were judged: "
    "their turns and the types of their criteria.",
)
@click.option(
    "--verdicts",
    type=QUESTIONS,
    help="Score verdicts of another program. FILE is JSONL of the verdicts on each turn.",
)
def sysbench(
    dialogues: Path | None,
    structure: Path | None,
    verdicts: Path | None,
    as_json: bool,
    limit: int | None,
    **given: Any,
) -> int:
    """Run SysBench: dialogues under a system message, judged by criteria.

    A dialogue has five turns. The model answers each turn. The judge gives a verdict on each
    criterion of an answer. CSR, ISR and SSR are computed as in the official code. With --structure
    and --verdicts, no model is asked and verdicts of another program are scored. If a run was
    stopped, the same command continues it.

    DIALOGUES is SysBench's own JSON, or JSONL of {"system_id", "system", "multi_turn":
    "dependent"|"parallel", "turns": [{"user", "alignment": "aligned"|"misaligned", "gold_answer",
    "criteria": [{"type", "text"}]}]}.

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
        found = _run_benchmark("sysbench", dialogues, limit=limit, **given)
        if found is None:
            return 130
        scores = found
    _print_scores(scores, as_json, sysbench_table)
    return 0


@evaluate.command()
@click.argument("instances", type=QUESTIONS, required=False)
@opt.options(
    [MODEL, JUDGE],
    ASKING,
    [JUDGE_TOKENS, RETRY, JUDGE_PROMPT, SEES, SOURCES, LIMIT],
    hardware.MACHINE,
    hardware.CLUSTER,
    SHOWING,
    database=DATABASE,
)
@click.option(
    "--replies",
    type=QUESTIONS,
    help="Score a judge's replies from another program. No model is asked.",
)
def multifacet(
    instances: Path | None,
    replies: Path | None,
    sources: Path | None,
    as_json: bool,
    limit: int | None,
    **given: Any,
) -> int:
    """Run Multifacet: answers under unusual system messages, rated by rubrics.

    The judge rates each answer from 1 to 5 by four rubrics. The score of an instance is the mean of
    its rubrics, and the average is over the instances.

    INSTANCES is JSON or JSONL of {"source", "system", "prompt", "reference_answer", "rubrics":
    [{"criteria", "score_descriptions": {"1": ..., "5": ...}}]}.

    --replies scores replies of a judge (one on each line, or by instance id). They are read as the
    official parser reads them. The output names the replies for which that parser would crash, or
    would count a score outside 1 to 5.

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
        scores = _score_replies(replies, instances, table)
    elif instances is None:
        raise click.UsageError("name INSTANCES, or --replies")
    else:
        found = _run_benchmark("multifacet", instances, limit=limit, sources=sources, **given)
        if found is None:
            return 130
        scores = found
    _print_scores(scores, as_json, multifacet_table)
    return 0


@evaluate.command()
@click.argument("questions", type=QUESTIONS, metavar="FILE")
@opt.options(
    [MODEL, opt.reader], ASKING, [RETRY, LIMIT], hardware.MACHINE, hardware.CLUSTER, SHOWING,
    database=DATABASE,
)  # fmt: skip
def own(questions: Path, as_json: bool, limit: int | None, **given: Any) -> int:
    """Run a test set of your own, graded by rule.

    FILE is what `sysgen testset` writes, or a file of that form: examples/obey.jsonl is one. The
    model answers each item. Rules grade the answer: phrases is the share of demands met, items the
    share of items with all demands met. The answer is also compared with the original one, where a
    rule can: result with a system message, plain without one. An empty answer meets nothing. If a
    run was stopped, the same command continues it.

    FILE is JSONL of {"kind": "obey"|"plain"|..., "id", "system", "messages": [{"role": "user",
    "content"}], "checks": [{"phrase", "kind", "text"}], "original"}.

    \b
    Examples:
      sysgen evaluate own test.jsonl --model mine.gguf
      sysgen evaluate own examples/obey.jsonl --model smollm2-135m --max-answer-tokens 256 --json
    """
    from sysgen_local.report.benchmarks import own_table

    scores = _run_benchmark("own", questions, limit=limit, **given)
    if scores is None:
        return 130
    _print_scores(scores, as_json, own_table)
    return 0


def _score_replies(
    path: Path, instances: Path | None, table: Mapping[str, str] | None
) -> dict[str, Any]:
    """The scores of a judge's replies in a file, and what was read from each reply. `table`: source
    -> benchmark."""
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


def _run_benchmark(
    benchmark: BenchmarkName,
    questions: Path,
    *,
    model: str | None,
    db: Path,
    quiet: bool,
    **given: Any,
) -> dict[str, Any] | None:
    """Runs a benchmark and returns its scores; None if the run was interrupted."""
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
    """Prints how many questions have no verdict, the first of them, and how to get one. Such
    questions are not part of the scores."""
    from sysgen_local.evaluation.benchmarks.benchmark import unjudged

    counts = scores["questions"]
    hints = []
    if counts["failed"]:
        hints.append(
            "--retry-failed asks again, perhaps with a larger --context or --max-judge-tokens"
        )
    if counts["pending"]:
        hints.append("the same command asks what is pending once more memory is free")
    if hints:
        click.echo(
            f"sysgen: the numbers are of {counts['judged']:,} of {counts['all']:,} questions; "
            f"without verdicts: {unjudged(counts)}{_named(scores['ungraded'])}\n"
            f"  -> {'; '.join(hints)}",
            err=True,
        )


def _named(ungraded: Sequence[Mapping[str, str]]) -> str:
    """The first questions without a verdict, with what went wrong, as lines."""
    lines = [
        f"\n     {of['id']}: {of['reason']}{': ' * bool(of['why'])}{of['why'][:_WHY]}"
        for of in ungraded[:_NAMED]
    ]
    more = len(ungraded) - _NAMED
    return "".join(lines) + (f"\n     and {more:,} more" if more > 0 else "")


_NAMED = 5
"""How many questions without a verdict are named."""
_WHY = 160
"""Characters of what went wrong that are printed."""


def _print_scores(scores: dict[str, Any], as_json: bool, table: Any) -> None:
    if as_json:
        click.echo(terminal.json_text(scores))
        return
    terminal.console().print(table(scores))


evaluate.add_command(harness)
