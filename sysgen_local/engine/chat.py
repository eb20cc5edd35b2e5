"""The model's own chat template, rendered so that message text stays apart from markup.

A template is rendered over sentinels in place of the messages' text, so it never sees a row; and
so what it makes depends on nothing but who speaks in turn, and is rendered once for each such
order. What it cannot do is probed at the start: a system message it has no place for goes in
front of the first user message. Thinking is off: where the template has no switch for that and
begins a thought itself, the thought ends there.
"""

from __future__ import annotations

from collections.abc import Sequence

from sysgen_local.engine.jinja import Jinja, TemplateFaultError
from sysgen_local.engine.request import Message, Segment
from sysgen_local.engine.segments import Marks
from sysgen_local.engine.vocab import Piece
from sysgen_local.errors import UsageError

Roles = tuple[str, ...]

THOUGHT = "<think>"
"""How a thought begins in nearly all templates that know one."""


class ChatTemplate:
    """Messages -> pieces of a prompt that ends where the assistant begins to speak."""

    def __init__(self, source: str, *, bos: str = "", eos: str = "", name: str = "model") -> None:
        self._special = {"bos_token": bos, "eos_token": eos}
        self._marks = Marks()
        self._rendered: dict[Roles, list[str | int] | str] = {}
        try:
            self._jinja = Jinja(source)
            self._trims = "  probe  " not in self._render([("user", "  probe  ")])
        except TemplateFaultError as error:
            raise UsageError(
                f"the chat template in {name} cannot be used: {error}",
                hint="`sysgen models check` tells more; try another GGUF of the same model",
            ) from error
        self.has_system = self._takes_system()

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

    def close(self) -> None:
        self._jinja.close()

    def _parts(self, roles: Roles) -> list[str | int]:
        """Markup, and the numbers of the messages that stand in it."""
        if roles not in self._rendered:
            chat = [(role, self._marks.at(i)) for i, role in enumerate(roles)]
            try:
                rendered = self._render(chat)
                if rendered.rstrip().endswith(THOUGHT):
                    rendered = f"{rendered.rstrip()}\n\n</think>\n\n"
                parts = [*self._marks.pieces(rendered)]
                if {part for part in parts if isinstance(part, int)} != {*range(len(roles))}:
                    raise TemplateFaultError("it leaves out or changes what is said")
                self._rendered[roles] = parts
            except (TemplateFaultError, ValueError) as error:
                self._rendered[roles] = str(error)
        found = self._rendered[roles]
        if isinstance(found, str):
            raise UsageError(f"the chat template refuses a chat of {', '.join(roles)}: {found}")
        return found

    def _render(self, chat: Sequence[tuple[str, str]]) -> str:
        return self._jinja.render(
            messages=[{"role": role, "content": content} for role, content in chat],
            add_generation_prompt=True,
            enable_thinking=False,
            tools=None,
            **self._special,
        )

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


def _folded(messages: Sequence[Message]) -> Sequence[Message]:
    """The system message as the beginning of the first user message."""
    if len(messages) < 2 or messages[0].role != "system" or messages[1].role != "user":
        return messages
    system, user, *rest = messages
    return [Message("user", (*system.content, Segment("\n\n"), *user.content)), *rest]
