"""A GGUF asked greedily, through the project's own engine on llama.cpp."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from builtin_recipe.sample import Message
from sysgen_local.engine import request
from sysgen_local.engine.request import Choice, Completion, Request, Segment

_LONGEST = 320
"""Tokens of an answer."""


class Chat:
    """Many conversations at a time; replies come in the order of asking."""

    def __init__(self, path: Path) -> None:
        from sysgen_local.engine.llama.engine import LlamaEngine
        from sysgen_local.engine.options import Options

        self._engine = LlamaEngine(path, Options(slots=16, context=1024))

    def ask(self, prompts: Sequence[Sequence[Message]]) -> list[str]:
        """What is written, without a grammar."""
        return [completion.text for completion in self._complete(prompts, None)]

    def choose(
        self, prompts: Sequence[Sequence[Message]], labels: tuple[str, ...]
    ) -> list[dict[str, float]]:
        """The probability of every label, off the logits."""
        return [dict(c.probabilities or {}) for c in self._complete(prompts, Choice(labels))]

    def close(self) -> None:
        self._engine.close()

    def _complete(
        self, prompts: Sequence[Sequence[Message]], constraint: Choice | None
    ) -> list[Completion]:
        asked = (
            Request(str(number), "", _messages(prompt), constraint, max_tokens=_LONGEST)
            for number, prompt in enumerate(prompts)
        )
        found = {completion.id: completion for completion in self._engine.complete(asked)}
        return [found[str(number)] for number in range(len(prompts))]


def _messages(prompt: Sequence[Message]) -> tuple[request.Message, ...]:
    return tuple(
        request.Message(role, (Segment(content, trusted=False),)) for role, content in prompt
    )
