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
from sysgen_local.engine.llama.placeholders import Placeholders
from sysgen_local.engine.llama.template_sandbox import ChatTemplateError, TemplateSandbox
from sysgen_local.engine.llama.tokenizer import PromptPart
from sysgen_local.engine.request import Message, Segment

Roles = tuple[str, ...]

THINKING_OFF: dict[str, object] = {
    "enable_thinking": False,
    "thinking": False,
    "reasoning": False,
    "thinking_budget": 0,
}
"""Switches that have one value for no thinking."""

THINKING_LOWEST: dict[str, tuple[str, ...]] = {
    "reasoning_effort": ("low", "minimal", "none", "no_think"),
    "reasoning_strength": ("low", "none"),
    "thinking_mode": ("disabled", "off", "no_think", "chat"),
    "thinking_option": ("off",),
}
"""Switches that take words, which differ from family to family: each is tried. The first that
ends the thought is taken, else the first that the template takes at all."""

NO_TOOLS: tuple[dict[str, object], ...] = ({}, {"tools": None}, {"tools": []})
"""Ways to say that there are no tools; templates differ in which of them they bear."""

_REASONING_KEYS = ("reasoning_content", "reasoning", "thinking")


class TurnMarkup(NamedTuple):
    """How the template writes a history. `opening`: between a user's words and the assistant's;
    `behind`: between the assistant's and the next user's; `last`: behind the assistant's where
    nothing follows. Empty where the template refuses such a chat."""

    user_to_assistant: str = ""
    assistant_to_user: str = ""
    assistant_to_end: str = ""


class ChatTemplate:
    """Messages -> pieces of a prompt that ends where the assistant begins to speak.

    `switches` are the variables that turn thinking off, `turns` how a history is written,
    `thought_end` how the template itself goes on behind a thought ("" where it does not tell).
    Raises UsageError for a template that cannot be used.
    """

    def __init__(self, source: str, *, bos: str = "", eos: str = "", name: str = "model") -> None:
        self.source = source
        self._special = {"bos_token": bos, "eos_token": eos}
        self._placeholders = Placeholders()
        self._parts_by_roles: dict[Roles, list[str | int] | str] = {}
        self._no_tools: dict[str, object] = {}
        self._content_as_parts = False
        self.template_kwargs: dict[str, object] = {}
        try:
            self._sandbox = TemplateSandbox(source)
            self._probe_template()
            self._strips_content = "  probe  " not in self._render([("user", "  probe  ")])
        except ChatTemplateError as error:
            raise UsageError(
                f"the chat template in {name} cannot be used: {error}",
                hint="try another GGUF of the same model, or another model",
            ) from error
        self.has_system = self._detect_system_role()
        self.turn_markup = self._detect_turn_markup()
        self.thinking_end = self._detect_thinking_end()

    def render(self, messages: Sequence[Message]) -> list[PromptPart]:
        """Raises UsageError where the template refuses the messages."""
        if not self.has_system:
            messages = _merge_system_into_user(messages)
        parts: list[PromptPart] = []
        for part in self._template_parts(tuple(m.role for m in messages)):
            if isinstance(part, str):
                parts.append(PromptPart(part, markup=True))
            else:
                parts += self._content_parts(messages[part].content)
        return parts

    @property
    def mentioned_kwargs(self) -> set[str]:
        """Those of all known switches that stand in the template."""
        return {name for name in (*THINKING_OFF, *THINKING_LOWEST) if self._mentions(name)}

    @property
    def generation_prompt(self) -> str:
        """What stands in a prompt between a user's words and the answer."""
        [*_, last] = self._template_parts(("user",))
        return last if isinstance(last, str) else ""

    def close(self) -> None:
        self._sandbox.close()

    def _template_parts(self, roles: Roles) -> list[str | int]:
        """Markup, and the numbers of the messages that stand in it."""
        if roles not in self._parts_by_roles:
            chat = [(role, self._placeholders.get(i)) for i, role in enumerate(roles)]
            try:
                parts = [*self._placeholders.split(self._render(chat))]
                if {part for part in parts if isinstance(part, int)} != {*range(len(roles))}:
                    raise ChatTemplateError("it leaves out or changes what is said")
                tail = parts.pop() if isinstance(parts[-1], str) else ""
                assert isinstance(tail, str)
                self._parts_by_roles[roles] = (
                    [*parts, end] if (end := self._complete_tail(tail)) else parts
                )
            except (ChatTemplateError, ValueError) as error:
                self._parts_by_roles[roles] = str(error)
        found = self._parts_by_roles[roles]
        if isinstance(found, str):
            raise UsageError(f"the chat template refuses a chat of {', '.join(roles)}: {found}")
        return found

    def _complete_tail(self, tail: str) -> str:
        """The end of a prompt, up to where the answer begins."""
        if (end := thoughts.ending(tail)) is not None:
            own = end in self.thinking_end
            tail = tail + self.thinking_end if own else f"{tail.rstrip()}\n\n{end}\n\n"
        if self.turn_markup.assistant_to_user.startswith(tail):
            return tail  # the user's turn was closed, no other one opened: so the template wants it
        return tail + _missing_opening(tail, self.turn_markup.user_to_assistant)

    def _render(
        self,
        chat: Sequence[tuple[str, str]],
        *,
        add_generation_prompt: bool = True,
        **extra_keys: str,
    ) -> str:
        """`more` are further keys of the assistant's messages; `ask`: it is its turn to speak."""
        messages: list[dict[str, Any]] = [
            {"role": role, "content": self._format_content(content)} for role, content in chat
        ]
        for message in messages:
            if message["role"] == "assistant":
                message |= extra_keys
        return self._sandbox.render(
            messages=messages,
            add_generation_prompt=add_generation_prompt,
            **self._no_tools,
            **self.template_kwargs,
            **self._special,
        )

    def _format_content(self, content: str) -> str | list[dict[str, str]]:
        return [{"type": "text", "text": content}] if self._content_as_parts else content

    def _probe_template(self) -> None:
        """Finds out with which variables the template writes what a user says."""
        error = self._probe_content_format()
        wanted = (
            (name, value)
            for name in THINKING_LOWEST
            if self._mentions(name)
            for value in THINKING_LOWEST[name]
        )
        while error is not None:
            if (next_one := next(wanted, None)) is None:
                raise error
            # Some refuse to do without a switch.
            self.template_kwargs = dict([next_one])
            error = None if self._probe_content_format() is None else error
        self._disable_thinking()

    def _probe_content_format(self) -> ChatTemplateError | None:
        """Settles how it is told that there are no tools, and in which form content is wanted;
        what is wrong where nothing is written in any way."""
        errors: list[ChatTemplateError] = []
        found: list[tuple[bool, int, dict[str, object], bool]] = []
        for as_parts in (False, True):
            for no_tools in NO_TOOLS:
                self._content_as_parts, self._no_tools = as_parts, no_tools
                try:
                    written = self._render([("user", self._placeholders.get(0))])
                except ChatTemplateError as error:
                    errors.append(error)
                    continue
                shows_text = self._placeholders.get(0) in written and not (
                    as_parts and "'type'" in written
                )
                found.append((not shows_text, len(written), no_tools, as_parts))
            if any(not lost for lost, *_ in found):
                break
        if not found:
            return errors[0]
        # Where no tools are taken for some, the template writes about tools: the shortest is right.
        self._no_tools, self._content_as_parts = min(found, key=lambda f: f[:2])[2:]
        return None

    def _disable_thinking(self) -> None:
        for name, value in THINKING_OFF.items():
            if name == "enable_thinking" or self._mentions(name):
                self._try_values(name, (value,))
        for name, values in THINKING_LOWEST.items():
            if self._mentions(name):
                self._try_values(name, values)

    def _try_values(self, name: str, values: Sequence[object]) -> None:
        """Sets the variable to that value which leaves least of a thought, if any can be taken."""
        before = dict(self.template_kwargs)
        ranked: list[tuple[int, int, dict[str, object]]] = []
        for i, value in enumerate([*values, None]):
            self.template_kwargs = before if value is None else before | {name: value}
            try:
                *_, tail = self._render([("user", self._placeholders.get(0))]).rpartition(
                    self._placeholders.get(0)
                )
            except ChatTemplateError:
                continue
            opened = thoughts.ending(tail) is not None
            rank = 2 if opened else 0 if thoughts.holds_thought(tail) else 1
            ranked.append((rank, i, self.template_kwargs))
        self.template_kwargs = min(ranked, key=lambda r: r[:2])[2] if ranked else before

    def _mentions(self, name: str) -> bool:
        return re.search(rf"(?<![\w.]){name}\b", self.source) is not None

    def _detect_turn_markup(self) -> TurnMarkup:
        to_assistant = to_user = to_end = ""
        chat = [
            ("user", self._placeholders.get(0)),
            ("assistant", self._placeholders.get(1)),
        ]
        for between in self._markup_between([*chat, ("user", self._placeholders.get(2))]):
            to_assistant, to_user = between[1], between[2]
        for between in self._markup_between(chat, add_generation_prompt=False):
            to_assistant, to_end = to_assistant or between[1], between[2]
        return TurnMarkup(to_assistant, to_user, to_end)

    def _detect_thinking_end(self) -> str:
        chat = [
            ("user", self._placeholders.get(0)),
            ("assistant", self._placeholders.get(2)),
        ]
        thought = dict.fromkeys(_REASONING_KEYS, self._placeholders.get(1))
        for between in self._markup_between(chat, add_generation_prompt=False, **thought):
            return between[2]
        return ""

    def _markup_between(
        self,
        chat: Sequence[tuple[str, str]],
        *,
        add_generation_prompt: bool = True,
        **extra_keys: str,
    ) -> Iterator[list[str]]:
        """What stands before, between and behind the sentinels, where each is written once and in
        order; else nothing."""
        try:
            parts = [
                *self._placeholders.split(
                    self._render(chat, add_generation_prompt=add_generation_prompt, **extra_keys)
                )
            ]
        except (ChatTemplateError, ValueError):
            return
        numbers = [part for part in parts if isinstance(part, int)]
        if numbers == [*range(len(numbers))] and len(numbers) == len(chat) + bool(extra_keys):
            between = [""]
            for part in parts:
                if isinstance(part, int):
                    between.append("")
                else:
                    between[-1] += part
            yield between

    def _content_parts(self, content: tuple[Segment, ...]) -> list[PromptPart]:
        parts = [PromptPart(segment.text, row=not segment.trusted) for segment in content]
        if self._strips_content and parts:
            parts[0] = parts[0]._replace(text=parts[0].text.lstrip())
            parts[-1] = parts[-1]._replace(text=parts[-1].text.rstrip())
        return parts

    def _detect_system_role(self) -> bool:
        try:
            rendered = self._render([("system", "probe1"), ("user", "probe2")])
        except ChatTemplateError:
            return False
        return "probe1" in rendered and "probe2" in rendered


def _missing_opening(tail: str, opening: str) -> str:
    """What a prompt lacks of the way in which a history begins an answer: the channel, or the mark
    of a response, that the model would else have to write itself, and no grammar lets it."""
    rest = _rest_after_overlap(tail, opening)
    if not rest.strip():
        return ""  # blanks are left to the model: they are part of its tokens
    if thoughts.holds_thought(rest):
        ended = thoughts.holds_ended_thought(rest)
        return rest if ended and not thoughts.holds_thought(tail) else ""
    return rest


def _rest_after_overlap(tail: str, opening: str) -> str:
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


def _merge_system_into_user(messages: Sequence[Message]) -> Sequence[Message]:
    """The system message as the beginning of the first user message."""
    if len(messages) < 2 or messages[0].role != "system" or messages[1].role != "user":
        return messages
    system, user, *rest = messages
    return [Message("user", (*system.content, Segment("\n\n"), *user.content)), *rest]
