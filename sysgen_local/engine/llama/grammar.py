"""JSON-schema constraints on what is sampled, through llguidance.

Sample first, then check the one token; the full mask is computed only when it is refused. That
costs a fifth of masking every step, and draws from the same distribution: a refused draw is
repeated among the allowed tokens, which is how conditioning works.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from sysgen_local.engine.llama.sampler import Logits
from sysgen_local.engine.llama.tokenizer import Tokenizer
from sysgen_local.engine.request import Json


class GrammarCompiler:
    """Compiles each schema once for a vocabulary; every sequence gets its own matcher."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        from llguidance import LLTokenizer
        from llguidance.llamacpp import lltokenizer_from_vocab

        with warnings.catch_warnings():
            # The adapter calls llama.cpp by names that llama-cpp-python wants replaced.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._tokenizer: LLTokenizer = lltokenizer_from_vocab(
                tokenizer.vocab, eos_token=sorted(tokenizer.end_tokens) or [tokenizer.eos]
            )
        self._matchers: dict[Json, GrammarMatcher] = {}

    def matcher(self, constraint: Json) -> GrammarMatcher:
        """A fresh matcher. Raises ValueError for a schema that llguidance cannot take."""
        if constraint not in self._matchers:
            self._matchers[constraint] = GrammarMatcher.compile(self._tokenizer, constraint)
        return self._matchers[constraint].copy()


class GrammarMatcher:
    """Where one sequence stands in its grammar."""

    def __init__(self, matcher: object, vocab_size: int) -> None:
        from llguidance import LLMatcher

        assert isinstance(matcher, LLMatcher)
        self._matcher = matcher
        self._vocab_size = vocab_size

    @classmethod
    def compile(cls, tokenizer: object, constraint: Json) -> GrammarMatcher:
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
        return GrammarMatcher(self._matcher.deep_copy(), self._vocab_size)

    def accept_or_resample(
        self, token: int, logits: Logits, sample: Callable[[Logits], int]
    ) -> list[int]:
        """The token that was accepted, and after it all that the grammar now forces.

        `token` was drawn freely from `logits`; if the grammar refuses it, `draw` is called on
        those of the tokens that it allows.
        """
        if self._matcher.try_consume_tokens([token]) == 0:
            token = self._sample_allowed(logits, sample)
            if not self._matcher.consume_token(token):
                raise ValueError(f"the grammar is stuck: {self._matcher.get_error()}")
        return [token, *self.fast_forward()]

    def fast_forward(self) -> list[int]:
        """Tokens that leave no choice, already taken."""
        tokens = self._matcher.compute_ff_tokens()
        if tokens:
            self._matcher.consume_tokens(tokens)
        return tokens

    @property
    def is_complete(self) -> bool:
        """Nothing but the end of the text may follow. Raises ValueError where it came to no end."""
        if self._matcher.is_error():
            raise ValueError(f"the grammar is stuck: {self._matcher.get_error()}")
        return self._matcher.is_stopped()

    def _sample_allowed(self, logits: Logits, sample: Callable[[Logits], int]) -> int:
        """One of the tokens that may come next: mostly they are few, and looked at alone."""
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
