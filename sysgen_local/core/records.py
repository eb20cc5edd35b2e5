"""The nouns of the pipeline. Plain frozen data; knows nothing of files, SQL or models.

What there is much of is a named tuple: a frozen dataclass takes five times as long to make.

A `Row` is one conversation and what every phase made of it so far. A phase's result carries
`dropped`: None while the row goes on, otherwise the reason why it ends there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

Tag = Literal["role", "content", "task", "action", "style", "background", "tool", "format"]
TAGS: tuple[Tag, ...] = get_args(Tag)
"""The eight functionalities in their canonical order (SysGen, section 3)."""

Label = Literal["good", "bad", "none"]
LABELS: tuple[Label, ...] = get_args(Label)
"""What phase 3 may say of a phrase."""

Role = Literal["user", "assistant", "function_call", "observation"]
ROLES: tuple[Role, ...] = get_args(Role)


class Turn(NamedTuple):
    """One turn. `function_call` and `observation` turns are context: never written anew.

    The content of a `function_call` is {"id", "name", "arguments"} as JSON, or a list of these
    (text that is no such JSON stays as it came); `words` is what was said beside the calls.
    `thought` is the reasoning of an assistant's turn. Of an `observation`, `call` is the id of the
    call that it answers, and `name` the tool's name. All are "" where there is none.
    """

    role: Role
    content: str
    thought: str = ""
    words: str = ""
    call: str = ""
    name: str = ""

    @property
    def text(self) -> str:
        """All that was said aloud: the words beside calls, and the content."""
        return f"{self.words}\n{self.content}" if self.words else self.content


class Repair(NamedTuple):
    """What was mended in a conversation that was not in order. `text` is what was moved or left
    out."""

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
"""Kind of repair -> what it says of a row."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A usable input row: turns that begin with the user and end with the assistant.

    `line` is the line in the file (JSONL, CSV) or the record's number (JSON array, Parquet),
    from 1. `system` is the system message the dataset came with, `tools` its tool definitions.
    `result` is the bare final result of a row that has one beside its answer.
    """

    turns: tuple[Turn, ...]
    line: int
    system: str | None = None
    tools: str | None = None
    result: str | None = None
    repairs: tuple[Repair, ...] = ()


@dataclass(frozen=True, slots=True)
class Reject:
    """An input row that cannot be used: where it stands and why. `raw` is its text as the file has
    it, or as JSON where the file is no text; "" where it is not known."""

    line: int
    reason: str
    detail: str = ""
    raw: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """One input file. `path` is what the user would recognise; `file` is what is opened. `split` is
    the one to read where the file has several, `encoding` that of its text where not UTF-8."""

    path: str
    file: str
    fingerprint: str
    dataset: str | None = None
    license: str | None = None
    mapping: Mapping[str, str] | None = None
    split: str | None = None
    encoding: str | None = None


class Phrase(NamedTuple):
    """Part of a system message under one functionality tag. The filter has yet to trust `tag`."""

    tag: str
    text: str


def in_order(phrases: Iterable[Phrase]) -> tuple[Phrase, ...]:
    """The phrases in the canonical order of their tags; within a tag their own order stays.

    Raises ValueError for a tag that is none of the eight.
    """
    return tuple(sorted(phrases, key=lambda phrase: TAGS.index(phrase.tag)))


class Removed(NamedTuple):
    """A phrase the filter took out, and why."""

    tag: str
    text: str
    reason: str


class Verdict(NamedTuple):
    """What the judge said of one phrase; the three probabilities sum to 1."""

    tag: str
    text: str
    label: Label
    good: float
    bad: float
    none: float


class Cost(NamedTuple):
    """What the model work for one row and phase took."""

    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0


NOTHING = Cost()


FAILURES = ("failed", "refused", "too_long", "not_json")
"""Reasons of a row that was dropped because something went wrong with a request, not because of
what was answered: such a row can be asked again. `why` of a result says what went wrong."""


@dataclass(frozen=True, slots=True)
class Generated:
    """Phase 1: the phrases as the model wrote them; `raw` is kept where they did not parse."""

    phrases: tuple[Phrase, ...] = ()
    dropped: str | None = None
    raw: str | None = None
    cost: Cost = NOTHING
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Filtered:
    """Phase 2: clean phrases in canonical order, and those removed."""

    phrases: tuple[Phrase, ...] = ()
    removed: tuple[Removed, ...] = ()
    dropped: str | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Verified:
    """Phase 3: a verdict for every phrase, and the system message composed of the good ones."""

    verdicts: tuple[Verdict, ...] = ()
    system: str | None = None
    dropped: str | None = None
    cost: Cost = NOTHING
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Responded:
    """Phase 4: the conversation with its assistant turns written anew."""

    turns: tuple[Turn, ...] = ()
    dropped: str | None = None
    cost: Cost = NOTHING
    why: str | None = None


class Check(NamedTuple):
    """One thing that was looked at in a new answer.

    `turn` counts the assistant's turns from 1. `kind`: result, code, tool_claim, echo or phrase (by
    rule); follows (by the model); agrees (by the model, or by rule where the answer stands in the
    original). `text` is what was looked for: the original's result, or the phrase. `p` is the
    probability that it holds; a rule gives 0 or 1. `detail` says what was understood or found.
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
"""Kind of check -> what it says of an answer that passes."""


class Attempt(NamedTuple):
    """A new answer that was not taken. `shown`: whether the original answer was in its prompt.
    `agrees` and `obeys` as in `Checked` (None where nothing could be looked at); `fault` is why it
    failed, "" where it passed and another was better."""

    turn: int
    content: str
    shown: bool
    agrees: float | None
    obeys: float | None
    fault: str


@dataclass(frozen=True, slots=True)
class Checked:
    """Phase 5: whether the new answers keep what the original ones had right and do as they are
    told.

    `turns` is the conversation with the best answers; empty where those of phase 4 stayed.
    `checks` are those of the answers that were taken. `agrees`: whether they keep the results and
    claims of the original (None: nothing could be looked at); `obeys`: the mean probability that a
    phrase is followed, by turn the least (None likewise). `tries`: answers that were looked at,
    in the turn that took most.
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
"""Phase -> the store's table for it, which is also the field of `Row`."""


class Row(NamedTuple):
    """A conversation on its way. `row` is its number in the store, from 1, and never changes."""

    row: int
    conversation: Conversation
    generated: Generated | None = None
    filtered: Filtered | None = None
    verified: Verified | None = None
    responded: Responded | None = None
    checked: Checked | None = None

    @property
    def answers(self) -> tuple[Turn, ...]:
        """The conversation with its new answers: those that the checks chose, else phase 4's."""
        if self.checked is not None and self.checked.turns:
            return self.checked.turns
        return self.responded.turns if self.responded is not None else ()

    def after(self, phase: Phase, result: Result) -> Row:
        """The same row, one phase further."""
        changed: dict[str, Any] = {TABLES[phase]: result}
        return self._replace(**changed)
