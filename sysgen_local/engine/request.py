"""What the engine is asked and what it answers: plain, picklable data.

The same protocol serves llama.cpp in this process, a server, or a cluster. Knows nothing of
SysGen, of storage, or of any runtime.

What is made many times a row is a named tuple: a frozen dataclass takes five times as long.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, runtime_checkable

Finish = Literal["stop", "length", "too_long", "refused", "failed", "no_room"]
"""stop: ended by itself; length: the token limit cut it off. There is no answer: too_long, because
prompt and answer cannot fit the context; refused, by the chat template or the server; failed,
because something broke over this request alone (of these two the text says why); no_room, because
they fit the context but not the slots that this machine has memory for now."""

UNANSWERED: tuple[Finish, ...] = ("too_long", "refused", "failed")
"""How a request ends that has no answer. One that had no room is asked again."""


class Segment(NamedTuple):
    """A stretch of a message. `trusted` is a prompt author's text; row text is not trusted."""

    text: str
    trusted: bool = True


class Message(NamedTuple):
    """One chat message. No content, trusted or not, can become a control token."""

    role: str
    content: tuple[Segment, ...]

    @property
    def text(self) -> str:
        return "".join(segment.text for segment in self.content)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn; temperature 0 is greedy. 0 or 1.0 switches a filter off."""

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
    """One job.

    `group` names requests whose prompts begin alike; that beginning is computed once and kept.
    `max_tokens` bounds the answer; where the slot has less room the answer may still use what
    is left, down to `min_tokens`, below which the request ends as `too_long`.
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
    """The answer to one request. Token counts include what was shared; seconds are wall time
    in the slot. `probabilities` maps every label of a `Choice` to its share, summing to 1.
    `tokens_decoded`: those of the prompt that no memory held yet; None where that is not known."""

    id: str
    text: str
    finish: Finish
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    probabilities: Mapping[str, float] | None = None
    tokens_decoded: int | None = None


class Costs(NamedTuple):
    """Seconds of a step, beside what is in it; of a token that is read; of one that is written."""

    fixed: float
    read: float
    written: float


class Flight(NamedTuple):
    """A request under way: how many tokens of its prompt were decoded so far, and were written."""

    id: str
    read: int
    written: int


class Load(NamedTuple):
    """What an engine has done since it was loaded, in steps and decoded tokens, what it has in its
    slots, and what its steps cost so far (None before the first ones)."""

    steps: int
    read: int
    written: int
    slots: int
    flights: tuple[Flight, ...]
    costs: Costs | None


class Engine(Protocol):
    """Whatever answers requests."""

    @property
    def description(self) -> str:
        """What answers, and how it is laid out, in one line."""
        ...

    def complete(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        """Completions in the order in which they finish.

        `requests` is pulled only as slots fall free. It may yield None for "nothing right now":
        it is asked again after the next completion. Closing the iterator abandons what runs.
        """
        ...

    def cancel(self) -> None:
        """Ends the iterator after the current step; what runs is abandoned. Safe to call from a
        signal handler."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class Telling(Protocol):
    """An engine that tells how far it is with what it has in hand."""

    def load(self) -> Load:
        """May be called from another thread while `complete` goes on."""
        ...
