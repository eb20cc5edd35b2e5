"""Tokenises rendered prompts and turns tokens into text, with llama.cpp's vocabulary.

What: a prompt comes as parts. Only the markup of the chat template may become control tokens; text
that merely looks like one is cut in two, so that it becomes ordinary tokens.
Why: text of a row must not open or close a chat turn.
All text between two control tokens is tokenised in one call, so ordinary text gets the tokens that
the model was trained on.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterable
from functools import cached_property
from typing import Any, NamedTuple

import llama_cpp

from sysgen_local.core.errors import UsageError
from sysgen_local.engine.llama.labels import LabelNode, build_label_tree

_CONTROL_LIKE = re.compile(
    r"<\|.*\|>|\[/?[A-Z_]+\]|</?(think|tool\w*|s|start_of_turn|end_of_turn)>"
)
"""The usual forms of control tokens. A "user defined" token of such a form is treated as one."""

MAX_CACHED_HEADS = 64
"""How many beginnings of prompts are kept as tokens."""


class PromptPart(NamedTuple):
    """A part of a rendered prompt. `markup`: text of the chat template; `row`: text of a dataset's
    row. A part that is neither is text of a prompt file."""

    text: str
    markup: bool = False
    row: bool = False


class EncodedPrompt(NamedTuple):
    """Token ids of a prompt. The first `prefix_length` do not depend on text of a row, so prompts
    of the same kind share them."""

    tokens: list[int]
    prefix_length: int


class Tokenizer:
    """The vocabulary of a model, together with its chat template.

    vocab: pointer to llama.cpp's vocabulary. stop_text: the text that ends an answer where the
    chat template closes a turn with no control token; "" where it has one. closing: the markup that
    a model writes behind its answer to end it.
    """

    def __init__(self, model: Any, template: str = "") -> None:
        self.vocab = llama_cpp.llama_model_get_vocab(model)
        self.size: int = llama_cpp.llama_vocab_n_tokens(self.vocab)
        self.bos: int = llama_cpp.llama_vocab_bos(self.vocab)
        self.eos: int = llama_cpp.llama_vocab_eos(self.vocab)
        self.add_bos: bool = llama_cpp.llama_vocab_get_add_bos(self.vocab)
        self.template = template
        self.stop_text = ""
        self.closing = self.token_text(self.eos)
        self._turn_end_tokens: frozenset[int] = frozenset()
        self._closing_token = -1
        self._head_cache: dict[tuple[PromptPart, ...], list[int]] = {}

    @cached_property
    def token_bytes(self) -> list[bytes]:
        """The bytes of each token; empty for control tokens."""
        return [self._token_to_piece(token, special=False) for token in range(self.size)]

    def learn_answer_end(self, after_answer: str, at_end: str) -> None:
        """Sets what ends an answer, from the markup of a chat template. `after_answer` stands
        between an answer and the next user message, `at_end` behind an answer that ends the chat.

        All control tokens of `after_answer` end an answer: they close the turn or open another.
        """
        closing = self._split_at_control(after_answer)[1::2]
        self._closing_token = self._control_tokens[closing[0]] if closing else -1
        closing += self._split_at_control(at_end)[1::2][:1]
        self._turn_end_tokens = frozenset(self._control_tokens[form] for form in closing)
        self.__dict__.pop("end_tokens", None)
        if not self._turn_end_tokens:
            lines = after_answer.strip().splitlines()
            if lines and len(lines[0].strip()) > 2:
                before = after_answer[: len(after_answer) - len(after_answer.lstrip())]
                self.stop_text = f"{before}{lines[0].rstrip()}"
        marks = (self._split_at_control(markup) for markup in (after_answer, at_end))
        with_token = ("".join(mark[:2]) for mark in marks if len(mark) > 1)
        self.closing = next(with_token, self.stop_text) or self.token_text(self.eos)

    @cached_property
    def end_tokens(self) -> frozenset[int]:
        """The tokens that end an answer: those of the GGUF and those of the chat template. Where
        the template has some, ordinary tokens that the GGUF names as an end are left out."""
        if not self._turn_end_tokens:
            return self._eog_tokens
        control = llama_cpp.LLAMA_TOKEN_ATTR_CONTROL | llama_cpp.LLAMA_TOKEN_ATTR_USER_DEFINED
        attr = llama_cpp.llama_vocab_get_attr
        named = {t for t in self._eog_tokens if attr(self.vocab, t) & control}
        return self._turn_end_tokens | named

    @property
    def answer_ends(self) -> tuple[str, ...]:
        """What ends an answer by the chat template, as text: its tokens, else the stop text."""
        tokens = tuple(sorted(map(self.token_text, self._turn_end_tokens)))
        return tokens or ((self.stop_text,) if self.stop_text else ())

    @property
    def template_end(self) -> str:
        """The token that closes an answer in the template, as text; "" where the GGUF names it."""
        return (
            "" if self._closing_token in self._eog_tokens else self.token_text(self._closing_token)
        )

    @cached_property
    def _eog_tokens(self) -> frozenset[int]:
        """The tokens that the GGUF names as an end of generation."""
        is_eog = llama_cpp.llama_vocab_is_eog
        return frozenset(t for t in range(self.size) if is_eog(self.vocab, t))

    def token_text(self, token: int) -> str:
        """A token as it is written in a chat template; "" for a negative id."""
        return (
            "" if token < 0 else self._token_to_piece(token, special=True).decode(errors="replace")
        )

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of an answer. An incomplete character at its end is left out. Control tokens
        are written out, because they do not belong there and must be visible."""
        texts, control = self.token_bytes, self._control_token_bytes
        return b"".join(texts[t] or control.get(t, b"") for t in tokens).decode(
            "utf-8", errors="ignore"
        )

    def encode(self, parts: Iterable[PromptPart]) -> EncodedPrompt:
        """The tokens of a rendered prompt, with BOS where the model wants it. Raises ValueError for
        text that cannot be tokenised."""
        items = list(parts)
        head = 0
        while head < len(items) and not items[head].row:
            head += 1
        tokens = self._with_bos(self._encode(items))
        if head == len(items):
            return EncodedPrompt(tokens, len(tokens))
        head_tokens = self._encode_head(tuple(items[:head]))
        # The token at the border may include text of the row: two tokens are not shared.
        return EncodedPrompt(tokens, max(0, common_prefix_length(tokens, head_tokens) - 2))

    def encode_answer(self, parts: Iterable[PromptPart]) -> list[int]:
        """The tokens of an answer that follows a prompt, without BOS. Raises as `encode`."""
        return self._encode(list(parts))

    def label_tree(self, labels: tuple[str, ...]) -> LabelNode:
        """A tree of the labels' usual spellings in tokens. Raises UsageError where this vocabulary
        cannot tell them apart."""
        spellings = [self._spellings(label) for label in labels]
        try:
            root = build_label_tree(spellings)
            if root.children and self._adds_space_prefix:
                # SentencePiece puts a space before every text, but a model may answer without it.
                single = [self._single_token_spellings(label) for label in labels]
                both = [a | b for a, b in zip(spellings, single, strict=True)]
                root = build_label_tree(both, full_depth=True)
            return root
        except ValueError as error:
            raise UsageError(
                f"the labels {', '.join(labels)} cannot be told apart in this model's tokens",
                hint="take another model for this",
            ) from error

    def _spellings(self, label: str) -> set[tuple[int, ...]]:
        """The tokens of a label's spellings, without spellings that hold an unknown token."""
        found = {tuple(self._tokenize(word)) for word in _spelling_variants(label)}
        unknown = llama_cpp.LLAMA_TOKEN_ATTR_UNKNOWN
        attr = llama_cpp.llama_vocab_get_attr
        return {p for p in found if p and not any(attr(self.vocab, t) & unknown for t in p)}

    def _single_token_spellings(self, label: str) -> set[tuple[int, ...]]:
        """The single tokens whose text is a spelling of the label."""
        wanted = {word.encode() for word in _spelling_variants(label)}
        return {(token,) for token, piece in enumerate(self.token_bytes) if piece in wanted}

    @cached_property
    def _adds_space_prefix(self) -> bool:
        """Whether the tokenizer is of a kind that puts a space before every text."""
        kinds = (llama_cpp.LLAMA_VOCAB_TYPE_SPM, llama_cpp.LLAMA_VOCAB_TYPE_UGM)
        return llama_cpp.llama_vocab_type(self.vocab) in kinds

    def _encode(self, parts: list[PromptPart]) -> list[int]:
        """The tokens of the parts, without BOS."""
        tokens: list[int] = []
        run = ""
        for piece in parts:
            if piece.markup:
                for i, part in enumerate(self._split_at_control(piece.text)):
                    if i % 2:
                        tokens += self._tokenize(run)
                        tokens.append(self._control_tokens[part])
                        run = ""
                    else:
                        run += part
            else:
                *broken, last = self._split_look_alikes(piece.text)
                for part in broken:
                    tokens += self._tokenize(run + part)
                    run = ""
                run += last
        return tokens + self._tokenize(run)

    def _encode_head(self, head: tuple[PromptPart, ...]) -> list[int]:
        """The tokens of a beginning that many prompts share; kept after the first time."""
        if head not in self._head_cache:
            if len(self._head_cache) >= MAX_CACHED_HEADS:
                self._head_cache.clear()
            self._head_cache[head] = self._with_bos(self._encode(list(head)))
        return self._head_cache[head]

    def _with_bos(self, tokens: list[int]) -> list[int]:
        """The tokens with BOS before them, where the model wants it and it is not there."""
        if self.add_bos and self.bos >= 0 and tokens[:1] != [self.bos]:
            return [self.bos, *tokens]
        return tokens

    @cached_property
    def _control_tokens(self) -> dict[str, int]:
        """Text -> id of each token that only markup may produce."""
        attr = llama_cpp.llama_vocab_get_attr
        control = llama_cpp.LLAMA_TOKEN_ATTR_CONTROL | llama_cpp.LLAMA_TOKEN_ATTR_UNKNOWN
        found: dict[str, int] = {}
        for token in range(self.size):
            kind = attr(self.vocab, token)
            if kind & (control | llama_cpp.LLAMA_TOKEN_ATTR_USER_DEFINED):
                text = self.token_text(token)
                if kind & control or text in self.template or _CONTROL_LIKE.fullmatch(text):
                    found[text] = token
        return {text: token for text, token in found.items() if text.strip()}

    @cached_property
    def _control_token_bytes(self) -> dict[int, bytes]:
        """Id -> text of each control token."""
        attr, control = llama_cpp.llama_vocab_get_attr, llama_cpp.LLAMA_TOKEN_ATTR_CONTROL
        return {
            token: self._token_to_piece(token, special=True)
            for token in range(self.size)
            if attr(self.vocab, token) & control
        }

    @cached_property
    def _control_pattern(self) -> re.Pattern[str]:
        """Matches the text of any control token; the longer one where two begin alike."""
        forms = sorted(self._control_tokens, key=len, reverse=True)
        return re.compile(f"({'|'.join(map(re.escape, forms))})" if forms else r"(?!)()")

    def _split_at_control(self, text: str) -> list[str]:
        """The text split at control tokens: text and control token in turn."""
        return self._control_pattern.split(text)

    def _split_look_alikes(self, text: str) -> list[str]:
        """Cuts `text` behind the first character of everything that looks like a control token.

        With parse_special off, llama.cpp keeps control tokens out of plain text, but not those that
        are "user defined", such as `<think>`. Cut in two, they become ordinary tokens.
        """
        parts = self._control_pattern.split(text)
        if len(parts) == 1:
            return parts
        cut = [parts[0]]
        for form, after in zip(parts[1::2], parts[2::2], strict=True):
            cut[-1] += form[:1]
            cut.append(form[1:] + after)
        return cut

    def _tokenize(self, text: str) -> list[int]:
        """The tokens of plain text, without control tokens and BOS."""
        if not text:
            return []
        data = text.encode("utf-8", errors="replace")
        capacity = len(data) + 8
        buffer = (llama_cpp.llama_token * capacity)()
        n = llama_cpp.llama_tokenize(self.vocab, data, len(data), buffer, capacity, False, False)
        if n < 0:
            raise ValueError(f"text of {len(data)} bytes cannot be tokenised")
        return list(buffer[:n])

    def _token_to_piece(self, token: int, *, special: bool) -> bytes:
        """The bytes of a token. `special`: write control tokens out, which are else empty."""
        buffer = ctypes.create_string_buffer(256)
        n = llama_cpp.llama_token_to_piece(self.vocab, token, buffer, 256, 0, special)
        if n < 0:
            buffer = ctypes.create_string_buffer(-n)
            n = llama_cpp.llama_token_to_piece(self.vocab, token, buffer, -n, 0, special)
        return buffer.raw[: max(n, 0)]


def _spelling_variants(label: str) -> set[str]:
    """The label as it is and capitalised, with and without a space before it."""
    return {spelling for word in (label, label.capitalize()) for spelling in (word, f" {word}")}


def common_prefix_length(a: list[int], b: list[int]) -> int:
    """The length of the common beginning. Binary search over slices: comparing two slices is one
    call, comparing token by token is a Python loop."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
