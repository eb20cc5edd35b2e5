"""The options of benchmarks, and how a benchmark is run and its scores are printed."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sysgen_local.cli import completion, values
from sysgen_local.cli import options as opt
from sysgen_local.core import terminal

if TYPE_CHECKING:
    from sysgen_local.evaluation.benchmarks.benchmark import BenchmarkName

QUESTIONS = values.file(".json", ".jsonl", ".json.gz", ".jsonl.gz")
"""A file with the questions of a benchmark, or with verdicts or replies about them."""
CSV_QUESTIONS = values.file(".csv", ".json", ".jsonl", ".json.gz", ".jsonl.gz")
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
READER = click.option(
    "--judge",
    metavar=values.ANY_MODEL,
    shell_complete=completion.models,
    help="Model that reads what no rule can test.",
)
SYSTEM_IN = click.option(
    "--system-in",
    type=click.Choice(["system", "user"]),
    default="system",
    show_default=True,
    help="Put the system message into the system role, or into the user turn.",
)
ASKING = [
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


def run(
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
    from sysgen_local.workflows.benchmark import evaluate

    if model is None:
        raise click.UsageError("--model is missing: which model is to be evaluated?")
    view = view_for(sys.stderr, quiet=quiet)
    scores = evaluate(benchmark, questions, model=model, db=db, views=[view], say=view.say, **given)
    if scores is None:
        click.echo("interrupted: the same command takes it up again", err=True)
        return None
    warn(scores)
    return scores


def warn(scores: Mapping[str, Any]) -> None:
    """Prints how many questions have no verdict, the first of them, and how to get one. Such
    questions are not part of the scores."""
    from sysgen_local.evaluation.benchmarks.benchmark import UNGRADABLE, unjudged

    counts = scores["questions"]
    hints = []
    if UNGRADABLE & counts["failed"].keys():
        hints.append("no rule grades these: asking again does not help")
    if counts["failed"].keys() - UNGRADABLE:
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


def print_scores(scores: dict[str, Any], as_json: bool, table: Any) -> None:
    if as_json:
        click.echo(terminal.json_text(scores))
        return
    terminal.console().print(table(scores))
