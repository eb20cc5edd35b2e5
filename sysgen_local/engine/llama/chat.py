"""The model's own chat template, rendered so that message text stays apart from markup.

A template is rendered over sentinels in place of the messages' text, so it never sees a row; and
so what it makes depends on nothing but who speaks in turn, and is rendered once for each such
order. What it can do is found out at the start: a system message it has no place for goes in
front of the first user message. Thinking is off: by the template's own switches, else by ending
the thought that the template begins. A prompt ends where the template writes an assistant's words
in a history, so that the next token belongs to the answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sysgen_local.core import thoughts
from sysgen_local.core.errors import UsageError
from sysgen_local.engine.llama.segments import Marks
from sysgen_local.engine.llama.template_sandbox import Jinja, TemplateFaultError
from sysgen_local.engine.llama.tokenizer import Piece
from sysgen_local.engine.request import Message, Segment

Roles = tuple[str, ...]

OFF: dict[str, object] = {
    "enable_thinking": False,
    "thinking": False,
    "reasoning": False,
    "thinking_budget": 0,
}
"""Switches that have one value for no thinking."""

LEAST: dict[str, tuple[str, ...]] = {
    "reasoning_effort": ("low", "minimal", "none", "no_think"),
    "reasoning_strength": ("low", "none"),
    "thinking_mode": ("disabled", "off", "no_think", "chat"),
    "thinking_option": ("off",),
}
"""Switches that take words, which differ from family to family: each is tried. The first that
ends the thought is taken, else the first that the template takes at all."""

TOOLS: tuple[dict[str, object], ...] = ({}, {"tools": None}, {"tools": []})
"""Ways to say that there are no tools; templates differ in which of them they bear."""

_THOUGHT_KEYS = ("reasoning_content", "reasoning", "thinking")


class Turns(NamedTuple):
    """How the template writes a history. `opening`: between a user's words and the assistant's;
    `behind`: between the assistant's and the next user's; `last`: behind the assistant's where
    nothing follows. Empty where the template refuses such a chat."""

    opening: str = ""
    behind: str = ""
    last: str = ""


class ChatTemplate:
    """Messages -> pieces of a prompt that ends where the assistant begins to speak.

    `switches` are the variables that turn thinking off, `turns` how a history is written,
    `thought_end` how the template itself goes on behind a thought ("" where it does not tell).
    Raises UsageError for a template that cannot be used.
    """

    def __init__(self, source: str, *, bos: str = "", eos: str = "", name: str = "model") -> None:
        self.source = source
        self._special = {"bos_token": bos, "eos_token": eos}
        self._marks = Marks()
        self._rendered: dict[Roles, list[str | int] | str] = {}
        self._no_tools: dict[str, object] = {}
        self._in_parts = False
        self.switches: dict[str, object] = {}
        try:
            self._jinja = Jinja(source)
            self._settle()
            self._trims = "  probe  " not in self._render([("user", "  probe  ")])
        except TemplateFaultError as error:
            raise UsageError(
                f"the chat template in {name} cannot be used: {error}",
                hint="try another GGUF of the same model, or another model",
            ) from error
        self.has_system = self._takes_system()
        self.turns = self._learn_turns()
        self.thought_end = self._learn_thought_end()

    def render(self, messages: Sequence[Message]) -> list[Piece]:
        """Raises UsageError where the template refuses the messages."""
        if not self.has_system:
            messages = _folded(messages)
        pieces: list[Piece] = []
        for part in self._parts(tuple(m.role for m in messages)):
            if isinstance(part, str):
                pieces.append(Piece(part, markup=True))
            else:
                pieces += self._content(messages[part].content)
        return pieces

    @property
    def mentioned(self) -> set[str]:
        """Those of all known switches that stand in the template."""
        return {name for name in (*OFF, *LEAST) if self._mentions(name)}

    @property
    def opening(self) -> str:
        """What stands in a prompt between a user's words and the answer."""
        [*_, last] = self._parts(("user",))
        return last if isinstance(last, str) else ""

    def close(self) -> None:
        self._jinja.close()

    def _parts(self, roles: Roles) -> list[str | int]:
        """Markup, and the numbers of the messages that stand in it."""
        if roles not in self._rendered:
            chat = [(role, self._marks.at(i)) for i, role in enumerate(roles)]
            try:
                parts = [*self._marks.pieces(self._render(chat))]
                if {part for part in parts if isinstance(part, int)} != {*range(len(roles))}:
                    raise TemplateFaultError("it leaves out or changes what is said")
                tail = parts.pop() if isinstance(parts[-1], str) else ""
                assert isinstance(tail, str)
                self._rendered[roles] = [*parts, end] if (end := self._begun(tail)) else parts
            except (TemplateFaultError, ValueError) as error:
                self._rendered[roles] = str(error)
        found = self._rendered[roles]
        if isinstance(found, str):
            raise UsageError(f"the chat template refuses a chat of {', '.join(roles)}: {found}")
        return found

    def _begun(self, tail: str) -> str:
        """The end of a prompt, up to where the answer begins."""
        if (end := thoughts.ending(tail)) is not None:
            own = end in self.thought_end
            tail = tail + self.thought_end if own else f"{tail.rstrip()}\n\n{end}\n\n"
        if self.turns.behind.startswith(tail):
            return tail  # the user's turn was closed, no other one opened: so the template wants it
        return tail + _lacking(tail, self.turns.opening)

    def _render(self, chat: Sequence[tuple[str, str]], *, ask: bool = True, **more: str) -> str:
        """`more` are further keys of the assistant's messages; `ask`: it is its turn to speak."""
        messages: list[dict[str, Any]] = [
            {"role": role, "content": self._in_form(content)} for role, content in chat
        ]
        for message in messages:
            if message["role"] == "assistant":
                message |= more
        return self._jinja.render(
            messages=messages,
            add_generation_prompt=ask,
            **self._no_tools,
            **self.switches,
            **self._special,
        )

    def _in_form(self, content: str) -> str | list[dict[str, str]]:
        return [{"type": "text", "text": content}] if self._in_parts else content

    def _settle(self) -> None:
        """Finds out with which variables the template writes what a user says."""
        fault = self._write_something()
        wanted = ((name, value) for name in LEAST if self._mentions(name) for value in LEAST[name])
        while fault is not None:
            if (next_one := next(wanted, None)) is None:
                raise fault
            # Some refuse to do without a switch.
            self.switches = dict([next_one])
            fault = None if self._write_something() is None else fault
        self._switch_off()

    def _write_something(self) -> TemplateFaultError | None:
        """Settles how it is told that there are no tools, and in which form content is wanted;
        what is wrong where nothing is written in any way."""
        faults: list[TemplateFaultError] = []
        found: list[tuple[bool, int, dict[str, object], bool]] = []
        for in_parts in (False, True):
            for no_tools in TOOLS:
                self._in_parts, self._no_tools = in_parts, no_tools
                try:
                    written = self._render([("user", self._marks.at(0))])
                except TemplateFaultError as error:
                    faults.append(error)
                    continue
                told = self._marks.at(0) in written and not (in_parts and "'type'" in written)
                found.append((not told, len(written), no_tools, in_parts))
            if any(not lost for lost, *_ in found):
                break
        if not found:
            return faults[0]
        # Where no tools are taken for some, the template writes about tools: the shortest is right.
        self._no_tools, self._in_parts = min(found, key=lambda f: f[:2])[2:]
        return None

    def _switch_off(self) -> None:
        for name, value in OFF.items():
            if name == "enable_thinking" or self._mentions(name):
                self._try(name, (value,))
        for name, values in LEAST.items():
            if self._mentions(name):
                self._try(name, values)

    def _try(self, name: str, values: Sequence[object]) -> None:
        """Sets the variable to that value which leaves least of a thought, if any can be taken."""
        before = dict(self.switches)
        ranked: list[tuple[int, int, dict[str, object]]] = []
        for i, value in enumerate([*values, None]):
            self.switches = before if value is None else before | {name: value}
            try:
                *_, tail = self._render([("user", self._marks.at(0))]).rpartition(self._marks.at(0))
            except TemplateFaultError:
                continue
            opened = thoughts.ending(tail) is not None
            rank = 2 if opened else 0 if thoughts.holds_thought(tail) else 1
            ranked.append((rank, i, self.switches))
        self.switches = min(ranked, key=lambda r: r[:2])[2] if ranked else before

    def _mentions(self, name: str) -> bool:
        return re.search(rf"(?<![\w.]){name}\b", self.source) is not None

    def _learn_turns(self) -> Turns:
        opening = behind = last = ""
        chat = [("user", self._marks.at(0)), ("assistant", self._marks.at(1))]
        for between in self._between([*chat, ("user", self._marks.at(2))]):
            opening, behind = between[1], between[2]
        for between in self._between(chat, ask=False):
            opening, last = opening or between[1], between[2]
        return Turns(opening, behind, last)

    def _learn_thought_end(self) -> str:
        chat = [("user", self._marks.at(0)), ("assistant", self._marks.at(2))]
        thought = dict.fromkeys(_THOUGHT_KEYS, self._marks.at(1))
        for between in self._between(chat, ask=False, **thought):
            return between[2]
        return ""

    def _between(
        self, chat: Sequence[tuple[str, str]], *, ask: bool = True, **more: str
    ) -> Iterator[list[str]]:
        """What stands before, between and behind the sentinels, where each is written once and in
        order; else nothing."""
        try:
            parts = [*self._marks.pieces(self._render(chat, ask=ask, **more))]
        except (TemplateFaultError, ValueError):
            return
        numbers = [part for part in parts if isinstance(part, int)]
        if numbers == [*range(len(numbers))] and len(numbers) == len(chat) + bool(more):
            between = [""]
            for part in parts:
                if isinstance(part, int):
                    between.append("")
                else:
                    between[-1] += part
            yield between

    def _content(self, content: tuple[Segment, ...]) -> list[Piece]:
        pieces = [Piece(segment.text, row=not segment.trusted) for segment in content]
        if self._trims and pieces:
            pieces[0] = pieces[0]._replace(text=pieces[0].text.lstrip())
            pieces[-1] = pieces[-1]._replace(text=pieces[-1].text.rstrip())
        return pieces

    def _takes_system(self) -> bool:
        try:
            rendered = self._render([("system", "probe1"), ("user", "probe2")])
        except TemplateFaultError:
            return False
        return "probe1" in rendered and "probe2" in rendered


def _lacking(tail: str, opening: str) -> str:
    """What a prompt lacks of the way in which a history begins an answer: the channel, or the mark
    of a response, that the model would else have to write itself, and no grammar lets it."""
    rest = _behind_overlap(tail, opening)
    if not rest.strip():
        return ""  # blanks are left to the model: they are part of its tokens
    if thoughts.holds_thought(rest):
        ended = thoughts.holds_ended_thought(rest)
        return rest if ended and not thoughts.holds_thought(tail) else ""
    return rest


def _behind_overlap(tail: str, opening: str) -> str:
    """The rest of `opening` behind what the prompt ends with, or, where that is a thought that has
    ended, behind what stands before it. Empty where the two have nothing in common."""
    for size in range(min(len(tail), len(opening)), 3, -1):
        if tail.endswith(opening[:size]):
            return opening[size:]
    size = 0
    while size < min(len(tail), len(opening)) and tail[size] == opening[size]:
        size += 1
    alike = opening[:size]
    if (cut := max(alike.rfind("<"), alike.rfind("["))) > max(alike.rfind(">"), alike.rfind("]")):
        size = cut  # never inside a tag
    ended = thoughts.holds_ended_thought(tail[size:])
    return opening[size:] if opening[:size].strip() and ended else ""


def _folded(messages: Sequence[Message]) -> Sequence[Message]:
    """The system message as the beginning of the first user message."""
    if len(messages) < 2 or messages[0].role != "system" or messages[1].role != "user":
        return messages
    system, user, *rest = messages
    return [Message("user", (*system.content, Segment("\n\n"), *user.content)), *rest]
