"""Makes a sequence of a request: renders and tokenises the prompt, and looks whether it fits.

Nothing here touches llama.cpp's context, so it can be done while a step is decoded.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from sysgen_local.core.errors import UsageError
from sysgen_local.engine.llama.grammar import GrammarCompiler
from sysgen_local.engine.llama.labels import LabelNode
from sysgen_local.engine.llama.sequence import Sequence
from sysgen_local.engine.llama.tokenizer import PromptPart, Tokenizer
from sysgen_local.engine.request import Choice, Completion, Finish, Json, Message, Request


class Admission:
    """Makes the sequences of one engine."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        render: Callable[[tuple[Message, ...]], list[PromptPart]],
        *,
        context_tokens: int,
        slot_tokens: int,
    ) -> None:
        """`render`: see `ChatTemplate.render`. `context_tokens`: tokens that prompt and answer may
        take together; `slot_tokens`: tokens that a slot holds."""
        self._tokenizer = tokenizer
        self._render = render
        self._context_tokens = context_tokens
        self._slot_tokens = slot_tokens
        self._label_trees: dict[Choice, LabelNode] = {}

    def sequence(self, request: Request) -> Sequence | Completion:
        """The sequence of a request. A completion if it ends before it is decoded: the template
        refuses it, or it does not fit. Raises UsageError for labels that this vocabulary cannot
        tell apart."""
        try:
            parts = self._render(request.messages)
        except UsageError as error:
            return Completion(request.id, error.message, "refused")
        try:
            tokens, prefix_length = self._tokenizer.encode(parts)
        except ValueError as error:
            return Completion(request.id, str(error), "failed")
        least = min(request.min_tokens, request.max_tokens)
        context_left = self._context_tokens - len(tokens)
        slot_left = self._slot_tokens - len(tokens)
        if slot_left < least:
            why: Finish = "too_long" if context_left < least else "no_room"
            return Completion(request.id, "", why, tokens_in=len(tokens), tokens_decoded=0)
        limit = min(context_left, request.max_tokens)
        at_limit: Finish = "length" if slot_left >= limit else "no_room"
        try:
            return self._made(request, tokens, prefix_length, min(slot_left, limit), at_limit)
        except ValueError as error:  # the schema cannot be compiled to a grammar
            return Completion(request.id, str(error), "failed", tokens_in=len(tokens))

    def restarted(self, old: Sequence) -> Sequence:
        """The same sequence at its beginning."""
        prefix_length = len(old.shared_prefix)
        return self._made(old.request, old.prompt, prefix_length, old.limit, old.finish_at_limit)

    def _made(
        self,
        request: Request,
        tokens: list[int],
        prefix_length: int,
        limit: int,
        finish_at_limit: Finish,
    ) -> Sequence:
        """Raises ValueError for a schema that is no grammar, and UsageError as `sequence`."""
        constraint = request.constraint
        grammar = (
            self._grammar_compiler.matcher(constraint) if isinstance(constraint, Json) else None
        )
        label_tree = None
        if isinstance(constraint, Choice):
            if constraint not in self._label_trees:
                self._label_trees[constraint] = self._tokenizer.label_tree(constraint.labels)
            label_tree = self._label_trees[constraint]
        return Sequence(
            request,
            tokens,
            prefix_length=prefix_length,
            limit=limit,
            tokenizer=self._tokenizer,
            grammar=grammar,
            label_tree=label_tree,
            finish_at_limit=finish_at_limit,
        )

    @cached_property
    def _grammar_compiler(self) -> GrammarCompiler:
        """Made for the first JSON schema, because it reads the whole vocabulary."""
        return GrammarCompiler(self._tokenizer)
