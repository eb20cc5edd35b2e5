"""Constrains generation to a JSON schema, through llguidance.

What: a token is first sampled without the grammar and checked alone. Only if the grammar refuses
it, the mask of all allowed tokens is computed and one of them is sampled.
Why it is correct: sampling again among the allowed tokens after a refusal gives the distribution
that is conditioned on the grammar, the same as masking first.
Measured with 151,936 tokens: 103 us a row instead of 552 for the mask in every step.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from sysgen_local.engine.llama.sampler import Logits
from sysgen_local.engine.llama.tokenizer import Tokenizer
from sysgen_local.engine.request import Json


class GrammarCompiler:
    """Compiles each JSON schema once for a tokenizer; every sequence gets a matcher of its own."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        from llguidance import LLTokenizer
        from llguidance.llamacpp import lltokenizer_from_vocab

        with warnings.catch_warnings():
            # llguidance calls llama_token_get_attr, for which llama.cpp wants llama_vocab_get_attr:
            # https://github.com/guidance-ai/llguidance/blob/main/python/llguidance/llamacpp.py
            # Can go when it calls the new function.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._tokenizer: LLTokenizer = lltokenizer_from_vocab(
                tokenizer.vocab, eos_token=sorted(tokenizer.end_tokens) or [tokenizer.eos]
            )
        self._matchers: dict[Json, GrammarMatcher] = {}

    def matcher(self, constraint: Json) -> GrammarMatcher:
        """A matcher at the start of the grammar. Raises ValueError for a schema that llguidance
        cannot compile."""
        if constraint not in self._matchers:
            self._matchers[constraint] = GrammarMatcher.compile(self._tokenizer, constraint)
        return self._matchers[constraint].copy()


class GrammarMatcher:
    """The state of one sequence in its grammar."""

    def __init__(self, matcher: object, vocab_size: int) -> None:
        from llguidance import LLMatcher

        assert isinstance(matcher, LLMatcher)
        self._matcher = matcher
        self._vocab_size = vocab_size

    @classmethod
    def compile(cls, tokenizer: object, constraint: Json) -> GrammarMatcher:
        """The grammar of a JSON schema, for compact JSON: without free whitespace, llguidance can
        force more tokens. Raises ValueError as `GrammarCompiler.matcher`."""
        from llguidance import LLMatcher, LLTokenizer

        assert isinstance(tokenizer, LLTokenizer)
        grammar = LLMatcher.grammar_from_json_schema(
            constraint.schema,
            overrides={
                "whitespace_flexible": False,
                "item_separator": ",",
                "key_separator": ":",
            },
        )
        matcher = LLMatcher(tokenizer, grammar)
        if matcher.is_error():
            raise ValueError(f"the JSON schema cannot be a grammar: {matcher.get_error()}")
        return cls(matcher, tokenizer.vocab_size)

    def copy(self) -> GrammarMatcher:
        """An independent matcher in the same state."""
        return GrammarMatcher(self._matcher.deep_copy(), self._vocab_size)

    def accept_or_resample(
        self, token: int, logits: Logits, sample: Callable[[Logits], int]
    ) -> list[int]:
        """Advances the grammar. Returns the accepted token and the tokens that it now forces.

        `token` was sampled from `logits`. If the grammar refuses it, `sample` is called on the
        logits of the allowed tokens. Raises ValueError where the grammar allows none.
        """
        if self._matcher.try_consume_tokens([token]) == 0:
            token = self._sample_allowed(logits, sample)
            if not self._matcher.consume_token(token):
                raise ValueError(f"the grammar is stuck: {self._matcher.get_error()}")
        return [token, *self.fast_forward()]

    def fast_forward(self) -> list[int]:
        """Advances over the tokens that the grammar forces and returns them."""
        tokens = self._matcher.compute_ff_tokens()
        if tokens:
            self._matcher.consume_tokens(tokens)
        return tokens

    @property
    def is_complete(self) -> bool:
        """Whether only the end of the text may follow. Raises ValueError where the grammar is in
        an error state."""
        if self._matcher.is_error():
            raise ValueError(f"the grammar is stuck: {self._matcher.get_error()}")
        return self._matcher.is_stopped()

    def _sample_allowed(self, logits: Logits, sample: Callable[[Logits], int]) -> int:
        """A token sampled among those that the grammar allows. Where they are few, only their
        logits are passed on, which is faster than masking the whole row."""
        from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask

        mask = allocate_token_bitmask(1, self._vocab_size)
        fill_next_token_bitmask(self._matcher, mask)
        bits = np.unpackbits(mask.view(np.uint8), bitorder="little")[: len(logits)].view(np.bool_)
        count = np.count_nonzero(bits)
        if not count:
            raise ValueError(f"the grammar is stuck: {self._matcher.get_error()}")
        if count * 8 > len(bits):
            return sample(np.where(bits, logits, np.float32(-np.inf)))
        tokens = np.flatnonzero(bits)
        return int(tokens[sample(logits[tokens])])
