"""Turns conversations into tokens, and marks the tokens that a model learns to write.

What: the prompt of every answer is rendered as the engine renders it at inference, then come the
tokens of the answer and of the markup that ends it. Only these are learned.
Why: a model that is trained on other tokens than it sees later, or that never learns to end its
turn, is worse for no visible reason. The text of a row never becomes a control token.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sysgen_local.core.errors import UsageError
from sysgen_local.engine.llama import weights
from sysgen_local.engine.llama.chat import ChatTemplate
from sysgen_local.engine.llama.chat_profile import load_chat
from sysgen_local.engine.llama.tokenizer import Tokenizer
from sysgen_local.engine.request import Message, Segment

IGNORED = -100
"""The label of a token that is not learned, as torch's cross entropy has it."""

ROLES = ("system", "user", "assistant")

WhenLong = Literal["drop", "cut"]
"""What becomes of an example with more tokens than the limit."""

WHY_LEFT_OUT = {
    "tools": "with tools, which this does not train",
    "no_answer": "without an answer",
    "refused": "whose order of roles the chat template refuses",
    "not_given_back": "whose answer is another text after it was tokenised",
    "too_long": "over the length limit",
}
"""Reason -> how it is said of rows."""


_NO_TOOLS: tuple[object, ...] = (None, "", "[]", [])
"""What the column `tools` has in a row without them, where another row has some."""


class Example(NamedTuple):
    """A sequence to train on. `learned` has one value a token: whether it is learned. Both are
    arrays, which take a seventh of the memory of lists."""

    tokens: NDArray[np.int32]
    learned: NDArray[np.bool_]

    @property
    def labels(self) -> NDArray[np.int32]:
        """The token where it is learned, else IGNORED."""
        return np.where(self.learned, self.tokens, np.int32(IGNORED))


@dataclass(slots=True)
class Encoded:
    """The examples of a file, and what became of its rows.

    `rows` were read and `trained` of them have an example; `left_out` is reason -> rows; `cut` is
    how many examples were cut at the limit; `answers` is how many answers are learned.
    """

    examples: list[Example] = field(default_factory=list)
    rows: int = 0
    trained: int = 0
    cut: int = 0
    answers: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def tokens(self) -> int:
        return sum(len(example.tokens) for example in self.examples)

    @property
    def learned(self) -> int:
        """Tokens that are learned."""
        return sum(int(example.learned.sum()) for example in self.examples)

    @property
    def longest(self) -> int:
        """Tokens of the longest example."""
        return max((len(example.tokens) for example in self.examples), default=0)


class _LeftOutError(Exception):
    """A row that cannot be trained on; the argument is a key of WHY_LEFT_OUT."""


class Encoder:
    """Encodes conversations for one model.

    has_system: whether its chat template has a system role; without one, the system message stands
    in the first user turn, as at inference. Raises UsageError for a template after which an answer
    would never end.
    """

    def __init__(self, tokenizer: Tokenizer, chat: ChatTemplate) -> None:
        self._tokenizer = tokenizer
        self._chat = chat
        self.has_system = chat.has_system
        self.closing = tokenizer.closing
        end = tokenizer.encode_answer(chat.render_answer(_message("assistant", ""), self.closing))
        if not end or (end[-1] not in tokenizer.end_tokens and not tokenizer.stop_text):
            raise UsageError(
                "the chat template has no markup that ends an answer, so a model trained with it "
                "would never stop",
                hint="take the instruct (chat) version of the model, or a newer GGUF of it",
            )

    def encode(
        self, rows: Iterable[Mapping[str, Any]], limit: int, when_long: WhenLong = "drop"
    ) -> Encoded:
        """The examples of rows in the format `messages`. `limit` is the most tokens of one."""
        found = Encoded()
        for row in rows:
            found.rows += 1
            try:
                examples, answers = self._row(row)
                fitting = [self._within(example, limit, when_long) for example in examples]
                if not all(fitting):
                    raise _LeftOutError("too_long")
            except _LeftOutError as why:
                found.left_out[str(why)] += 1
                continue
            found.trained += 1
            found.answers += answers
            found.cut += sum(len(example.tokens) > limit for example in examples)
            found.examples += [example for example in fitting if example]
        return found

    def conversation(self, messages: Sequence[Message]) -> list[Example]:
        """One example where each prompt continues the one before it. A template that leaves
        something out of its history, such as a thought, gives one example for each answer."""
        found: list[tuple[list[int], list[bool]]] = []
        for i, message in enumerate(messages):
            if message.role != "assistant":
                continue
            parts = self._chat.render(messages[:i])
            answer = self._chat.render_answer(message, self.closing)
            prompt = self._tokenizer.encode(parts).tokens
            whole = self._tokenizer.encode([*parts, *answer]).tokens
            if whole[: len(prompt)] == prompt:
                said = whole[len(prompt) :]
            else:  # the first token would reach back into the prompt, which it cannot at inference
                said = self._tokenizer.encode_answer(answer)
            if not found or prompt[: len(found[-1][0])] != found[-1][0]:
                found.append(([], []))
            tokens, learned = found[-1]
            new = prompt[len(tokens) :]
            tokens.extend([*new, *said])
            learned.extend([False] * len(new) + [True] * len(said))
        return [
            Example(np.array(tokens, np.int32), np.array(learned, np.bool_))
            for tokens, learned in found
        ]

    def learned_texts(self, examples: Iterable[Example]) -> list[str]:
        """The text of every stretch of learned tokens, markup included."""
        stretches: list[list[int]] = []
        for example in examples:
            before = False
            for token, learned in zip(*(of.tolist() for of in example), strict=True):
                if learned and not before:
                    stretches.append([])
                if learned:
                    stretches[-1].append(token)
                before = learned
        return [self._tokenizer.decode(tokens) for tokens in stretches]

    def expected_texts(self, messages: Iterable[Message]) -> list[str]:
        """What `learned_texts` must give: every answer with the markup that ends it."""
        return [
            "".join(part.text for part in self._chat.render_answer(message, self.closing))
            for message in messages
            if message.role == "assistant"
        ]

    def _row(self, row: Mapping[str, Any]) -> tuple[list[Example], int]:
        """The examples of a row, and how many answers it has."""
        messages = read_messages(row)
        try:
            examples = self.conversation(messages)
        except UsageError:
            raise _LeftOutError("refused") from None
        except ValueError:
            raise _LeftOutError("not_given_back") from None
        learned, expected = self.learned_texts(examples), self.expected_texts(messages)
        if [text.strip() for text in learned] != [text.strip() for text in expected]:
            raise _LeftOutError("not_given_back")
        return examples, len(expected)

    @staticmethod
    def _within(example: Example, limit: int, when_long: WhenLong) -> Example | None:
        """The example within the limit; None where it is longer and not to be cut, or where no
        learned token would be left."""
        if len(example.tokens) <= limit:
            return example
        cut = Example(example.tokens[:limit], example.learned[:limit])
        return cut if when_long == "cut" and cut.learned.any() else None


@contextmanager
def encoder_of(path: Path) -> Iterator[Encoder]:
    """The encoder of a GGUF. Loads no weights. Raises UsageError for a GGUF without a chat template
    or with one that cannot be used."""
    with weights.load_vocab_only(path) as model:
        tokenizer, chat = load_chat(model, path)
        with closing(chat):
            yield Encoder(tokenizer, chat)


def read_messages(row: Mapping[str, Any]) -> list[Message]:
    """The messages of a row in the format `messages`."""
    messages = row["messages"]
    if row.get("tools") not in _NO_TOOLS or any(
        of.get("tool_calls") or of["role"] not in ROLES for of in messages
    ):
        raise _LeftOutError("tools")
    if not any(of["role"] == "assistant" and of["content"] for of in messages):
        raise _LeftOutError("no_answer")
    return [_message(of["role"], of["content"] or "") for of in messages]


def _message(role: str, text: str) -> Message:
    return Message(role, (Segment(text, trusted=False),))
