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

_MACHINERY = re.compile(r"<\|.*\|>|\[/?[A-Z_]+\]|</?(think|tool\w*|s|start_of_turn|end_of_turn)>")


HEADS = 64
"""How many beginnings of prompts are remembered as tokens."""


class Piece(NamedTuple):
    """`markup` text belongs to the chat template; `row` text comes from a dataset."""

    text: str
    markup: bool = False
    row: bool = False


class Encoded(NamedTuple):
    """Token ids of a prompt; the first `shared` of them do not depend on row text."""

    tokens: list[int]
    shared: int


class Vocab:
    def __init__(self, model: Any, template: str = "") -> None:
        self.pointer = llama_cpp.llama_model_get_vocab(model)
        self.size: int = llama_cpp.llama_vocab_n_tokens(self.pointer)
        self.bos: int = llama_cpp.llama_vocab_bos(self.pointer)
        self.eos: int = llama_cpp.llama_vocab_eos(self.pointer)
        self.add_bos: bool = llama_cpp.llama_vocab_get_add_bos(self.pointer)
        self.template = template
        self._heads: dict[tuple[Piece, ...], list[int]] = {}

    @cached_property
    def pieces(self) -> list[bytes]:
        """The bytes every token stands for; control tokens stand for none."""
        return [self._piece(token, special=False) for token in range(self.size)]

    @cached_property
    def end(self) -> frozenset[int]:
        """Tokens that end a generation."""
        is_eog = llama_cpp.llama_vocab_is_eog
        return frozenset(t for t in range(self.size) if is_eog(self.pointer, t))

    def text_of(self, token: int) -> str:
        """A token as it is written in a chat template ('' for no token)."""
        return "" if token < 0 else self._piece(token, special=True).decode(errors="replace")

    def decode(self, tokens: Iterable[int]) -> str:
        """Text of an answer; bytes cut off inside a character are left out."""
        return b"".join(self.pieces[t] for t in tokens).decode("utf-8", errors="ignore")

    def encode(self, pieces: Iterable[Piece]) -> Encoded:
        """Token ids of a rendered prompt, with the model's BOS where it wants one."""
        items = list(pieces)
        head = 0
        while head < len(items) and not items[head].row:
            head += 1
        tokens = self._with_bos(self._encode(items))
        if head == len(items):
            return Encoded(tokens, len(tokens))
        alone = self._alone(tuple(items[:head]))
        # Where row text begins, a token may straddle the border: two tokens stay unshared.
        return Encoded(tokens, max(0, common(tokens, alone) - 2))

    def label_starts(self, labels: tuple[str, ...]) -> list[list[int]]:
        """For every label the tokens that begin it in any of its usual spellings.

        A token that begins two labels tells nothing and is left out. Raises ValueError where a
        label is left without any.
        """
        starts = [
            {
                self._tokenize(spelling)[0]
                for word in {label, label.capitalize()}
                for spelling in (word, " " + word)
            }
            for label in labels
        ]
        unique = [
            sorted(s.difference(*(other for j, other in enumerate(starts) if j != i)))
            for i, s in enumerate(starts)
        ]
        if not all(unique):
            raise ValueError(f"labels {labels} cannot be told apart by their first token")
        return unique

    def _encode(self, pieces: list[Piece]) -> list[int]:
        tokens: list[int] = []
        run = ""
        for piece in pieces:
            if piece.markup:
                for i, part in enumerate(self._split_markup(piece.text)):
                    if i % 2:
                        tokens += self._tokenize(run)
                        tokens.append(self._control[part])
                        run = ""
                    else:
                        run += part
            else:
                *broken, last = self._defuse(piece.text)
                for part in broken:
                    tokens += self._tokenize(run + part)
                    run = ""
                run += last
        return tokens + self._tokenize(run)

    def _alone(self, head: tuple[Piece, ...]) -> list[int]:
        """The tokens of what many prompts begin with, worked out once."""
        if head not in self._heads:
            if len(self._heads) >= HEADS:
                self._heads.clear()
            self._heads[head] = self._with_bos(self._encode(list(head)))
        return self._heads[head]

    def _with_bos(self, tokens: list[int]) -> list[int]:
        if self.add_bos and self.bos >= 0 and tokens[:1] != [self.bos]:
            return [self.bos, *tokens]
        return tokens

    @cached_property
    def _control(self) -> dict[str, int]:
        """Written form -> id of every token that plain text must not produce."""
        attr = llama_cpp.llama_vocab_get_attr
        control = llama_cpp.LLAMA_TOKEN_ATTR_CONTROL | llama_cpp.LLAMA_TOKEN_ATTR_UNKNOWN
        found: dict[str, int] = {}
        for token in range(self.size):
            kind = attr(self.pointer, token)
            if kind & (control | llama_cpp.LLAMA_TOKEN_ATTR_USER_DEFINED):
                text = self.text_of(token)
                if kind & control or text in self.template or _MACHINERY.fullmatch(text):
                    found[text] = token
        return {text: token for text, token in found.items() if text.strip()}

    @cached_property
    def _control_pattern(self) -> re.Pattern[str]:
        forms = sorted(self._control, key=len, reverse=True)
        return re.compile(f"({'|'.join(map(re.escape, forms))})" if forms else r"(?!)()")

    def _split_markup(self, text: str) -> list[str]:
        return self._control_pattern.split(text)

    def _defuse(self, text: str) -> list[str]:
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
        n = llama_cpp.llama_tokenize(self.pointer, data, len(data), buffer, room, False, False)
        if n < 0:
            raise ValueError(f"text of {len(data)} bytes cannot be tokenised")
        return list(buffer[:n])

    def _piece(self, token: int, *, special: bool) -> bytes:
        buffer = ctypes.create_string_buffer(256)
        n = llama_cpp.llama_token_to_piece(self.pointer, token, buffer, 256, 0, special)
        if n < 0:
            buffer = ctypes.create_string_buffer(-n)
            n = llama_cpp.llama_token_to_piece(self.pointer, token, buffer, -n, 0, special)
        return buffer.raw[: max(n, 0)]


def common(a: list[int], b: list[int]) -> int:
    """Length of the common beginning, by halving: comparing slices is cheap, tokens are not."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
