"""One training conversation, and the text it is shown to a model as."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from builtin_recipe.scenario import Scenario

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


class Message(NamedTuple):
    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Sample:
    """A conversation that ends with what is to be learnt. `about` is what it was written from."""

    task: str
    messages: tuple[Message, ...]
    about: Scenario | None = None

    @property
    def prompt(self) -> tuple[Message, ...]:
        """All but the last message."""
        return self.messages[:-1]

    @property
    def target(self) -> str:
        return self.messages[-1].content


def conversation(system: str, user: str, assistant: str) -> tuple[Message, ...]:
    """One exchange; an empty system message is left out."""
    exchange = (Message("user", user), Message("assistant", assistant))
    return (Message("system", system), *exchange) if system else exchange
