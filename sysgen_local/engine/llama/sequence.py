"""One request while it runs: its pending tokens, and what was generated so far.

A sequence gets a row of logits each time all of its pending tokens are decoded (`on_logits`), and
then decides the next tokens or its end. It does not depend on batches or on llama.cpp.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from sysgen_local.engine.llama.grammar import GrammarMatcher
from sysgen_local.engine.llama.labels import LabelNode, LabelScores
from sysgen_local.engine.llama.sampler import (
    AnyLogits,
    Candidates,
    Logits,
    label_probabilities,
    needs_only_candidates,
    sample,
    sample_candidate,
)
from sysgen_local.engine.llama.tokenizer import Tokenizer
from sysgen_local.engine.request import Completion, Finish, Request

MAX_SINGLE_TOKEN_STEPS = 8
"""Up to this many tokens that a grammar forces at once are decoded one in each step, beside the
other sequences. llama.cpp computes sequences together only as far as they are equally long, so a
longer chunk costs another pass over the weights, which is as dear as about eight such tokens.
In a profile 398 of 1,418 steps had such a pass (benchmarks/README.md)."""


class Sequence:
    """State of one request.

    tokens: prompt and generated tokens. position: how many of them are in the KV cache; the others
    are pending. slot: -1 before one is assigned. cached_tokens: how many tokens of the prompt were
    in the slot already. one_token_per_step: whether pending tokens are decoded one in each step.
    rollback_to: how many tokens in the cache stay valid; None where all do. finish: None while the
    sequence runs.
    """

    def __init__(
        self,
        request: Request,
        prompt: list[int],
        *,
        limit: int,
        tokenizer: Tokenizer,
        prefix_length: int = 0,
        grammar: GrammarMatcher | None = None,
        label_tree: LabelNode | None = None,
        finish_at_limit: Finish = "length",
    ) -> None:
        """`limit`: the most tokens to generate; `finish_at_limit`: the finish reason there.
        `prefix_length`: tokens that the prompts of the request's group share. `grammar` and
        `label_tree` exclude each other."""
        self.request = request
        self.tokens = prompt
        self.position = 0
        self.one_token_per_step = False
        self.cached_tokens = 0
        self.slot = -1
        self.rollback_to: int | None = None
        self.finish: Finish | None = None
        self.limit = limit
        self.finish_at_limit = finish_at_limit
        self.prompt_length = len(prompt)
        self._prefix_length = prefix_length
        self._tokenizer = tokenizer
        self._grammar = grammar
        self._label_tree = label_tree
        self._label_scores: LabelScores | None = None
        if label_tree is not None and label_tree.children:
            self._label_scores = LabelScores(label_tree, tokenizer.end_tokens)
        self._generated: list[int] = []
        self._recent_bytes = b""
        self._error = ""
        self._probabilities: dict[str, float] | None = None
        self._random = np.random.Generator(np.random.PCG64(request.seed))
        self._started = time.perf_counter()
        if grammar is not None:
            self._append(grammar.fast_forward())

    @property
    def needs_only_candidates(self) -> bool:
        """Whether the most probable tokens are enough to go on, without the whole row of logits."""
        is_free = self.request.constraint is None
        return is_free and needs_only_candidates(self.request.sampling)

    @property
    def prompt(self) -> list[int]:
        """The tokens of the prompt."""
        return self.tokens[: self.prompt_length]

    @property
    def shared_prefix(self) -> list[int]:
        """The tokens with which the prompts of the request's group begin."""
        return self.tokens[: self._prefix_length]

    @property
    def pending_tokens(self) -> int:
        """How many tokens are still to be decoded."""
        return len(self.tokens) - self.position

    @property
    def cached_prompt(self) -> list[int]:
        """The tokens of the prompt that are in the KV cache."""
        return self.tokens[: min(self.position, self.prompt_length)]

    @property
    def is_prefilling(self) -> bool:
        """Whether the next pending token belongs to the prompt."""
        return self.position < self.prompt_length

    @property
    def prefilled_tokens(self) -> int:
        """How many tokens of the prompt were decoded for this sequence."""
        return max(0, min(self.position, self.prompt_length) - self.cached_tokens)

    @property
    def generated_tokens(self) -> int:
        """How many tokens were generated."""
        return len(self._generated)

    def on_logits(self, logits: AnyLogits) -> None:
        """Takes the logits behind the last token, shape (vocabulary,), and appends what follows. A
        sequence that needs only candidates also takes those. Raises ValueError where the grammar
        allows nothing or no label has any probability."""
        if isinstance(logits, Candidates):
            assert self.needs_only_candidates
            self._append([sample_candidate(logits, self.request.sampling, self._random)])
            self.one_token_per_step = self.pending_tokens <= MAX_SINGLE_TOKEN_STEPS
            return
        if self._label_tree is not None:
            self._score_labels(logits, self._label_tree)
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
        """Ends the sequence where it is, because its slot has no free cells left."""
        has_text = self._generated and self._label_tree is None
        self.finish = "length" if has_text else "too_long"

    def fail(self, reason: str) -> None:
        """Ends the sequence without an answer."""
        self._error = reason
        self._probabilities = None
        self.finish = "failed"

    def _append(self, tokens: Iterable[int]) -> None:
        """Appends generated tokens up to one that ends the answer, and sets `finish` there."""
        stop_text = self._tokenizer.stop_text
        for token in tokens:
            if token in self._tokenizer.end_tokens:
                self.finish = "stop"
                return
            self._generated.append(token)
            self.tokens.append(token)
            if stop_text and self._grammar is None and self._reached(stop_text, token):
                self.finish = "stop"
                return
        if self._grammar is not None and self._grammar.is_complete:
            self.finish = "stop"
        elif len(self._generated) >= self.limit:
            self.finish = self.finish_at_limit

    def _reached(self, stop_text: str, token: int) -> bool:
        """Whether the generated text contains the stop text, now that `token` is appended. Only
        the last bytes are kept and searched."""
        stop = stop_text.encode()
        recent = self._recent_bytes + self._tokenizer.token_bytes[token]
        self._recent_bytes = recent[-len(stop) - 64 :]
        return stop in self._recent_bytes

    def _score_labels(self, logits: Logits, root: LabelNode) -> None:
        """Reads label probabilities from the logits, or asks for the next tokens to look at."""
        if self._label_scores is None:
            starts = [list(tokens) for tokens in root.own_tokens]
            self._set_probabilities(label_probabilities(logits, starts))
            return
        path = self._label_scores.on_logits(logits)
        if path is None:
            self._set_probabilities(self._label_scores.probabilities())
            return
        # The tokens of the last path stay in the cache as far as the new path begins with them.
        prompt, looked_at = self.tokens[: self.prompt_length], self.tokens[self.prompt_length :]
        self.tokens = [*prompt, *path]
        same = len(path) - 1 if looked_at == [*path[:-1]] else 0
        self.rollback_to = self.prompt_length + same
        self.one_token_per_step = True

    def _set_probabilities(self, found: NDArray[np.float64]) -> None:
        """Ends the sequence with these label probabilities, in the order of the labels."""
        assert self.request.constraint is not None
        labels = self.request.constraint.labels  # type: ignore[union-attr]
        self._probabilities = dict(zip(labels, found.tolist(), strict=True))
        self.finish = "stop"

    def completion(self) -> Completion:
        """The result of a sequence that has finished."""
        assert self.finish is not None
        probabilities = self._probabilities
        return Completion(
            id=self.request.id,
            text=max(probabilities, key=probabilities.__getitem__)
            if probabilities
            else self._error or self._text(),
            finish=self.finish,
            tokens_in=self.prompt_length,
            tokens_out=len(self._generated),
            seconds=time.perf_counter() - self._started,
            probabilities=probabilities,
            tokens_decoded=self.prefilled_tokens,
        )

    def _text(self) -> str:
        """The generated text, up to the stop text if there is one."""
        text = self._tokenizer.decode(self._generated)
        if stop := self._tokenizer.stop_text:
            return text.partition(stop)[0] if self._grammar is None else text
        return text
