"""The model's own chat template, rendered so that message text stays apart from markup.

A template that comes inside a GGUF is somebody's program: it runs in Jinja's sandbox, over
sentinels in place of the messages' text. What the template cannot do is probed once: a system
message it has no place for goes in front of the first user message.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any, NoReturn

from jinja2 import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from sysgen_local.engine.request import Message, Segment
from sysgen_local.engine.segments import Marks
from sysgen_local.engine.vocab import Piece
from sysgen_local.errors import UsageError


class ChatTemplate:
    """Messages -> pieces of a prompt that ends where the assistant begins to speak."""

    def __init__(self, source: str, *, bos: str = "", eos: str = "", name: str = "model") -> None:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols], autoescape=False
        )
        environment.globals.update(raise_exception=_raise, strftime_now=_strftime_now)
        self._special = {"bos_token": bos, "eos_token": eos}
        try:
            self._template = environment.from_string(source)
            user = Message("user", (Segment("  probe  "),))
            self._trims = "  probe  " not in self._probe([user])
        except (TemplateError, RecursionError, OverflowError, TypeError, ValueError) as error:
            raise UsageError(
                f"the chat template in {name} cannot be used: {error}",
                hint="`sysgen models check` tells more; try another GGUF of the same model",
            ) from error
        self.has_system = self._takes_system()

    def render(self, messages: Sequence[Message]) -> list[Piece]:
        """Raises UsageError where the template refuses the messages."""
        if not self.has_system:
            messages = _folded(messages)
        try:
            return self._render(messages)
        except (TemplateError, RecursionError, OverflowError, TypeError, ValueError) as error:
            roles = ", ".join(m.role for m in messages)
            raise UsageError(f"the chat template refuses a chat of {roles}: {error}") from error

    def _render(self, messages: Sequence[Message]) -> list[Piece]:
        marks = Marks()
        chat = [{"role": m.role, "content": marks.mark(m.text)} for m in messages]
        rendered = self._template.render(
            messages=chat,
            add_generation_prompt=True,
            enable_thinking=False,
            tools=None,
            **self._special,
        )
        pieces: list[Piece] = []
        for piece in marks.pieces(rendered):
            if isinstance(piece, str):
                pieces.append(Piece(piece, markup=True))
            else:
                pieces += self._content(messages[piece].content)
        return pieces

    def _content(self, content: tuple[Segment, ...]) -> list[Piece]:
        pieces = [Piece(segment.text, row=not segment.trusted) for segment in content]
        if self._trims and pieces:
            pieces[0] = pieces[0]._replace(text=pieces[0].text.lstrip())
            pieces[-1] = pieces[-1]._replace(text=pieces[-1].text.rstrip())
        return pieces

    def _probe(self, messages: Sequence[Message]) -> str:
        return self._template.render(
            messages=[{"role": m.role, "content": m.text} for m in messages],
            add_generation_prompt=True,
            enable_thinking=False,
            tools=None,
            **self._special,
        )

    def _takes_system(self) -> bool:
        try:
            rendered = self._probe(
                [Message("system", (Segment("probe1"),)), Message("user", (Segment("probe2"),))]
            )
        except (TemplateError, TypeError, ValueError):
            return False
        return "probe1" in rendered and "probe2" in rendered


def _folded(messages: Sequence[Message]) -> Sequence[Message]:
    """The system message as the beginning of the first user message."""
    if len(messages) < 2 or messages[0].role != "system" or messages[1].role != "user":
        return messages
    system, user, *rest = messages
    return [Message("user", (*system.content, Segment("\n\n"), *user.content)), *rest]


def _raise(message: str) -> NoReturn:
    raise TemplateError(message)


def _strftime_now(form: str) -> str:
    """Some templates write today's date; a fixed one keeps prompts equal from day to day."""
    return datetime.date(2025, 1, 1).strftime(form)


def template_of(metadata: dict[str, Any]) -> str | None:
    """The chat template among a GGUF's metadata."""
    return metadata.get("tokenizer.chat_template")
