"""One request on its way through the model: which tokens wait to be decoded, which were written.

A sequence is given a row of logits whenever all its waiting tokens are decoded, and settles what
comes next. Knows nothing of batches or of llama.cpp.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from sysgen_local.engine.llama.grammar import GrammarMatcher
from sysgen_local.engine.llama.labels import LabelNode, LabelScores
from sysgen_local.engine.llama.sampler import Logits, label_probabilities, sample
from sysgen_local.engine.llama.tokenizer import Tokenizer
from sysgen_local.engine.request import Completion, Finish, Request

MAX_SINGLE_TOKEN_STEPS = 8
"""Up to so many tokens that a grammar forces go into the batch one at a time. llama.cpp computes
sequences together only as far as they are equally long: whatever is longer than its neighbours
costs another pass over the weights, which is as dear as about this many tokens among others."""


class Sequence:
    """`tokens` are the prompt and what was written since; the model's memory holds the first
    `position` of them, the others wait; `piecemeal` if they go into the batch one at a time.
    `spared` were in the slot when it was taken. `held`: so many of what the memory holds are still
    wanted (None: all)."""

    def __init__(
        self,
        request: Request,
        prompt: list[int],
        *,
        limit: int,
        tokenizer: Tokenizer,
        grammar: GrammarMatcher | None = None,
        labels: LabelNode | None = None,
        finish_at_limit: Finish = "length",
    ) -> None:
        self.request = request
        self.tokens = prompt
        self.position = 0
        self.one_token_per_step = False
        self.cached_tokens = 0
        self.slot = -1
        self.rollback_to: int | None = None
        self.finish: Finish | None = None
        self._prompt_length = len(prompt)
        self._limit = limit
        self.finish_at_limit = finish_at_limit
        self._tokenizer = tokenizer
        self._grammar = grammar
        self._labels = labels
        self._scores = (
            LabelScores(labels, tokenizer.end_tokens) if labels and labels.children else None
        )
        self._generated: list[int] = []
        self._recent_bytes = b""
        self._error = ""
        self._probabilities: dict[str, float] | None = None
        self._random = np.random.Generator(np.random.PCG64(request.seed))
        self._started = time.perf_counter()
        if grammar is not None:
            self._append(grammar.fast_forward())

    @property
    def prompt(self) -> list[int]:
        """The tokens of the prompt."""
        return self.tokens[: self._prompt_length]

    @property
    def limit(self) -> int:
        """So many tokens may be written."""
        return self._limit

    @property
    def pending_tokens(self) -> int:
        """How many tokens are still to be decoded."""
        return len(self.tokens) - self.position

    @property
    def cached_prompt(self) -> list[int]:
        """What the memory holds of the prompt."""
        return self.tokens[: min(self.position, self._prompt_length)]

    @property
    def is_prefilling(self) -> bool:
        """Whether what waits is part of the prompt."""
        return self.position < self._prompt_length

    @property
    def prefilled_tokens(self) -> int:
        """How many tokens of the prompt were decoded for it."""
        return max(0, min(self.position, self._prompt_length) - self.cached_tokens)

    @property
    def generated_tokens(self) -> int:
        """How many tokens were written."""
        return len(self._generated)

    def on_logits(self, logits: Logits) -> None:
        """Takes the logits behind the last token and moves on."""
        if self._labels is not None:
            self._score_labels(logits, self._labels)
            return
        sampling = self.request.sampling
        token = sample(logits, sampling, self._random)
        if self._grammar is None:
            self._append([token])
        else:
            self._append(
                self._grammar.accept_or_resample(
                    token, logits, lambda row: sample(row, sampling, self._random)
                )
            )
        self.one_token_per_step = self.pending_tokens <= MAX_SINGLE_TOKEN_STEPS

    def abort(self) -> None:
        """Ends where it is: the model's memory has no room for more."""
        self.finish = "length" if self._generated and self._labels is None else "too_long"

    def fail(self, reason: str) -> None:
        """Ends without an answer."""
        self._error = reason
        self._probabilities = None
        self.finish = "failed"

    def _append(self, tokens: Iterable[int]) -> None:
        for token in tokens:
            if token in self._tokenizer.end_tokens:
                self.finish = "stop"
                return
            self._generated.append(token)
            self.tokens.append(token)
            if (
                self._tokenizer.stop_text
                and self._grammar is None
                and self._reached_stop_text(token)
            ):
                self.finish = "stop"
                return
        if self._grammar is not None and self._grammar.is_complete:
            self.finish = "stop"
        elif len(self._generated) >= self._limit:
            self.finish = self.finish_at_limit

    def _reached_stop_text(self, token: int) -> bool:
        """Whether the text that closes a turn has just been written."""
        stop = self._tokenizer.stop_text.encode()
        self._recent_bytes = (self._recent_bytes + self._tokenizer.token_bytes[token])[
            -len(stop) - 64 :
        ]
        return stop in self._recent_bytes

    def _score_labels(self, logits: Logits, root: LabelNode) -> None:
        if self._scores is None:
            self._set_probabilities(
                label_probabilities(logits, [list(tokens) for tokens in root.own_tokens])
            )
            return
        path = self._scores.on_logits(logits)
        if path is None:
            self._set_probabilities(self._scores.probabilities())
            return
        # What was looked at before stays in memory as far as it is the same.
        prompt, looked_at = self.tokens[: self._prompt_length], self.tokens[self._prompt_length :]
        self.tokens = [*prompt, *path]
        same = len(path) - 1 if looked_at == [*path[:-1]] else 0
        self.rollback_to = self._prompt_length + same
        self.one_token_per_step = True

    def _set_probabilities(self, found: NDArray[np.float64]) -> None:
        assert self.request.constraint is not None
        labels = self.request.constraint.labels  # type: ignore[union-attr]
        self._probabilities = dict(zip(labels, found.tolist(), strict=True))
        self.finish = "stop"

    def completion(self) -> Completion:
        assert self.finish is not None
        probabilities = self._probabilities
        return Completion(
            id=self.request.id,
            text=max(probabilities, key=probabilities.__getitem__)
            if probabilities
            else self._error or self._text(),
            finish=self.finish,
            tokens_in=self._prompt_length,
            tokens_out=len(self._generated),
            seconds=time.perf_counter() - self._started,
            probabilities=probabilities,
            tokens_decoded=self._prompt_length - self.cached_tokens,
        )

    def _text(self) -> str:
        text = self._tokenizer.decode(self._generated)
        if stop := self._tokenizer.stop_text:
            return text.partition(stop)[0] if self._grammar is None else text
        return text
