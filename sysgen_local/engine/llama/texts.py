"""A chat engine that also takes plain texts: how likely one is behind another, and what follows.

For benchmarks that compare continuations. A prompt that `rendered` made keeps its markup; any
other text is row text and can become no control token.
"""

from __future__ import annotations

from collections.abc import Sequence as Tokens
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sysgen_local.engine.llama.engine import LlamaEngine
from sysgen_local.engine.llama.sequence import Sequence
from sysgen_local.engine.llama.tokenizer import PromptPart
from sysgen_local.engine.options import Options
from sysgen_local.engine.request import Message, Request, Segment

TEXT = "text"
"""The role of a single message that is a prompt as it stands, not a turn of a chat."""

_ASKED = Request("likelihood", "likelihood", ())


class Likelihood(NamedTuple):
    """Natural logarithm of the probability of a continuation, and whether greedy sampling would
    have written it."""

    logprob: float
    greedy: bool


class TextEngine(LlamaEngine):
    """Raises UsageError where the file cannot be used."""

    def __init__(self, path: Path, options: Options | None = None) -> None:
        super().__init__(path, options)
        self._model_template = self.chat_template
        self.chat_template = self  # type: ignore[assignment]
        self._rendered: dict[str, list[PromptPart]] = {}

    def render(self, messages: Tokens[Message]) -> list[PromptPart]:
        """As a chat template's, but for a text, which is taken as it stands."""
        if len(messages) == 1 and messages[0].role == TEXT:
            return self._prompt_parts(messages[0].text)
        return self._model_template.render(messages)

    def rendered(self, chat: Tokens[tuple[str, str]]) -> str:
        """A chat of (role, text) as the model's template writes it; this very string, given back
        as a prompt, is known again."""
        parts = self._model_template.render(
            [Message(r, (Segment(t, trusted=False),)) for r, t in chat]
        )
        text = "".join(part.text for part in parts)
        self._rendered[text] = parts
        return text

    def is_rendered(self, text: str) -> bool:
        return text in self._rendered

    def tokens(self, *texts: str) -> list[int]:
        """Of these texts in one go, with the model's BOS where it wants one."""
        return self.tokenizer.encode(
            [part for text in texts for part in self._prompt_parts(text)]
        ).tokens

    def likelihood(self, prompt: list[int], continuation: list[int]) -> Likelihood:
        """Of the continuation behind the prompt, which has a token at least.

        What the memory still holds of the last prompt is not computed again. Prompts that are too
        long lose their beginning.
        """
        kept = max(1, self.slot_tokens - len(continuation))
        tokens = [*prompt[-kept:], *continuation][: self.slot_tokens]
        first = min(len(prompt), kept)
        sequence = Sequence(_ASKED, tokens[:first], limit=1, tokenizer=self.tokenizer)
        self._kv_cache.assign_slots([sequence])
        sequence.tokens = tokens
        total, greedy, at = 0.0, True, first
        # The logits behind a token say what comes next: those of the last token are not needed.
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

    def close(self) -> None:
        """Frees model and context; the engine cannot be used afterwards."""
        self.chat_template = self._model_template
        super().close()

    @property
    def has_system(self) -> bool:
        """Whether the model's template has a place for a system message."""
        return self._model_template.has_system

    def _prompt_parts(self, text: str) -> list[PromptPart]:
        return self._rendered.get(text) or [PromptPart(text, row=True)]
