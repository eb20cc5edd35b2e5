"""`sysgen evaluate harness`: tasks of lm-evaluation-harness."""

from __future__ import annotations

import json
from pathlib import Path

import click

from sysgen_local.cli import completion, hardware, values
from sysgen_local.cli import options as opt
from sysgen_local.core import terminal
from sysgen_local.engine.options import Options


@click.command()
@click.argument("tasks", nargs=-1, required=True, metavar="TASK...")
@opt.with_lora(
    click.option(
        "--model",
        required=True,
        metavar=values.MODEL_NAME,
        shell_complete=completion.models,
        help="Model to evaluate.",
    )
)
@click.option(
    "--include",
    type=values.FOLDER,
    help="Folder with your own tasks.",
)
@click.option(
    "--fewshot", type=values.at_least(0), metavar="N", help="Number of examples in the prompt."
)
@click.option(
    "--limit", type=values.at_least(1), metavar="N", help="Use only the first N rows of each task."
)
@click.option("--chat/--no-chat", default=False, help="Use the model's chat template.")
@click.option(
    "-o",
    "--output",
    type=values.file(".json"),
    help="Write all results to this file as JSON (.json).",
)
@opt.as_json
@opt.options(hardware.MACHINE, database=None)
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
    """Run tasks of lm-evaluation-harness on a model.

    Use it before and after training on the new dataset, to see that the model did not become worse
    at other tasks. It needs an extra: pip install 'sysgen-local[harness]'. The tasks download their
    data from the Hugging Face hub, except tasks that have their own data, as in the first example.

    \b
    Examples:
      sysgen evaluate harness sysgen_opposites --include examples/harness --model builtin
      sysgen evaluate harness leaderboard_mmlu_pro --model mine.gguf --limit 200 -o after.json
    """
    from sysgen_local.core.extras import needs
    from sysgen_local.core.files import check_folder, write
    from sysgen_local.models import check_files, resolve_file

    if output is not None:
        check_folder(output)

    with needs("harness", "lm-evaluation-harness"):
        from sysgen_local.workflows import harness as runner
    found = resolve_file(model)
    check_files(found)
    results = runner.evaluate(
        found.files, tasks, machine, include=include, fewshot=fewshot,
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
