"""A model behind an OpenAI-compatible address."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Server:
    """`url` ends in /v1. `model` None: the first one that the server lists."""

    url: str
    model: str | None = None

    @property
    def name(self) -> str:
        return self.url if self.model is None else f"{self.url}#{self.model}"
