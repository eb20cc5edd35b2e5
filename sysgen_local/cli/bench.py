"""`sysgen bench`: measures the speed of a model on this machine."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from sysgen_local.cli import completion, hardware, values
from sysgen_local.cli import options as opt

if TYPE_CHECKING:
    from sysgen_local.cli import outputs
    from sysgen_local.engine.options import Options
    from sysgen_local.models import Model
    from sysgen_local.models.measured import Settings
    from sysgen_local.running.throughput import Rates


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
@click.option(
    "--settings",
    "find_settings",
    is_flag=True,
    help="Find the settings that are fastest here, and keep them: runs with this model take them, "
    "unless --slots, --batch or --gpu-layers is given. They are the number of slots, the batch "
    "and, with a GPU, two ways of sampling.",
)
@hardware.gpu_layers
@hardware.threads
@hardware.batch
@hardware.flash
@opt.as_json
def bench(
    model: str,
    slots: list[int],
    find_settings: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """Measure the speed of a model on this machine.

    For each number of slots, it prints how many tokens a second the model reads (prefill) and
    writes (decode), and how many rows an hour follow from that. The best of them are kept for
    `sysgen models list`. Use it before a long run, to choose a model and --slots. Stop other
    programs that use the processor first: on the same cores they make the model several times
    slower.

    With --settings it tries more slots, then larger batches, then with a GPU two ways of sampling,
    and takes each change that gains 3 %. That takes about ten seconds on a large GPU, and minutes
    on a processor. The first run of 500 rows or more with a model that is on a GPU does it by
    itself.

    \b
    Examples:
      sysgen bench
      sysgen bench --model qwen2.5-7b --settings
      sysgen bench --model qwen2.5-7b --slots 8,16,32
      sysgen bench --model qwen2.5-7b --slots 16 --flash --batch 1024
    """
    from sysgen_local.core.errors import SysgenError
    from sysgen_local.core.model_files import ModelFiles
    from sysgen_local.engine.options import Options
    from sysgen_local.models import place
    from sysgen_local.running import throughput as measuring
    from sysgen_local.workflows.models import find_model, model_facts
    from sysgen_local.workflows.options import Given

    found = find_model(model)
    model_facts(found)  # it is whole
    where = place(found)
    options = Given(given).take(Options)
    if find_settings:
        by_hand = [name for name, value in given.items() if value is not None]
        if click.get_current_context().get_parameter_source("slots") != ParameterSource.DEFAULT:
            by_hand.insert(0, "slots")
        return _find_settings(found, options, by_hand, as_json=as_json)
    taken: list[measuring.Rates] = []
    if not as_json:
        click.echo("slots   reads tokens/s   writes tokens/s   rows/h")
    for number in slots:
        rates = measuring.measure(where, replace(options, slots=number), _note)
        taken.append(rates)
        if not as_json:
            click.echo(
                f"{rates.slots:5}   {rates.prefill:14,.0f}   {rates.decode:15,.0f}   "
                f"{rates.rows_an_hour:6,.0f}"
            )
    if as_json:
        from sysgen_local.cli import outputs

        rated = [_rate(of) for of in taken]
        named = str(where) if isinstance(where, ModelFiles) else found.name
        outputs.print_json(outputs.Speed(model=named, rates=rated, settings=None))
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


def _find_settings(model: Model, options: Options, by_hand: list[str], *, as_json: bool) -> int:
    """Tries settings and prints each with its speed, and which are kept. `by_hand`: parameters of
    the machine that were given."""
    from sysgen_local.core.errors import SysgenError, UsageError
    from sysgen_local.core.model_files import ModelFiles
    from sysgen_local.models import place
    from sysgen_local.running import throughput

    where = place(model)
    if not isinstance(where, ModelFiles):
        raise UsageError(f"--settings is for a model that is loaded here; {model.name} is a server")
    if by_hand:
        options_by_hand = " and ".join(f"--{name.replace('_', '-')}" for name in by_hand)
        raise UsageError(f"--settings finds what runs without {options_by_hand} take: leave it off")
    if where.adapters:
        raise UsageError(
            "--settings is for a GGUF without adapters: runs with them take its settings"
        )
    tried: list[tuple[Settings, throughput.Rates]] = []
    if not as_json:
        click.echo("reads tokens/s   writes tokens/s   rows/h   settings")

    def show(settings: Settings, rates: throughput.Rates) -> None:
        tried.append((settings, rates))
        if not as_json:
            click.echo(
                f"{rates.prefill:14,.0f}   {rates.decode:15,.0f}   {rates.rows_an_hour:6,.0f}   "
                f"{settings}"
            )

    found = throughput.fastest_settings(where, options, show)
    if as_json:
        from sysgen_local.cli import outputs

        rates = [_rate(of, settings) for settings, of in tried]
        best = outputs.EngineSettings(**asdict(found[0])) if found else None
        outputs.print_json(outputs.Speed(model=str(where), rates=rates, settings=best))
    if found is None:
        raise SysgenError(f"{model.name} wrote nothing, so no settings are kept")
    throughput.note_settings(where.path, *found)
    if not as_json:
        click.echo(f"kept for runs: {found[0]}")
    return 0


def _rate(rates: Rates, settings: Settings | None = None) -> outputs.Rate:
    from sysgen_local.cli import outputs

    of = outputs.EngineSettings(**asdict(settings)) if settings else None
    return outputs.Rate(**asdict(rates), rows_an_hour=rates.rows_an_hour, settings=of)


def _note(line: str) -> None:
    click.echo(line, err=True)
