"""Which workers a cluster has room for: how many, and what each takes of its node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sysgen_local.core.errors import UsageError
from sysgen_local.engine.options import Options

Node = Mapping[str, float]
"""The resources of a node as Ray counts them: CPU, GPU, and names of the user's own."""


class Share(NamedTuple):
    """What one worker takes of its node: CPUs, GPUs, and other resources as (name, amount)."""

    cpus: float
    gpus: float = 0.0
    others: tuple[tuple[str, float], ...] = ()

    def room(self, node: Node) -> int:
        """How many such workers the node holds, if nothing else runs there."""
        wanted = {"CPU": self.cpus, "GPU": self.gpus, **dict(self.others)}
        rooms = [int(node.get(name, 0) // amount) for name, amount in wanted.items() if amount]
        return min(rooms, default=0)


def shares(nodes: Sequence[Node], options: Options) -> Counter[Share]:
    """The workers of these nodes: share -> how many.

    One a GPU where the cluster has GPUs, else one a node with all its CPUs, unless the options
    say otherwise. With `options.workers` that many, whose CPUs are as many as the nodes allow.
    Raises UsageError where the nodes have no room for one, or for `options.workers`.
    """
    gpus = options.worker_gpus
    if gpus is None:
        gpus = 1.0 if any(node.get("GPU") for node in nodes) else 0.0
    others = parse_resources(options.worker_resources or "")
    cpus: float | None = options.worker_cpus or (1 if gpus else None)
    if cpus is not None:
        share = Share(cpus, gpus, others)
        # More than there is room for are left to Ray: they begin when nodes join.
        number = options.workers or sum(share.room(node) for node in nodes)
        return Counter({share: number} if number else {})
    sizes = sorted({int(node.get("CPU", 0)) for node in nodes}, reverse=True)
    whole = [Share(size, 0.0, others) for size in sizes if size]
    if options.workers is None:
        return Counter(
            share for node in nodes for share in whole
            if share.cpus == int(node.get("CPU", 0)) and share.room(node)
        )  # fmt: skip
    for size in range(max(sizes, default=0), 0, -1):
        share = Share(size, 0.0, others)
        if sum(share.room(node) for node in nodes) >= options.workers:
            return Counter({share: options.workers})
    raise UsageError(
        f"the Ray cluster has no room for {options.workers} workers of one CPU or more",
        hint="name fewer --workers, or give them shares with --worker-cpus and wait for nodes",
    )


def parse_resources(text: str) -> tuple[tuple[str, float], ...]:
    """`NAME=AMOUNT[,NAME=AMOUNT]` -> (name, amount). Raises UsageError for another form."""
    found = []
    for part in text.split(",") if text else ():
        name, _, amount = part.partition("=")
        try:
            found.append((name.strip(), float(amount)))
        except ValueError:
            found.append(("", 0.0))
        if not found[-1][0] or not found[-1][1] > 0:
            raise UsageError(
                f"--worker-resources cannot be {text!r}",
                hint="write NAME=AMOUNT, for example big=1",
            )
    return tuple(found)
