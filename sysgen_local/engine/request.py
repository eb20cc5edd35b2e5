"""The protocol of engines: requests and completions as plain data that can be pickled.

llama.cpp in this process, a server and a cluster are used through it.

Objects that are made many times for each row are named tuples: a frozen dataclass takes five times
as long to make.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from sysgen_local.core.counted import counted

Finish = Literal["stop", "length", "too_long", "refused", "failed", "no_room"]
"""How a request ended. With an answer: `stop`, the model ended it; `length`, the token limit cut it
off. Without one: `too_long`, prompt and answer do not fit the context; `refused`, the chat template
or the server refused it; `failed`, an error of this request alone (for these two the text gives the
reason); `no_room`, it fits the context but not the slots that there is memory for now."""

UNANSWERED: tuple[Finish, ...] = ("too_long", "refused", "failed")
"""The endings without an answer. After `no_room` a request is asked again."""


class Segment(NamedTuple):
    """A part of a message. Text of a prompt set is `trusted`, text of a row is not."""

    text: str
    trusted: bool = True


class Message(NamedTuple):
    """One chat message. Its content never becomes a control token, trusted or not."""

    role: str
    content: tuple[Segment, ...]

    @property
    def text(self) -> str:
        return "".join(segment.text for segment in self.content)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is sampled. `temperature` 0 is greedy. `top_k` 0, `top_p` 1 and `min_p` 0
    are off."""

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0


GREEDY = Sampling()


@dataclass(frozen=True, slots=True)
class Json:
    """The answer is compact JSON that fits this JSON schema (a string, so that it hashes)."""

    schema: str


@dataclass(frozen=True, slots=True)
class Choice:
    """The answer is one of these labels; it is read off the logits, not written."""

    labels: tuple[str, ...]


class Request(NamedTuple):
    """One request. Ids of requests of one row begin with the same word and a colon.

    `group`: requests with the same group have prompts that begin alike; the KV cache of that prefix
    is computed once and kept. `max_tokens` limits the answer. Where the slot has fewer tokens left,
    the answer gets those, but not fewer than `min_tokens`: then the request ends as `too_long`.
    """

    id: str
    group: str
    messages: tuple[Message, ...]
    constraint: Json | Choice | None = None
    sampling: Sampling = GREEDY
    max_tokens: int = 512
    min_tokens: int = 1
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Completion:
    """The answer to one request. `tokens_in` includes tokens of a shared prefix. `seconds` are wall
    time in the slot. `probabilities` maps each label of a `Choice` to its probability; they sum to
    1. `tokens_decoded`: the prompt's tokens that the KV cache did not have; None if not known."""

    id: str
    text: str
    finish: Finish
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    probabilities: Mapping[str, float] | None = None
    tokens_decoded: int | None = None


class Costs(NamedTuple):
    """Seconds: of a step without its tokens, of a token of a prompt, of a token of an answer."""

    fixed: float
    read: float
    written: float


class Flight(NamedTuple):
    """A running request: tokens of its prompt that are decoded, tokens of its answer, and how many
    tokens of the prompt have to be decoded in all."""

    id: str
    read: int
    written: int
    prompt: int = 0


class Workers(NamedTuple):
    """The workers of a cluster: how many are ready, how many there are, and on how many nodes the
    ready ones are."""

    ready: int
    all: int
    nodes: int

    def __str__(self) -> str:
        known = f"{self.ready:,} of " if self.ready < self.all else ""
        return f"{known}{counted(self.all, 'worker')} on {counted(self.nodes, 'node')}"


class Load(NamedTuple):
    """What an engine has done since it was loaded: steps, tokens of prompts and of answers. Beside
    that its slots, its running requests and what steps cost (None before the first steps).
    `prefix`: (decoded, of how many) tokens of a shared prefix that is decoded now. `workers`: those
    of a cluster."""

    steps: int
    read: int
    written: int
    slots: int
    flights: tuple[Flight, ...]
    costs: Costs | None
    prefix: tuple[int, int] | None = None
    workers: Workers | None = None


class Engine(Protocol):
    """Answers requests."""

    @property
    def description(self) -> str:
        """The model and its slots, in one line."""
        ...

    def complete(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        """Completions in the order in which they finish.

        The engine takes a request whenever a slot is free. `requests` may yield None for "none at
        the moment"; the engine asks again after the next completion. Closing the iterator drops
        the running requests.
        """
        ...

    def cancel(self) -> None:
        """Ends the iterator after the current step and drops the running requests. A signal handler
        may call it."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class Telling(Protocol):
    """An engine that reports its load."""

    def load(self) -> Load:
        """The load now. Another thread may call it during `complete`."""
        ...


@runtime_checkable
class Loaded(Protocol):
    """An engine that loaded its model itself: the seconds that it took, and where the model is:
    `cpu`, or `gpu (33 layers)`."""

    load_seconds: float

    @property
    def device(self) -> str: ...
