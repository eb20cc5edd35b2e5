"""A model behind one OpenAI-compatible server, or behind several that serve the same model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

KEY = "OPENAI_API_KEY"
"""The environment variable with the key of a server, unless another one is named."""


@dataclass(frozen=True, slots=True)
class Address:
    """One server. `url` ends in /v1. `model` None: the first one that the server lists. `key` is
    the name of the environment variable with its key; the key itself is kept nowhere."""

    url: str
    model: str | None = None
    key: str = KEY

    def __str__(self) -> str:
        return self.url if self.model is None else f"{self.url}#{self.model}"


@dataclass(frozen=True, slots=True)
class Server:
    """The servers of one model. `label` is its name in the catalogue, if it is listed there.

    `weights` says which model it is, without its addresses: its name, and what a server tells of
    the weights. It is empty until a server was asked.
    """

    addresses: tuple[Address, ...]
    label: str | None = None
    weights: str = ""

    @classmethod
    def at(cls, *addresses: str) -> Server:
        """The servers at these addresses, `URL` or `URL#MODEL` each."""
        parts = (address.partition("#") for address in addresses)
        return cls(tuple(Address(url.rstrip("/"), model or None) for url, _, model in parts))

    @property
    def name(self) -> str:
        """How the model is named on the command line."""
        return self.label or ",".join(map(str, self.addresses))

    @property
    def title(self) -> str:
        """The model and where it is, in few words."""
        first, *others = self.addresses
        model = self.label or PurePosixPath(first.model or "the first model").name
        return f"{model} on {1 + len(others)} servers" if others else f"{model} at {first.url}"
