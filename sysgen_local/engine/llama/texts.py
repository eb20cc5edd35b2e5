"""An engine that also takes plain texts: it completes them and computes log-likelihoods.

For benchmarks that compare continuations. A prompt that `rendered` has made keeps its markup. Any
other text counts as text of a row, so nothing in it becomes a control token.
"""

from __future__ import annotations

from collections import abc
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sysgen_local.core.adapters import Adapter
from sysgen_local.engine.llama.engine import LlamaEngine
from sysgen_local.engine.llama.sequence import Sequence
from sysgen_local.engine.llama.tokenizer import PromptPart
from sysgen_local.engine.options import Options
from sysgen_local.engine.request import Message, Request, Segment

TEXT = "text"
"""The role of a single message that is a plain text to continue, not a turn of a chat."""

_NO_REQUEST = Request("likelihood", "likelihood", ())
"""Stands for the request of a sequence that none asked for; only its group is used."""


class Likelihood(NamedTuple):
    """The natural logarithm of a continuation's probability, and whether greedy sampling generates
    it."""

    logprob: float
    greedy: bool


class TextEngine(LlamaEngine):
    """A LlamaEngine for plain texts and chats. Raises as LlamaEngine does."""

    def __init__(
        self, path: Path, options: Options | None = None, adapters: tuple[Adapter, ...] = ()
    ) -> None:
        super().__init__(path, options, adapters)
        self._model_template = self.chat_template
        self.chat_template = self  # type: ignore[assignment]
        self._rendered: dict[str, list[PromptPart]] = {}

    def render(self, messages: abc.Sequence[Message]) -> list[PromptPart]:
        """The parts of a prompt: a text as it stands, any other chat by the model's template."""
        if len(messages) == 1 and messages[0].role == TEXT:
            return self._prompt_parts(messages[0].text)
        return self._model_template.render(messages)

    def rendered(self, chat: abc.Sequence[tuple[str, str]]) -> str:
        """A chat of (role, text) pairs as the model's template writes it. The same string, given as
        a prompt later, is treated as this chat and keeps its markup."""
        parts = self._model_template.render(
            [Message(r, (Segment(t, trusted=False),)) for r, t in chat]
        )
        text = "".join(part.text for part in parts)
        self._rendered[text] = parts
        return text

    def is_rendered(self, text: str) -> bool:
        """Whether `rendered` has made this text."""
        return text in self._rendered

    def tokens(self, *texts: str) -> list[int]:
        """The tokens of the texts one after the other, with BOS where the model wants it."""
        return self.tokenizer.encode(
            [part for text in texts for part in self._prompt_parts(text)]
        ).tokens

    def likelihood(self, prompt: list[int], continuation: list[int]) -> Likelihood:
        """The likelihood of the continuation behind the prompt, which must have a token or more.

        Tokens of the prompt that are still in the KV cache are not decoded again. A prompt that is
        too long for a slot is cut at its beginning.
        """
        kept = max(1, self.slot_tokens - len(continuation))
        tokens = [*prompt[-kept:], *continuation][: self.slot_tokens]
        first = min(len(prompt), kept)
        sequence = Sequence(_NO_REQUEST, tokens[:first], limit=1, tokenizer=self.tokenizer)
        self._kv_cache.assign_slots([sequence])
        sequence.tokens = tokens
        total, greedy, at = 0.0, True, first
        # The logits behind a token predict the next one, so those of the last are not needed.
        for row in self._runner.logits_for_each(
            tokens[:-1], sequence.slot, sequence.position, first - 1
        ):
            wanted = tokens[at]
            high = float(row.max())
            total += float(row[wanted]) - high - float(np.log(np.exp(row - high).sum()))
            greedy = greedy and int(row.argmax()) == wanted
            at += 1
        sequence.position = len(tokens) - 1
        self._kv_cache.release(sequence)
        return Likelihood(total, greedy)

    @property
    def has_system(self) -> bool:
        """Whether the model's template has a system role."""
        return self._model_template.has_system

    def _prompt_parts(self, text: str) -> list[PromptPart]:
        """The parts of a rendered chat; any other text as one part of a row."""
        return self._rendered.get(text) or [PromptPart(text, row=True)]
