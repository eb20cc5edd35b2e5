"""`sysgen bench`: measures the speed of a model on this machine."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

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
@click.option(
    "--model",
    default="builtin",
    show_default=True,
    metavar="NAME|FILE.gguf",
    help="Model to measure.",
)
@click.option(
    "--slots",
    default="1,4,8,16",
    show_default=True,
    metavar="N,N,...",
    callback=_slot_numbers,
    help="Numbers of slots to measure with. A slot decodes one row at a time.",
)
@opt.gpu_layers
@opt.threads
@opt.batch
@opt.flash
@click.option("--json", "as_json", is_flag=True, help="Print the rates as JSON.")
def bench(
    model: str,
    slots: list[int],
    as_json: bool,
    **given: Any,
) -> int:
    """Measure the speed of a model on this machine.

    For each number of slots, it prints how many tokens a second the model reads (prefill) and
    writes (decode), and how many rows an hour follow from that. Use it before a long run, to choose
    a model and --slots. Stop other programs that use the processor first: on the same cores they
    make the model several times slower.

    \b
    Examples:
      sysgen bench
      sysgen bench --model qwen2.5-7b --slots 8,16,32
      sysgen bench --model qwen2.5-7b --slots 16 --flash --batch 1024
    """
    from sysgen_local.engine.options import Options
    from sysgen_local.models import check, resolve_file
    from sysgen_local.workflows import throughput as measuring
    from sysgen_local.workflows.options import Given

    path = resolve_file(model).path
    check(path)
    options = Given(given).take(Options)
    measured: list[dict[str, Any]] = []
    if not as_json:
        click.echo("slots   reads tokens/s   writes tokens/s   rows/h")
    for number in slots:
        rates = measuring.measure(path, options, number)
        measured.append({**asdict(rates), "rows_an_hour": rates.rows_an_hour})
        if not as_json:
            click.echo(
                f"{rates.slots:5}   {rates.prefill:14,.0f}   {rates.decode:15,.0f}   "
                f"{rates.rows_an_hour:6,.0f}"
            )
    if as_json:
        click.echo(json.dumps({"model": str(path), "rates": measured}, indent=1))
    else:
        click.echo(
            f"rows/h: for rows that cost {measuring.READ} tokens read and {measuring.WRITTEN} "
            "written over the paper's four phases; checks come on top.\n"
            "`sysgen run --slots N` sets the slots by hand."
        )
    return 0
