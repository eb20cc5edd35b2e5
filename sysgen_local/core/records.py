"""The records of the pipeline: immutable data without file access, SQL or models.

Records that are made in large numbers are named tuples, because it takes five times as long to make
a frozen dataclass.

A `Row` is one conversation with the results of the phases so far. In each result, `dropped` is None
where the row goes on to the next phase, and otherwise the reason why the phase dropped the row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

Tag = Literal["role", "content", "task", "action", "style", "background", "tool", "format"]
TAGS: tuple[Tag, ...] = get_args(Tag)
"""The eight functionality tags in their canonical order (SysGen, section 3)."""

Label = Literal["good", "bad", "none"]
LABELS: tuple[Label, ...] = get_args(Label)
"""The verdicts of phase 3 on a phrase."""

Role = Literal["user", "assistant", "function_call", "observation"]
ROLES: tuple[Role, ...] = get_args(Role)


class Turn(NamedTuple):
    """One turn. `function_call` (tool call) and `observation` (tool result) turns are never
    generated again.

    The content of a `function_call` is JSON, {"id", "name", "arguments"} or a list of these; text
    that is no such JSON stays as it was. `words` is the text beside the calls. `thought` is the
    reasoning of an assistant's turn. In an `observation`, `call` is the id of its call, and `name`
    is the tool's name. Each is "" where there is none.
    """

    role: Role
    content: str
    thought: str = ""
    words: str = ""
    call: str = ""
    name: str = ""

    @property
    def text(self) -> str:
        """The visible text of the turn: the words beside calls, and the content."""
        return f"{self.words}\n{self.content}" if self.words else self.content


class Repair(NamedTuple):
    """One repair of a conversation whose turns were not in order. `text` was moved or removed."""

    kind: str
    text: str


REPAIRS: dict[str, str] = {
    "greeting": "began with a greeting by the assistant, which was left out",
    "joined": "had several user turns in a row, which were joined",
    "system_amid": "had a system message amid the turns, which went into the user turn there",
    "system_again": "had the same system message again amid the turns, which was left out",
    "system_last": "had a system message behind the last turn, which was left out",
    "unanswered": "ended with a user turn without an answer, which was left out",
}
"""Kind of repair -> its description for the user."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A usable input row. Its turns begin with the user and end with the assistant.

    `line` is the line in the file (JSONL, CSV) or the number of the record (JSON array, Parquet),
    from 1. `system` is the row's own system message, `tools` its tool definitions as JSON. `result`
    is the bare final result of a row that has one beside its answer.
    """

    turns: tuple[Turn, ...]
    line: int
    system: str | None = None
    tools: str | None = None
    result: str | None = None
    repairs: tuple[Repair, ...] = ()


@dataclass(frozen=True, slots=True)
class Reject:
    """An input row that cannot be used: its line and the reason. `raw` is its text in the file, or
    JSON where the file is binary; "" where it is not known."""

    line: int
    reason: str
    detail: str = ""
    raw: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """One input file. `path` is its name for the user, `file` the path that is opened. `mapping` is
    that of --map. `split` is the split to read where the file has several. `encoding` is the
    encoding of its text; None for UTF-8."""

    path: str
    file: str
    fingerprint: str
    dataset: str | None = None
    license: str | None = None
    mapping: Mapping[str, str] | None = None
    split: str | None = None
    encoding: str | None = None


class Phrase(NamedTuple):
    """Part of a system message, with its functionality tag. Before the filter, `tag` may be any
    text that the model wrote."""

    tag: str
    text: str


def in_order(phrases: Iterable[Phrase]) -> tuple[Phrase, ...]:
    """The phrases in the canonical order of their tags. Phrases of one tag keep their order.

    Raises ValueError for a tag that is not one of the eight.
    """
    return tuple(sorted(phrases, key=lambda phrase: TAGS.index(phrase.tag)))


class Removed(NamedTuple):
    """A phrase that the filter removed, and the reason."""

    tag: str
    text: str
    reason: str


class Verdict(NamedTuple):
    """The verdict on one phrase: its label, and the probabilities of the three labels. These sum to
    1."""

    tag: str
    text: str
    label: Label
    good: float
    bad: float
    none: float


class Cost(NamedTuple):
    """The cost of one row in one phase: tokens of the model's tokenizer, and seconds of model
    time.

    `tokens_in`: tokens of prompts. `tokens_decoded`: those of them that were not in the KV cache
    and had to be computed; None where that is not known. `tokens_out`: tokens of answers.
    """

    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    tokens_decoded: int | None = None

    def plus(self, other: Cost) -> Cost:
        """The sum of two costs. What one of them does not know, the sum does not know either."""
        known = self.tokens_decoded is not None and other.tokens_decoded is not None
        return Cost(
            self.tokens_in + other.tokens_in,
            self.tokens_out + other.tokens_out,
            self.seconds + other.seconds,
            (self.tokens_decoded or 0) + (other.tokens_decoded or 0) if known else None,
        )


NOTHING = Cost(tokens_decoded=0)
"""The cost where no model was asked."""


FAILURES = ("failed", "refused", "too_long", "not_json")
"""Reasons of a row that was dropped because a request failed, and not because of its answer. Such a
row can be tried again. `why` of the result describes the error."""


@dataclass(frozen=True, slots=True)
class Generated:
    """Phase 1: the phrases that the model wrote. `raw` is the text where it could not be parsed."""

    phrases: tuple[Phrase, ...] = ()
    dropped: str | None = None
    raw: str | None = None
    cost: Cost = NOTHING
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Filtered:
    """Phase 2: the remaining phrases in canonical order, and the removed ones."""

    phrases: tuple[Phrase, ...] = ()
    removed: tuple[Removed, ...] = ()
    dropped: str | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Verified:
    """Phase 3: a verdict on every phrase, and the system message made of the good phrases."""

    verdicts: tuple[Verdict, ...] = ()
    system: str | None = None
    dropped: str | None = None
    cost: Cost = NOTHING
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Responded:
    """Phase 4: the conversation with new answers in its assistant turns."""

    turns: tuple[Turn, ...] = ()
    dropped: str | None = None
    cost: Cost = NOTHING
    why: str | None = None


class Check(NamedTuple):
    """One check of a new answer.

    `turn` is the number of the assistant's turn, from 1. `kind`: result, code, tool_claim, echo or
    phrase (checked by rule); follows (by the model); agrees (by the model, or by rule where the
    original contains the answer). `text` is what was checked for: the original's result, or the
    phrase. `by` is rule or model. `p` is the probability that the check passes; a rule gives 0 or
    1. `detail` says what was found.
    """

    turn: int
    kind: str
    text: str
    by: str
    p: float
    detail: str


KINDS: dict[str, str] = {
    "result": "keeps the original's result",
    "code": "its code parses",
    "tool_claim": "claims no output of a tool that was not called",
    "agrees": "agrees with the original",
    "echo": "is more than its system message or its prompt said again",
    "phrase": "does what a phrase asks, by rule",
    "follows": "does what a phrase asks, says the model",
}
"""Kind of check -> its description for the user, of an answer that passes."""


class Attempt(NamedTuple):
    """A new answer that was not chosen. `shown`: whether the original answer was in its prompt.
    `agrees` and `obeys` are as in `Checked` (None where nothing could be checked). `fault` is why
    it failed; "" where it passed, but another answer was better."""

    turn: int
    content: str
    shown: bool
    agrees: float | None
    obeys: float | None
    fault: str


@dataclass(frozen=True, slots=True)
class Checked:
    """Phase 5: whether the new answers agree with the original ones and follow the system message.

    `turns` is the conversation with the best answers; empty where the answers of phase 4 were kept.
    `checks` are the checks of the chosen answers. `agrees`: whether these keep the results and
    claims of the original (None: nothing could be checked). `obeys`: the mean probability that a
    phrase is followed; of several turns the lowest (None: as above). `tries`: the number of answers
    that were checked, in the turn with the most.
    """

    turns: tuple[Turn, ...] = ()
    checks: tuple[Check, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    agrees: bool | None = None
    obeys: float | None = None
    tries: int = 1
    dropped: str | None = None
    cost: Cost = NOTHING
    why: str | None = None


Result = Generated | Filtered | Verified | Responded | Checked
Phase = Literal["generate", "filter", "verify", "respond", "check"]
PHASES: tuple[Phase, ...] = get_args(Phase)
TABLES: dict[Phase, str] = {
    "generate": "generated",
    "filter": "filtered",
    "verify": "verified",
    "respond": "responded",
    "check": "checked",
}
"""Phase -> its table in the store, which is also its field in `Row`."""


def phases_from(phase: Phase | None) -> tuple[Phase, ...]:
    """The phase and all later ones, which read what it wrote; none of them for None."""
    return PHASES[PHASES.index(phase) :] if phase else ()


class Row(NamedTuple):
    """A conversation with the results so far. `row` is its number in the store, from 1; it never
    changes."""

    row: int
    conversation: Conversation
    generated: Generated | None = None
    filtered: Filtered | None = None
    verified: Verified | None = None
    responded: Responded | None = None
    checked: Checked | None = None

    @property
    def answers(self) -> tuple[Turn, ...]:
        """The conversation with the answers that the checks chose, else with those of phase 4;
        empty before phase 4."""
        if self.checked is not None and self.checked.turns:
            return self.checked.turns
        return self.responded.turns if self.responded is not None else ()

    def after(self, phase: Phase, result: Result) -> Row:
        """The row with the result of one more phase."""
        changed: dict[str, Any] = {TABLES[phase]: result}
        return self._replace(**changed)
