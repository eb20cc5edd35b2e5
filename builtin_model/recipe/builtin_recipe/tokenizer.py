"""Byte-level BPE of 10,240 tokens, and conversations as token ids with loss weights.

The tokenizer is trained on the corpus and the word lists, and on no held-out topic: those may fall
into pieces, as words of real rows do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from builtin_recipe.gguf_tokenizer import tokenizer_of
from builtin_recipe.sample import Sample
from builtin_recipe.tasks import TASKS, draw, exemplary
from builtin_recipe.topics import SHIPPED, Topics
from builtin_recipe.words import WORDS
from sysgen_local.core.records import LABELS

START, TURN, END, PAD = "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"
SIZE = 10240

_SPEAKERS = ("system", "user", "assistant")
_ASKING = ("system", "user", "Instruction")
_ANSWERING = ("assistant", "Answer")
"""Words that say whether what follows was asked or answered: speakers, and the marks in prompts
that show both."""

_LABELS = (*LABELS, "A", "B", *"12345")
"""Answers of one token, whose probabilities are asked for."""

_GLUE = ('[{"', '":"', '","', '"},{"', '"}]', '{"', '":["', '"]}')
"""What stands between the strings of JSON."""

_BEYOND = "“”‘’–—…°×÷±½€£→•éèêàçüöäßñ"
"""What is no ASCII and common all the same. Without tokens of their own these would be bytes, most
of which they share."""

_QUOTES = re.compile(r"""(?<=[^\w\s\\])(?=\\?["'])|(?<=["'])(?=[^\w\s])""")
"""Between a quote, escaped or not, and the marks beside it."""

FIRST = 38
"""Tokens of an answer that count as its first: role and topic."""

_SAMPLES = 20_000
_REPEATS = 30
"""How often each word of the lists is shown, so that it becomes a token."""

_WRITTEN = 8
"""How many times as often those that the model has to memorise: roles and tools."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A conversation as ids; weights[t] is the weight of predicting ids[t + 1]."""

    task: str
    ids: list[int]
    weights: list[float]


class Encoder:
    """The tokenizer of a file or of a GGUF, for conversations."""

    def __init__(self, path: Path = SHIPPED) -> None:
        self._tokenizer = Tokenizer.from_str(json.dumps(tokenizer_of(path)))
        self.size = self._tokenizer.get_vocab_size()
        self.first_text_id = len((START, TURN, END, PAD))
        self.pad = self._tokenizer.token_to_id(PAD)
        self.turn = self._tokenizer.token_to_id(TURN)
        self.phrase = self.ids("Phrase")[0]
        self.tag = self.ids("Tag")[0]
        self.asking = [self.ids(mark)[0] for mark in _ASKING]
        self.answering = [self.ids(mark)[0] for mark in _ANSWERING]
        self.answer = self.ids("Answer")[0]
        self.labels = [self.ids(label)[0] for label in _LABELS]

    @property
    def texts(self) -> list[str]:
        """What each token stands for, by id."""
        return [
            self._tokenizer.decode([number], skip_special_tokens=False)
            for number in range(self.size)
        ]

    def ids(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def encode(self, sample: Sample) -> Encoded:
        """Loss is on what the assistant says and, in some tasks, on what it is shown as good."""
        task = TASKS[sample.task]
        ids: list[int] = []
        learnt: list[float] = []
        for number, (role, content) in enumerate(sample.messages):
            header, body = self._headers[role], self.ids(content)
            ids += header + body + self._footer
            weights = [0.0] * (len(header) + len(body) + len(self._footer))
            if role == "assistant":
                weights[len(header) : -len(self._footer)] = [task.weight] * len(body)
                if task.first_weight:
                    first = range(len(header), len(header) + min(FIRST, len(body)))
                    for position in first:
                        weights[position] = task.first_weight
                weights[-len(self._footer)] = 1.0
            elif role == "user" and task.shown_weight:
                shown = exemplary(content, sample.messages[number + 1].content)
                start, end = (len(header) + len(self.ids(content[:cut])) for cut in shown)
                weights[start:end] = [task.shown_weight] * (end - start)
            learnt += weights
        return Encoded(sample.task, ids, [*learnt[1:], 0.0])

    @cached_property
    def _headers(self) -> dict[str, list[int]]:
        return {role: [self.turn, *self.ids(f"{role}\n")] for role in _SPEAKERS}

    @cached_property
    def _footer(self) -> list[int]:
        return [self._tokenizer.token_to_id(END), *self.ids("\n")]


def train_tokenizer(path: Path) -> None:
    """Train a tokenizer on the corpus and write it as JSON."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE,
        special_tokens=[START, TURN, END, PAD],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        min_frequency=2,
        show_progress=False,
    )
    tokenizer.train_from_iterator(_without_quotes(), trainer)
    path.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(path))


def _without_quotes() -> Iterator[str]:
    """The texts, and what glues them together. No token may hold a quote and what stands beside it:
    copied into JSON, where quotes are escaped, it would be another one."""
    for text in _texts():
        yield from _QUOTES.split(text)
    yield from _GLUE * _REPEATS * _WRITTEN


def _without_glue(text: str) -> list[str]:
    """The strings of a JSON text by themselves: no token may hold both the end of a string and what
    stands behind it, or the string could not be copied to its end."""
    if not text.startswith(("[{", "{")):
        return [text]
    try:
        parsed = json.loads(text)
    except ValueError:
        return [text]
    return _strings(parsed)


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [json.dumps(value, ensure_ascii=False)[1:-1]]
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in _strings(part)]
    return [text for part in value for text in _strings(part)]


def _texts() -> Iterator[str]:
    rng = Random(7)
    topics = Topics()
    for _ in range(_SAMPLES):
        sample = draw(rng, topics)
        if sample.task != "copy":
            for message in sample.messages:
                yield from _without_glue(message.content)
    for _ in range(_REPEATS):
        yield from (*_ASKING, *_ANSWERING, *_BEYOND) * _WRITTEN
        yield from (f" {mark}" for mark in _BEYOND)
        for word in WORDS.nouns + WORDS.adjectives + WORDS.verbs:
            yield from (f" {word}", f" {word}s", word.capitalize())
        for domain in WORDS.domains.values():
            for text in domain.train_patterns + domain.train_topics:
                yield from (text, f" {text}")
            for text in domain.things + domain.doings + domain.known:
                yield from (f" {text}", f" {text}s", text.capitalize())
            for text in domain.said + (domain.roles + domain.tools) * _WRITTEN:
                yield f" {text}"
