"""`sysgen bench`: measures the speed of a model on this machine."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from sysgen_local.cli import completion, hardware, values
from sysgen_local.cli import options as opt


def _slot_numbers(context: click.Context, parameter: click.Parameter, value: str) -> list[int]:
    try:
        numbers = [int(part) for part in value.split(",")]
    except ValueError:
        numbers = []
    if not numbers or not all(1 <= n <= 240 for n in numbers):
        raise click.BadParameter(f"{value!r}: give numbers from 1 to 240, as in 1,8,16")
    return numbers


@click.command()
@opt.with_lora(
    click.option(
        "--model",
        default="builtin",
        show_default=True,
        metavar=values.ANY_MODEL,
        shell_complete=completion.models,
        help="Model to measure.",
    )
)
@click.option(
    "--slots",
    default="1,4,8,16",
    show_default=True,
    metavar="N,N,...",
    callback=_slot_numbers,
    help="Numbers of slots to measure with. A slot decodes one row at a time.",
)
@hardware.gpu_layers
@hardware.threads
@hardware.batch
@hardware.flash
@opt.as_json
def bench(
    model: str,
    slots: list[int],
    as_json: bool,
    **given: Any,
) -> int:
    """Measure the speed of a model on this machine.

    For each number of slots, it prints how many tokens a second the model reads (prefill) and
    writes (decode), and how many rows an hour follow from that. The best of them are kept for
    `sysgen models list`. Use it before a long run, to choose a model and --slots. Stop other
    programs that use the processor first: on the same cores they make the model several times
    slower.

    \b
    Examples:
      sysgen bench
      sysgen bench --model qwen2.5-7b --slots 8,16,32
      sysgen bench --model qwen2.5-7b --slots 16 --flash --batch 1024
    """
    from sysgen_local.core.errors import SysgenError
    from sysgen_local.core.model_files import ModelFiles
    from sysgen_local.engine.options import Options
    from sysgen_local.models import place
    from sysgen_local.workflows import throughput as measuring
    from sysgen_local.workflows.models import find_model, model_facts
    from sysgen_local.workflows.options import Given

    found = find_model(model)
    model_facts(found)  # it is whole
    where = place(found)
    options = Given(given).take(Options)
    taken: list[measuring.Rates] = []
    if not as_json:
        click.echo("slots   reads tokens/s   writes tokens/s   rows/h")
    for number in slots:
        rates = measuring.measure(where, options, number, _note)
        taken.append(rates)
        if not as_json:
            click.echo(
                f"{rates.slots:5}   {rates.prefill:14,.0f}   {rates.decode:15,.0f}   "
                f"{rates.rows_an_hour:6,.0f}"
            )
    if as_json:
        from sysgen_local.cli import outputs

        rated = [outputs.Rate(**asdict(of), rows_an_hour=of.rows_an_hour) for of in taken]
        named = str(where) if isinstance(where, ModelFiles) else found.name
        outputs.print_json(outputs.Speed(model=named, rates=rated))
    else:
        click.echo(
            f"rows/h: for rows that cost {measuring.READ} tokens read and {measuring.WRITTEN} "
            "written over the paper's four phases; checks come on top.\n"
            "`sysgen run --slots N` sets the slots by hand."
        )
    try:
        if isinstance(where, ModelFiles) and not where.adapters:  # with them it is slower
            measuring.note_best(where.path, taken)
    except SysgenError as error:  # the rates were printed: they are what was asked for
        click.echo(str(error), err=True)
    return 0


def _note(line: str) -> None:
    click.echo(line, err=True)
