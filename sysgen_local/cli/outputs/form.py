"""The base of what commands print with `--json`, and parts that several forms have."""

from __future__ import annotations

from typing import Literal

import click
from pydantic import BaseModel, ConfigDict

from sysgen_local.core import terminal

Phase = Literal["generate", "filter", "verify", "respond", "check"]


State = Literal["final", "dropped", "pending"]


class Output(BaseModel):
    """The base of all: other keys than the named ones are an error."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


def print_json(result: Output) -> None:
    """Prints the result as one JSON object on standard output."""
    click.echo(terminal.json_text(result.model_dump(mode="json"), indent=2))


class Rows(Output):
    """Counts of rows. `input` is the sum of the others."""

    input: int
    final: int
    dropped: int
    rejected: int
    pending: int


class Shard(Output):
    """The shard that a store holds."""

    numbers: list[int]
    """Its number, from 1; several where some of the shards were merged."""
    of: int
    """Number of shards."""
    input: int
    """Rows of the input in all shards."""


class PhaseCount(Output):
    done: int
    """Rows with a result, kept or dropped."""
    kept: int
    dropped: dict[str, int]
    """Reason -> rows."""
    running: int = 0
    """Rows in work at the moment."""


class Finding(Output):
    """A sign of poor data."""

    name: str
    says: str
    """One sentence with counts and what to try."""
    small: bool = False
    """Whether it is typical of a model that is too small."""
