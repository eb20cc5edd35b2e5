"""The model's vocabulary: text to tokens and back, and which tokens steer the model.

Text goes in as pieces of which only chat-template markup may become control tokens. Between two
control tokens all text is tokenised in one go, so harmless text gets the same tokens that the
model was trained on.
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


MAX_CACHED_HEADS = 64
"""How many beginnings of prompts are remembered as tokens."""


class PromptPart(NamedTuple):
    """`markup` text belongs to the chat template; `row` text comes from a dataset."""

    text: str
    markup: bool = False
    row: bool = False


class EncodedPrompt(NamedTuple):
    """Token ids of a prompt; the first `shared` of them do not depend on row text."""

    tokens: list[int]
    prefix_length: int


class Tokenizer:
    """`stop`: the text that ends an answer where the chat template closes a turn with no token of
    its own ("" where it has one)."""

    def __init__(self, model: Any, template: str = "") -> None:
        self.vocab = llama_cpp.llama_model_get_vocab(model)
        self.size: int = llama_cpp.llama_vocab_n_tokens(self.vocab)
        self.bos: int = llama_cpp.llama_vocab_bos(self.vocab)
        self.eos: int = llama_cpp.llama_vocab_eos(self.vocab)
        self.add_bos: bool = llama_cpp.llama_vocab_get_add_bos(self.vocab)
        self.template = template
        self.stop_text = ""
        self._turn_end_tokens: frozenset[int] = frozenset()
        self._turn_end_token = -1
        self._head_cache: dict[tuple[PromptPart, ...], list[int]] = {}

    @cached_property
    def token_bytes(self) -> list[bytes]:
        """The bytes every token stands for; control tokens stand for none."""
        return [self._token_to_piece(token, special=False) for token in range(self.size)]

    def learn_answer_end(self, after_answer: str, at_end: str) -> None:
        """Learns what ends an answer from the markup of a chat template: `behind` stands between
        the assistant's words and the next user's, `last` behind an answer that nothing follows.

        No token of `behind` belongs into an answer: it closes the turn, or opens another one.
        """
        closing = self._split_at_control(after_answer)[1::2]
        self._turn_end_token = self._control_tokens[closing[0]] if closing else -1
        closing += self._split_at_control(at_end)[1::2][:1]
        self._turn_end_tokens = frozenset(self._control_tokens[form] for form in closing)
        self.__dict__.pop("end_tokens", None)
        if not self._turn_end_tokens:
            lines = after_answer.strip().splitlines()
            if lines and len(lines[0].strip()) > 2:
                before = after_answer[: len(after_answer) - len(after_answer.lstrip())]
                self.stop_text = f"{before}{lines[0].rstrip()}"

    @cached_property
    def end_tokens(self) -> frozenset[int]:
        """Tokens that end a generation: by the file, and by its chat template. An ordinary token
        that the file gives for the end is left out where the template has one."""
        if not self._turn_end_tokens:
            return self._eog_tokens
        control = llama_cpp.LLAMA_TOKEN_ATTR_CONTROL | llama_cpp.LLAMA_TOKEN_ATTR_USER_DEFINED
        attr = llama_cpp.llama_vocab_get_attr
        named = {t for t in self._eog_tokens if attr(self.vocab, t) & control}
        return self._turn_end_tokens | named

    @property
    def answer_ends(self) -> tuple[str, ...]:
        """What ends an answer by the chat template: its tokens, else its text."""
        tokens = tuple(sorted(map(self.token_text, self._turn_end_tokens)))
        return tokens or ((self.stop_text,) if self.stop_text else ())

    @property
    def template_end(self) -> str:
        """What the template closes an answer with, where the file does not name it as an end."""
        return (
            ""
            if self._turn_end_token in self._eog_tokens
            else self.token_text(self._turn_end_token)
        )

    @cached_property
    def _eog_tokens(self) -> frozenset[int]:
        is_eog = llama_cpp.llama_vocab_is_eog
        return frozenset(t for t in range(self.size) if is_eog(self.vocab, t))

    def token_text(self, token: int) -> str:
        """A token as it is written in a chat template ('' for no token)."""
        return (
            "" if token < 0 else self._token_to_piece(token, special=True).decode(errors="replace")
        )

    def decode(self, tokens: Iterable[int]) -> str:
        """Text of an answer; bytes cut off inside a character are left out. Control tokens are
        written out: they do not belong there, and are to be seen."""
        texts, control = self.token_bytes, self._control_token_bytes
        return b"".join(texts[t] or control.get(t, b"") for t in tokens).decode(
            "utf-8", errors="ignore"
        )

    def encode(self, parts: Iterable[PromptPart]) -> EncodedPrompt:
        """Token ids of a rendered prompt, with the model's BOS where it wants one."""
        items = list(parts)
        head = 0
        while head < len(items) and not items[head].row:
            head += 1
        tokens = self._with_bos(self._encode(items))
        if head == len(items):
            return EncodedPrompt(tokens, len(tokens))
        head_tokens = self._encode_head(tuple(items[:head]))
        # Where row text begins, a token may straddle the border: two tokens stay unshared.
        return EncodedPrompt(tokens, max(0, common_prefix_length(tokens, head_tokens) - 2))

    def label_tree(self, labels: tuple[str, ...]) -> LabelNode:
        """The labels in any of their usual spellings, as a tree of tokens. Raises UsageError where
        this vocabulary cannot tell them apart."""
        spellings = [self._spellings(label) for label in labels]
        try:
            root = build_label_tree(spellings)
            if root.children and self._adds_space_prefix:
                # A model need not write the blank that this tokenizer puts before every text.
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
        """A label's ways to be written in tokens, without those that hold an unknown one."""
        found = {tuple(self._tokenize(word)) for word in _spelling_variants(label)}
        unknown = llama_cpp.LLAMA_TOKEN_ATTR_UNKNOWN
        attr = llama_cpp.llama_vocab_get_attr
        return {p for p in found if p and not any(attr(self.vocab, t) & unknown for t in p)}

    def _single_token_spellings(self, label: str) -> set[tuple[int, ...]]:
        """The single tokens that are written like a label."""
        wanted = {word.encode() for word in _spelling_variants(label)}
        return {(token,) for token, piece in enumerate(self.token_bytes) if piece in wanted}

    @cached_property
    def _adds_space_prefix(self) -> bool:
        kinds = (llama_cpp.LLAMA_VOCAB_TYPE_SPM, llama_cpp.LLAMA_VOCAB_TYPE_UGM)
        return llama_cpp.llama_vocab_type(self.vocab) in kinds

    def _encode(self, parts: list[PromptPart]) -> list[int]:
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
        """The tokens of what many prompts begin with, worked out once."""
        if head not in self._head_cache:
            if len(self._head_cache) >= MAX_CACHED_HEADS:
                self._head_cache.clear()
            self._head_cache[head] = self._with_bos(self._encode(list(head)))
        return self._head_cache[head]

    def _with_bos(self, tokens: list[int]) -> list[int]:
        if self.add_bos and self.bos >= 0 and tokens[:1] != [self.bos]:
            return [self.bos, *tokens]
        return tokens

    @cached_property
    def _control_tokens(self) -> dict[str, int]:
        """Written form -> id of every token that plain text must not produce."""
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
        attr, control = llama_cpp.llama_vocab_get_attr, llama_cpp.LLAMA_TOKEN_ATTR_CONTROL
        return {
            token: self._token_to_piece(token, special=True)
            for token in range(self.size)
            if attr(self.vocab, token) & control
        }

    @cached_property
    def _control_pattern(self) -> re.Pattern[str]:
        forms = sorted(self._control_tokens, key=len, reverse=True)
        return re.compile(f"({'|'.join(map(re.escape, forms))})" if forms else r"(?!)()")

    def _split_at_control(self, text: str) -> list[str]:
        return self._control_pattern.split(text)

    def _split_look_alikes(self, text: str) -> list[str]:
        """Cuts `text` inside whatever is written like a control token.

        llama.cpp keeps control tokens out of plain text, but not "user defined" ones such as
        `<think>`: cut in two, they are ordinary characters to any tokenizer.
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
        if not text:
            return []
        data = text.encode("utf-8", errors="replace")
        room = len(data) + 8
        buffer = (llama_cpp.llama_token * room)()
        n = llama_cpp.llama_tokenize(self.vocab, data, len(data), buffer, room, False, False)
        if n < 0:
            raise ValueError(f"text of {len(data)} bytes cannot be tokenised")
        return list(buffer[:n])

    def _token_to_piece(self, token: int, *, special: bool) -> bytes:
        buffer = ctypes.create_string_buffer(256)
        n = llama_cpp.llama_token_to_piece(self.vocab, token, buffer, 256, 0, special)
        if n < 0:
            buffer = ctypes.create_string_buffer(-n)
            n = llama_cpp.llama_token_to_piece(self.vocab, token, buffer, -n, 0, special)
        return buffer.raw[: max(n, 0)]


def _spelling_variants(label: str) -> set[str]:
    return {spelling for word in (label, label.capitalize()) for spelling in (word, f" {word}")}


def common_prefix_length(a: list[int], b: list[int]) -> int:
    """Length of the common beginning, by halving: comparing slices is cheap, tokens are not."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
