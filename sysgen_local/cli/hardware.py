"""Options of the machine that runs a model, and of a Ray cluster."""

from __future__ import annotations

import click

from sysgen_local.cli import values

gpu_layers = click.option(
    "--gpu-layers",
    type=values.at_least(-1),
    metavar="N",
    help="Number of model layers on the GPU; -1 is all.  [default: auto]",
)
threads = click.option(
    "--threads",
    type=values.at_least(1),
    metavar="N",
    help="Number of CPU threads.  [default: cores]",
)
batch = click.option(
    "--batch",
    type=click.IntRange(32, 16384),
    metavar="N",
    help="Largest number of tokens that are decoded in one step.  [default: 512; of a run what "
    "`sysgen bench --settings` found]",
)
flash = click.option(
    "--flash/--no-flash",
    default=None,
    help="Use flash attention.  [default: off on a CPU; on a GPU llama.cpp decides]",
)
MACHINE = [
    gpu_layers,
    click.option(
        "--slots",
        type=click.IntRange(1, 240),
        metavar="N",
        help="Number of slots: rows that the model works on at the same time. Use fewer if memory "
        "is short. Of a server: the most requests at a time.  [default: auto]",
    ),
    click.option(
        "--context",
        type=values.at_least(64),
        metavar="N",
        help="Largest number of tokens of a row, prompt and answer together.  [default: as many as "
        "the model can]",
    ),
    threads,
    batch,
    flash,
    click.option(
        "--patience",
        type=click.FloatRange(0),
        metavar="MINUTES",
        help="How long to wait while no server answers. After that the command ends, and the same "
        "command takes it up again.  [default: 60]",
    ),
]


def _ray_address(_: object, __: object, given: str | None) -> str | None:
    """The address, if it has the form of one: else it may be an INPUT behind --ray."""
    if given is not None:
        from sysgen_local.engine.cluster.connection import require_form

        require_form(given)
    return given


CLUSTER = [
    click.option(
        "--ray",
        callback=_ray_address,
        is_flag=False,
        flag_value="local",
        metavar="[ADDRESS]",
        help="Let workers on a Ray cluster do the model's work: HOST:PORT, or auto for the cluster "
        "that this machine belongs to. Without ADDRESS, a cluster of this machine alone; then "
        "--ray is the last word of the command. Needs the extra ray.",
    ),
    click.option(
        "--workers",
        type=values.at_least(1),
        metavar="N",
        help="Number of workers of --ray.  [default: one for each GPU, or for each node without "
        "GPUs; nodes that join get workers too]",
    ),
    click.option(
        "--worker-cpus",
        type=values.at_least(1),
        metavar="N",
        help="CPUs that each worker takes of its node.  [default: 1 with a GPU, else all]",
    ),
    click.option(
        "--worker-gpus",
        type=click.FloatRange(min=0),
        metavar="N",
        help="GPUs that each worker takes of its node.  [default: 1 if the cluster has GPUs]",
    ),
    click.option(
        "--worker-resources",
        metavar="NAME=N[,...]",
        help="Other resources of Ray that each worker takes.",
    ),
]
