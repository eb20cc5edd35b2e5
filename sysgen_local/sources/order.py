"""Puts messages in the order of a conversation: the user, then tool calls and their results, then
the assistant, and so on. Where there is one obvious way to repair the order, it is repaired, and
the repair is recorded."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from sysgen_local.core.records import Repair, Turn
from sysgen_local.sources import reasoning
from sysgen_local.sources.messages import SourceMessage
from sysgen_local.sources.pairing import paired
from sysgen_local.sources.reasons import UnusableError

LONGEST_GREETING = 300
"""The most characters of a greeting, an assistant's first message before the user's. A longer text
is no greeting: the user's answer may make no sense without it."""

_MEDIA = re.compile(r"<(img|image|video|audio)>", re.IGNORECASE)


@dataclass(slots=True)
class _Draft:
    """A conversation under construction."""

    system: str | None
    turns: list[Turn] = field(default_factory=list)
    repairs: list[Repair] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    """System messages between turns, which go into the next user turn."""


def ordered(
    messages: Sequence[SourceMessage], system: str | None = None
) -> tuple[str | None, tuple[Turn, ...], tuple[Repair, ...]]:
    """(system message, turns, repairs). `system` is the row's system message outside of the
    messages.

    Raises UnusableError where the order cannot be repaired.
    """
    if len(messages) == 2 and messages[0].role == "user" and messages[1].role == "assistant":
        return system, (_user(messages[0]), _assistant(messages[1])), ()  # the usual case
    draft = _Draft(system)
    for message in messages:
        _STEPS[message.role](draft, message)
    _end(draft, messages)
    return draft.system, paired(draft.turns), tuple(draft.repairs)


def _on_system(draft: _Draft, message: SourceMessage) -> None:
    text = message.content
    if not draft.turns:
        draft.system = f"{draft.system}\n\n{text}" if draft.system else text
    elif draft.system and text.strip() in draft.system:
        draft.repairs.append(Repair("system_again", text))
    else:
        draft.waiting.append(text)


def _on_user(draft: _Draft, message: SourceMessage) -> None:
    turn = _user(message)
    before = _before(draft)
    if before in ("function_call", "observation"):
        raise UnusableError("bad_order", f"turn {message.at} is user after {before}")
    if draft.waiting:
        turn = Turn("user", "\n\n".join([*_taken(draft), turn.content]))
    if before == "user":
        draft.repairs.append(Repair("joined", turn.content))
        turn = Turn("user", f"{draft.turns.pop().content}\n\n{turn.content}")
    draft.turns.append(turn)


def _on_assistant(draft: _Draft, message: SourceMessage) -> None:
    if not draft.turns:
        if len(message.content) > LONGEST_GREETING:
            raise UnusableError("bad_order", "the assistant speaks first, and it is no greeting")
        draft.repairs.append(Repair("greeting", message.content))
        return
    _add_to_user_turn(draft, message)
    before = draft.turns[-1]
    if before.role == "assistant":
        # A message with a thought alone belongs to the answer after it. Otherwise there are two
        # answers.
        if before.content.strip():
            raise UnusableError(
                "bad_order", f"turn {message.at} is assistant after assistant: two answers in a row"
            )
        draft.turns.pop()
        thought = reasoning.joined(before.thought, message.thought)
        draft.turns.append(_assistant_turn(message)._replace(thought=thought))
        return
    draft.turns.append(_assistant_turn(message))


def _on_call(draft: _Draft, message: SourceMessage) -> None:
    if not draft.turns:
        raise UnusableError(
            "bad_order", f"turn {message.at} is {message.role} before any user turn"
        )
    _add_to_user_turn(draft, message)
    turn = Turn("function_call", message.content, message.thought, message.words)
    if draft.turns[-1].role == "assistant":  # text beside the call, in a turn of its own
        beside = draft.turns.pop()
        words = "\n\n".join(filter(None, (beside.content, message.words)))
        turn = turn._replace(words=words, thought=reasoning.joined(beside.thought, message.thought))
    draft.turns.append(turn)


def _on_result(draft: _Draft, message: SourceMessage) -> None:
    if not draft.turns:
        raise UnusableError("bad_order", f"turn {message.at} is observation before any user turn")
    if draft.turns[-1].role == "assistant":  # it is a call in some text form
        draft.turns[-1] = draft.turns[-1]._replace(role="function_call")
    _add_to_user_turn(draft, message)
    draft.turns.append(Turn("observation", message.content, "", "", message.call, message.name))


_STEPS = {"system": _on_system, "user": _on_user, "assistant": _on_assistant,
          "function_call": _on_call, "observation": _on_result}  # fmt: skip


def _add_to_user_turn(draft: _Draft, message: SourceMessage) -> None:
    """Adds a system message that directly follows a user turn to that turn."""
    if draft.waiting:
        before = draft.turns[-1]
        if before.role != "user":
            raise UnusableError(
                "bad_order", f"a system message stands between {before.role} and turn {message.at}"
            )
        draft.turns[-1] = Turn("user", "\n\n".join([before.content, *_taken(draft)]))


def _taken(draft: _Draft) -> list[str]:
    waiting, draft.waiting = draft.waiting, []
    draft.repairs += [Repair("system_amid", text) for text in waiting]
    return waiting


def _end(draft: _Draft, messages: Sequence[SourceMessage]) -> None:
    """Ends the conversation with the assistant: a last user turn without an answer is removed."""
    if not draft.turns:
        if draft.repairs:
            raise UnusableError("bad_order", "only the assistant speaks")
        raise UnusableError("no_instruction", "there is no turn")
    if draft.turns[-1].role == "user" and len(draft.turns) > 1:
        draft.repairs.append(Repair("unanswered", draft.turns.pop().content))
    draft.repairs += [Repair("system_last", text) for text in draft.waiting]
    last = draft.turns[-1]
    if last.role != "assistant":
        raise UnusableError("no_answer", f"the last turn is {last.role}")
    for turn in draft.turns:
        if turn.role == "assistant" and not turn.content.strip():
            at = next(
                (of.at for of in messages if of.role == "assistant" and not of.content.strip()), 1
            )
            raise _no_answer(at, turn.thought)


def _before(draft: _Draft) -> str | None:
    return draft.turns[-1].role if draft.turns else None


def _user(message: SourceMessage) -> Turn:
    text = message.content
    if not text or text.isspace():
        raise UnusableError("no_instruction", f"turn {message.at} is empty")
    if "<" in text and _MEDIA.search(text):
        raise UnusableError("not_text", f"turn {message.at} refers to an image or sound")
    return Turn("user", text)


def _assistant(message: SourceMessage) -> Turn:
    turn = _assistant_turn(message)
    if not turn.content or turn.content.isspace():
        raise _no_answer(message.at, message.thought)
    return turn


def _assistant_turn(message: SourceMessage) -> Turn:
    text = message.content
    if "<" in text and _MEDIA.search(text):
        raise UnusableError("not_text", f"turn {message.at} refers to an image or sound")
    return Turn("assistant", text, message.thought) if message.thought else Turn("assistant", text)


def _no_answer(at: int, thought: str) -> UnusableError:
    what = "holds a thought and no answer" if thought else "is empty"
    return UnusableError("no_answer", f"turn {at} {what}")
