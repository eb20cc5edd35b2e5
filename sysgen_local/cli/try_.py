"""`sysgen try`: a few rows before a long run, side by side for several models or prompt sets."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from sysgen_local.cli import options as opt
from sysgen_local.core import terminal
from sysgen_local.core.settings import Reading, Settings
from sysgen_local.engine.options import Options

if TYPE_CHECKING:
    from rich.console import Console

    from sysgen_local.core.records import Row
    from sysgen_local.store import Origin
    from sysgen_local.workflows.tryout import Combination

MOST = 1000
"""More rows than this are a run."""


@click.command(name="try")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option(
    "--rows",
    type=click.IntRange(1, MOST),
    default=5,
    show_default=True,
    metavar="N",
    help="How many rows, drawn evenly over the datasets.",
)
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME|FILE.gguf",
    help="The model that writes and answers; several times for one column each.",
)
@click.option(
    "--prompts",
    "prompt_sets",
    multiple=True,
    metavar="SET|DIR",
    help="Prompt set: default, compact, or a folder; several times for one column each.",
)
@click.option("--width", type=click.IntRange(20), metavar="N", help="Characters a line may have.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object for each row and column.")
@click.option("-q", "--quiet", is_flag=True, help="Only the rows and the table.")
@opt.check
@opt.options(
    opt.MODEL[1:2], opt.READING, opt.EXISTING_SYSTEM, opt.SAMPLING, opt.VERIFYING, opt.ANSWERING,
    opt.LANGUAGE, opt.SHOWING, opt.CHECKING, opt.MACHINE, database=None,
)  # fmt: skip
@opt.taking(machine=Options, reading=Reading, settings=Settings)
def try_(
    inputs: tuple[str, ...],
    rows: int,
    models: tuple[str, ...],
    prompt_sets: tuple[str, ...],
    width: int | None,
    as_json: bool,
    quiet: bool,
    reading: Reading,
    settings: Settings,
    machine: Options,
) -> int:
    """The journey of a few rows, before a long run.

    Rows are drawn by chance over all of INPUT, as many of each dataset, and go through the whole
    job. Each is printed as it comes: its phrases, verdicts, system message, new answer and checks.
    With several models or prompt sets they stand side by side on a wide terminal. Nothing is
    kept: no store, no file. Another --seed draws other rows.

    \b
    Examples:
      sysgen try rows.jsonl
      sysgen try data/ --rows 8 --seed 3 --model qwen2.5-7b
      sysgen try rows.jsonl --model qwen2.5-7b --model llama-3.1-8b
      sysgen try rows.jsonl --model qwen2.5-7b --prompts default --prompts my-prompts/
      sysgen try rows.jsonl --json | jq -r .system
    """
    from sysgen_local.report.comparison import RowComparison, summary
    from sysgen_local.report.waiting import waiting_for
    from sysgen_local.workflows import tryout
    from sysgen_local.workflows.dataset import DEMONSTRATION

    out = terminal.console(width=width, highlight=False)
    err = terminal.console(stderr=True, highlight=False)
    columns = tryout.combinations(settings, models, prompt_sets)
    say = waiting_for(out, err, "", quiet=quiet).say
    if not models and any(column.model == "builtin" for column in columns):
        say(DEMONSTRATION)
    drawn = tryout.draw_rows(
        inputs,
        rows,
        settings.seed or 0,
        replace(reading, skip_system=settings.existing_system == "skip"),
        say,
    )
    labels = [column.label for column in columns]
    comparison = RowComparison(out, labels, beside=width is not None or out.is_terminal)

    def show(column: Combination, row: Row, origin: Origin) -> None:
        if as_json:
            _print(out, tryout.as_dict(column, row, origin))
        else:
            comparison.add(column.label, row, origin)

    done = tryout.run(
        columns,
        drawn,
        lambda column: [waiting_for(out, err, column.label, quiet=quiet)],
        machine,
        on_row=show,
        announce=say,
    )
    if done is None:
        click.echo("interrupted: nothing is kept; the same command begins anew", err=True)
        return 130
    if not as_json:
        out.print(summary(done, out.width).rich())
    return 0


def _print(console: Console, line: dict[str, Any]) -> None:
    """As it is, on a line of its own."""
    console.print(terminal.json_text(line), markup=False, emoji=False, soft_wrap=True)
