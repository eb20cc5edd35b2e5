"""`sysgen try`: does the whole job for a few rows, with one or several models or prompt sets."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from sysgen_local.cli import completion, hardware, values
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
"""Largest number of rows. For more rows, `sysgen run` is the right command."""


@click.command(name="try")
@click.argument(
    "inputs", nargs=-1, required=True, metavar="INPUT...", shell_complete=completion.files
)
@click.option(
    "--rows",
    type=click.IntRange(1, MOST),
    default=5,
    show_default=True,
    metavar="N",
    help="Number of rows. Each dataset gives the same number, as far as it has them.",
)
@opt.with_lora(
    click.option(
        "--model",
        "models",
        multiple=True,
        metavar=values.MODEL_NAME,
        shell_complete=completion.models,
        help="Model that writes the phrases and the answers. Give the option several times to "
        "compare models.",
    )
)
@click.option(
    "--prompts",
    "prompt_sets",
    multiple=True,
    metavar="SET|DIR",
    shell_complete=completion.prompt_sets,
    help="Prompt set: default, compact, or a folder with your own prompts. Give the option several "
    "times to compare prompt sets.",
)
@click.option(
    "--width",
    type=click.IntRange(20, 1000),
    metavar="N",
    help="Print lines of at most N characters.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print a JSON object for each row and each combination of model and prompt set.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print only the rows and the table.")
@opt.check
@opt.options(
    opt.MODEL[1:2], opt.READING, opt.EXISTING_SYSTEM, opt.SAMPLING, opt.VERIFYING, opt.ANSWERING,
    opt.LANGUAGE, opt.SHOWING, opt.CHECKING, hardware.MACHINE, database=None,
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
    """Do the whole job for a few rows, before a long run.

    The rows are drawn at random from INPUT, the same number from each dataset. They go through all
    phases. Each row is printed when it is finished: its phrases, verdicts, system message, new
    answer and checks. With several models or prompt sets, the results are side by side on a wide
    terminal. No store and no file is written. Another --seed draws other rows. If you like the
    results, run `sysgen run` with the same options.

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
            _print_json(out, tryout.as_dict(column, row, origin))
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


def _print_json(console: Console, row: dict[str, Any]) -> None:
    """Prints one row as JSON on one line, without wrapping or colours."""
    console.print(terminal.json_text(row), markup=False, emoji=False, soft_wrap=True)
