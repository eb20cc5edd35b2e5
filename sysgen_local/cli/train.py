"""`sysgen train`: trains a model on the rows of a store."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sysgen_local.cli import completion, values
from sysgen_local.cli import options as opt
from sysgen_local.cli.stores import note_missing, reading
from sysgen_local.core import terminal

if TYPE_CHECKING:
    from sysgen_local.workflows.train import TrainResult

METHOD = [
    click.option(
        "--lora",
        type=values.at_least(1),
        metavar="R",
        help="Train a LoRA adapter of this rank on attention and MLP.  [default: 16, for models "
        "of 0.3 billion parameters or more]",
    ),
    click.option(
        "--full", is_flag=True, help="Train every weight.  [default for models below that]"
    ),
    click.option(
        "--qlora",
        type=values.at_least(1),
        metavar="R",
        help="The same over weights in four bits, of a base in the form of transformers. Needs "
        "bitsandbytes (pip install 'sysgen-local[qlora]').",
    ),
    click.option(
        "--alpha",
        type=click.FloatRange(0, min_open=True),
        metavar="A",
        help="The adapter is scaled by alpha / rank.  [default: twice the rank]",
    ),
]
DATA = [
    click.option(
        "--variant",
        type=click.Choice(["full", "system-only", "common", "original"]),
        default="full",
        show_default=True,
        help="What is trained on, as in `sysgen export`.",
    ),
    opt.where,
    click.option(
        "--held-out",
        type=click.FloatRange(0, 1, max_open=True),
        default=0.05,
        show_default=True,
        metavar="SHARE",
        help="Share of the instructions that are not trained on, to measure the loss.",
    ),
    click.option(
        "--test",
        type=click.FloatRange(0, 1, max_open=True),
        default=0.0,
        show_default=True,
        metavar="SHARE",
        help="Share of the instructions that is left for `sysgen testset --held-out`.",
    ),
    click.option(
        "--max-length",
        type=values.at_least(16),
        metavar="TOKENS",
        help="The most tokens of a row.  [default: 2048, or the context of the model]",
    ),
    click.option(
        "--when-long",
        type=click.Choice(["drop", "cut"]),
        default="drop",
        show_default=True,
        help="What becomes of a row with more tokens. Either is counted.",
    ),
    click.option(
        "--license-policy",
        type=click.Choice(["any", "permissive"]),
        default="any",
        show_default=True,
        help="permissive: as in `sysgen export`, and the same of the base's licence.",
    ),
]
OPTIMIZER = [
    click.option(
        "--epochs",
        type=click.FloatRange(0, min_open=True),
        metavar="N",
        help="Times that every row is seen.  [default: 3 below 2,000 rows, 2 below 20,000, else 1]",
    ),
    click.option(
        "--learning-rate",
        type=click.FloatRange(0, min_open=True),
        metavar="LR",
        help="Learning rate at its highest. It rises at first, and then falls as a cosine.  "
        "[default: by the size of the model]",
    ),
    click.option(
        "--batch", type=values.at_least(1), metavar="N",
        help="Rows of one step of the optimizer.  [default: 16, below 500 rows 8]",
    ),
    click.option(
        "--at-once", type=values.at_least(1), metavar="N",
        help="Rows of a batch in memory at a time.  [default: as many as fit]",
    ),
    click.option(
        "--pack/--no-pack", default=None,
        help="Put the rows of a batch into one sequence, without padding. Only where attention "
        "keeps them apart.  [default: where it does, which is tried]",
    ),
    click.option(
        "--precision", type=click.Choice(["float32", "bfloat16"]),
        help="How numbers are computed.  [default: bfloat16 on a GPU that has it]",
    ),
    click.option("--seed", type=values.at_least(0), default=0, show_default=True, metavar="N",
                 help="Seed of the order of rows and of new weights."),
    click.option(
        "--checkpoint-minutes", type=click.FloatRange(0), default=5.0, show_default=True,
        metavar="N", help="Time between checkpoints. A kill costs at most this.",
    ),
]  # fmt: skip


@click.command()
@click.option(
    "--base",
    required=True,
    metavar=f"{values.MODEL_NAME}|FOLDER",
    shell_complete=completion.models,
    help="A GGUF by any name, a folder in the form of transformers, or OWNER/NAME on a hub. Of a "
    "GGUF take f16, bf16 or q8_0 if you can: its weights are read as they are.",
)
@click.option(
    "-o",
    "--output",
    type=values.NEW_FOLDER,
    required=True,
    metavar="FOLDER",
    help="Folder for everything: rows, recipe, checkpoints, curve, adapter, GGUF and card.",
)
@opt.options(METHOD, DATA, OPTIMIZER)
@click.option(
    "--gguf",
    type=click.Choice(["f16", "q8_0", "q4_k_m"]),
    multiple=True,
    help="Also write the trained model as a GGUF of its own in this quantisation. Give the option "
    "several times for several.  [default: the adapter; with --full f16]",
)
@opt.quiet
@opt.as_json
def train(
    base: str, output: Path, db: Path, gguf: Any, quiet: bool, as_json: bool, full: bool,
    lora: int | None, qlora: int | None, license_policy: str, **given: Any,
) -> int:  # fmt: skip
    """Train a model on the finished rows, and write it back as GGUF.

    Before the first step it checks what is else noticed too late, or never: which tokens are
    learned (the answers, with the token that ends them), how many rows are too long, that torch
    and llama.cpp compute the same, that rows in one sequence do not see each other. It says what it
    found, and refuses what is wrong. A training that was stopped goes on with the same command.

    Needs the extra `train` (pip install 'sysgen-local[train]').

    \b
    Examples:
      sysgen train --db rows.duckdb --base smollm2-135m -o my-model
      sysgen train --db rows.duckdb --base model-f16.gguf --lora 32 --epochs 2 --gguf q4_k_m \\
          -o my-model
      sysgen run more.jsonl --model model-f16.gguf+my-model/adapter.gguf -o out.jsonl
    """
    from sysgen_local.report.training_view import training_view
    from sysgen_local.workflows.train import carry_out, prepare, training_options

    methods = {"full": full, "lora": lora, "qlora": qlora}
    chosen = [name for name, given_ in methods.items() if given_]
    if len(chosen) > 1:
        raise click.UsageError(f"--{chosen[0]} and --{chosen[1]} exclude each other")
    view = training_view(sys.stderr, quiet=quiet)
    data, settings = training_options(
        method=chosen[0] if chosen else None,
        rank=lora or qlora,
        permissive_only=license_policy == "permissive",
        **given,
    )
    with view:
        with reading(db) as store:
            note_missing(store, data.where)
            prepared = prepare(store, base, output, data, settings, view.say)
        result = carry_out(prepared, gguf, view.say, view.show)
    if as_json:
        _print(result)
    if not result.finished:
        click.echo("stopped: the same command takes it up again", err=True)
        return 130
    if not quiet:
        for file in result.files:
            click.echo(terminal.shown(f"{file}: {file.stat().st_size:,} bytes"), err=True)
    return 0


def _print(result: TrainResult) -> None:
    from sysgen_local.cli import outputs

    outputs.print_json(
        outputs.Trained(
            folder=str(result.folder),
            finished=result.finished,
            steps=result.points[-1].step if result.points else 0,
            loss=result.loss,
            held_out_loss=result.held_out_loss,
            files=[str(file) for file in result.files],
        )
    )
