"""Renders the model's own chat template so that text of messages stays apart from markup.

What: the template is rendered over placeholders instead of texts, once for each order of roles, and
the texts are put in afterwards (see `placeholders`).
Why: no text of a row can act as template code, and the tokenizer knows what is markup.
What the template supports is probed once, with rendered test chats:
- A template without a system role gets the system message in front of the first user message.
- Thinking is switched off by the template's own variables. Where the template begins a thought all
  the same, the prompt ends that thought.
- A prompt ends where the template writes the text of an answer in a history, so that the next token
  belongs to the answer.
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
"""The roles of a chat's messages in order."""

THINKING_OFF: dict[str, object] = {
    "enable_thinking": False,
    "thinking": False,
    "reasoning": False,
    "thinking_budget": 0,
}
"""Template variables that switch thinking off, with the value that does."""

THINKING_LOWEST: dict[str, tuple[str, ...]] = {
    "reasoning_effort": ("low", "minimal", "none", "no_think"),
    "reasoning_strength": ("low", "none"),
    "thinking_mode": ("disabled", "off", "no_think", "chat"),
    "thinking_option": ("off",),
}
"""Template variables whose values are words that differ between model families. They are tried in
turn. The first value that leads to an ended thought is used, else the first that the template
accepts."""

NO_TOOLS: tuple[dict[str, object], ...] = ({}, {"tools": None}, {"tools": []})
"""Ways to pass that there are no tools; each is refused by some templates."""

_REASONING_KEYS = ("reasoning_content", "reasoning", "thinking")
"""Keys of an assistant message under which templates expect its thought."""


class TurnMarkup(NamedTuple):
    """The markup between the texts of a history: from user to assistant, from assistant to the
    next user, and from the assistant to the end of the chat. Empty where the template refuses such
    a chat."""

    user_to_assistant: str = ""
    assistant_to_user: str = ""
    assistant_to_end: str = ""


class ChatTemplate:
    """Turns messages into the parts of a prompt that ends where the answer begins.

    has_system: whether the template has a system role. template_kwargs: the variables that switch
    thinking off. turn_markup: the markup of a history. thinking_end: what the template writes
    between a thought and the answer, "" where that is unknown. Raises UsageError for a template
    that cannot be used.
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
        """The parts of the prompt for these messages. Raises UsageError where the template refuses
        the order of their roles."""
        if not self.has_system:
            messages = _merge_system_into_user(messages)
        parts: list[PromptPart] = []
        for part in self._template_parts(tuple(m.role for m in messages)):
            if isinstance(part, str):
                parts.append(PromptPart(part, markup=True))
            else:
                parts += self._content_parts(messages[part].content)
        return parts

    def render_answer(self, answer: Message, closing: str) -> list[PromptPart]:
        """The parts of an answer as a history has it, with the markup that closes it (see
        `Tokenizer.closing`). White space that a history has between prompt and answer is part of
        the answer: the model writes it."""
        space = _rest_after_overlap(self.generation_prompt, self.turn_markup.user_to_assistant)
        before = [] if space.strip() else [PromptPart(space, markup=True)]
        return [*before, *self._content_parts(answer.content), PromptPart(closing, markup=True)]

    @property
    def used_kwargs(self) -> dict[str, object]:
        """Those of `template_kwargs` that the template mentions."""
        return {name: of for name, of in self.template_kwargs.items() if self._mentions(name)}

    @property
    def generation_prompt(self) -> str:
        """The markup between the last user message and the answer."""
        [*_, last] = self._template_parts(("user",))
        return last if isinstance(last, str) else ""

    def close(self) -> None:
        """Ends the process that renders the template."""
        self._sandbox.close()

    def _template_parts(self, roles: Roles) -> list[str | int]:
        """The rendered template for these roles: markup as str, messages as their index. An error
        is kept as well, so that each order of roles is rendered once."""
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
        """The rest of the prompt, from the markup `tail` behind the last message to where the
        answer begins: an open thought is ended, missing markup is added."""
        if (end := thoughts.ending(tail)) is not None:
            own = end in self.thinking_end
            tail = tail + self.thinking_end if own else f"{tail.rstrip()}\n\n{end}\n\n"
        if self.turn_markup.assistant_to_user.startswith(tail):
            return tail  # the template closes the user's turn without opening another one
        return tail + _missing_opening(tail, self.turn_markup.user_to_assistant)

    def _render(
        self,
        chat: Sequence[tuple[str, str]],
        *,
        add_generation_prompt: bool = True,
        **extra_keys: str,
    ) -> str:
        """Renders (role, content) pairs. `extra_keys`: further keys of the assistant messages."""
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
        """The content in the form that the template expects."""
        return [{"type": "text", "text": content}] if self._content_as_parts else content

    def _probe_template(self) -> None:
        """Finds variables with which the template renders a user message, then switches thinking
        off. Raises ChatTemplateError where there are none."""
        error = self._probe_content_format()
        candidates = (
            (name, value)
            for name in THINKING_LOWEST
            if self._mentions(name)
            for value in THINKING_LOWEST[name]
        )
        while error is not None:
            if (candidate := next(candidates, None)) is None:
                raise error
            # Some templates require one of these variables.
            self.template_kwargs = dict([candidate])
            error = None if self._probe_content_format() is None else error
        self._disable_thinking()

    def _probe_content_format(self) -> ChatTemplateError | None:
        """Chooses the form of `content` (a text, or a list of parts) and of "no tools" in which the
        template writes the text of a message. Returns the error where it refuses all of them."""
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
        # Some templates take a null or an empty list for tools and write about them: the shortest
        # text is right.
        self._no_tools, self._content_as_parts = min(found, key=lambda f: f[:2])[2:]
        return None

    def _disable_thinking(self) -> None:
        """Tries the variables that the template mentions. `enable_thinking` is always tried."""
        for name, value in THINKING_OFF.items():
            if name == "enable_thinking" or self._mentions(name):
                self._try_values(name, (value,))
        for name, values in THINKING_LOWEST.items():
            if self._mentions(name):
                self._try_values(name, values)

    def _try_values(self, name: str, values: Sequence[object]) -> None:
        """Sets the variable to the value with the best result: an ended thought, else no thought,
        else an open one. Leaves it unset where that is better or all values are refused."""
        before = dict(self.template_kwargs)
        ranked: list[tuple[int, int, dict[str, object]]] = []
        for i, value in enumerate([*values, None]):
            self.template_kwargs = before if value is None else before | {name: value}
            try:
                text = self._placeholders.get(0)
                *_, tail = self._render([("user", text)]).rpartition(text)
            except ChatTemplateError:
                continue
            opened = thoughts.ending(tail) is not None
            rank = 2 if opened else 0 if thoughts.holds_thought(tail) else 1
            ranked.append((rank, i, self.template_kwargs))
        self.template_kwargs = min(ranked, key=lambda r: r[:2])[2] if ranked else before

    def _mentions(self, name: str) -> bool:
        """Whether the variable stands in the template."""
        return re.search(rf"(?<![\w.]){name}\b", self.source) is not None

    def _detect_turn_markup(self) -> TurnMarkup:
        """Reads the markup of a history from rendered test chats."""
        to_assistant = to_user = to_end = ""
        chat = [("user", self._placeholders.get(0)), ("assistant", self._placeholders.get(1))]
        for between in self._markup_between([*chat, ("user", self._placeholders.get(2))]):
            to_assistant, to_user = between[1], between[2]
        for between in self._markup_between(chat, add_generation_prompt=False):
            to_assistant, to_end = to_assistant or between[1], between[2]
        return TurnMarkup(to_assistant, to_user, to_end)

    def _detect_thinking_end(self) -> str:
        """Reads what stands between a thought and the answer from a rendered test chat."""
        chat = [("user", self._placeholders.get(0)), ("assistant", self._placeholders.get(2))]
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
        """The markup before, between and behind the placeholders, if the template writes each of
        them once and in order; otherwise nothing is yielded."""
        try:
            rendered = self._render(chat, add_generation_prompt=add_generation_prompt, **extra_keys)
            parts = [*self._placeholders.split(rendered)]
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
        """The parts of a message, stripped at both ends if the template strips its content."""
        parts = [PromptPart(segment.text, row=not segment.trusted) for segment in content]
        if self._strips_content and parts:
            parts[0] = parts[0]._replace(text=parts[0].text.lstrip())
            parts[-1] = parts[-1]._replace(text=parts[-1].text.rstrip())
        return parts

    def _detect_system_role(self) -> bool:
        """Whether the template renders a system message."""
        try:
            rendered = self._render([("system", "probe1"), ("user", "probe2")])
        except ChatTemplateError:
            return False
        return "probe1" in rendered and "probe2" in rendered


def _missing_opening(tail: str, opening: str) -> str:
    """The markup that a history has before an answer and the prompt does not, such as a channel or
    the mark of a response. Without it the model would have to generate this markup, which a grammar
    does not allow. `tail`: end of the prompt; `opening`: markup of a history before an answer."""
    rest = _rest_after_overlap(tail, opening)
    if not rest.strip():
        return ""  # whitespace is left to the model: it is often part of the next token
    if thoughts.holds_thought(rest):
        ended = thoughts.holds_ended_thought(rest)
        return rest if ended and not thoughts.holds_thought(tail) else ""
    return rest


def _rest_after_overlap(tail: str, opening: str) -> str:
    """The rest of `opening` behind the part with which the prompt ends, or, where the prompt ends
    with an ended thought, behind the part before that thought. Empty where they share nothing."""
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
    """The messages with the system message moved to the beginning of the first user message."""
    if len(messages) < 2 or messages[0].role != "system" or messages[1].role != "user":
        return messages
    system, user, *rest = messages
    return [Message("user", (*system.content, Segment("\n\n"), *user.content)), *rest]
