"""The order of a conversation: the user, then any calls of tools and their results, then the
assistant, and so on. Where one way to mend it is obvious, it is mended, and said."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from sysgen_local.core.records import Repair, Turn
from sysgen_local.sources import reasoning
from sysgen_local.sources.messages import Said
from sysgen_local.sources.pairing import paired
from sysgen_local.sources.reasons import UnusableError

LONGEST_GREETING = 300
"""Characters of what an assistant says first. A longer text is no greeting, and what the user
answers to it may make no sense without it."""

_MEDIA = re.compile(r"<(img|image|video|audio)>", re.IGNORECASE)


@dataclass(slots=True)
class _Talk:
    """A conversation as it is put together."""

    system: str | None
    turns: list[Turn] = field(default_factory=list)
    repairs: list[Repair] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    """System messages amid the turns, which go into the next user turn."""


def ordered(
    said: Sequence[Said], system: str | None = None
) -> tuple[str | None, tuple[Turn, ...], tuple[Repair, ...]]:
    """System message, turns and what was mended. `system` is a system message that stood apart.

    Raises UnusableError where it is in no order that is obvious.
    """
    if len(said) == 2 and said[0].role == "user" and said[1].role == "assistant":
        return system, (_user(said[0]), _assistant(said[1])), ()  # as most are
    talk = _Talk(system)
    for one in said:
        _STEPS[one.role](talk, one)
    _end(talk, said)
    return talk.system, paired(talk.turns), tuple(talk.repairs)


def _on_system(talk: _Talk, one: Said) -> None:
    text = one.content
    if not talk.turns:
        talk.system = f"{talk.system}\n\n{text}" if talk.system else text
    elif talk.system and text.strip() in talk.system:
        talk.repairs.append(Repair("system_again", text))
    else:
        talk.waiting.append(text)


def _on_user(talk: _Talk, one: Said) -> None:
    turn = _user(one)
    before = _before(talk)
    if before in ("function_call", "observation"):
        raise UnusableError("bad_order", f"turn {one.at} is user after {before}")
    if talk.waiting:
        turn = Turn("user", "\n\n".join([*_taken(talk), turn.content]))
    if before == "user":
        talk.repairs.append(Repair("joined", turn.content))
        turn = Turn("user", f"{talk.turns.pop().content}\n\n{turn.content}")
    talk.turns.append(turn)


def _on_assistant(talk: _Talk, one: Said) -> None:
    if not talk.turns:
        if len(one.content) > LONGEST_GREETING:
            raise UnusableError("bad_order", "the assistant speaks first, and it is no greeting")
        talk.repairs.append(Repair("greeting", one.content))
        return
    _into_question(talk, one)
    before = talk.turns[-1]
    if before.role == "assistant":
        # A thought in a message of its own comes before what is said; else there are two answers.
        if before.content.strip():
            raise UnusableError(
                "bad_order", f"turn {one.at} is assistant after assistant: two answers in a row"
            )
        talk.turns.pop()
        thought = reasoning.joined(before.thought, one.thought)
        talk.turns.append(_spoken(one)._replace(thought=thought))
        return
    talk.turns.append(_spoken(one))


def _on_call(talk: _Talk, one: Said) -> None:
    if not talk.turns:
        raise UnusableError("bad_order", f"turn {one.at} is {one.role} before any user turn")
    _into_question(talk, one)
    turn = Turn("function_call", one.content, one.thought, one.words)
    if talk.turns[-1].role == "assistant":  # what was said beside the call, as a turn of its own
        beside = talk.turns.pop()
        words = "\n\n".join(filter(None, (beside.content, one.words)))
        turn = turn._replace(words=words, thought=reasoning.joined(beside.thought, one.thought))
    talk.turns.append(turn)


def _on_result(talk: _Talk, one: Said) -> None:
    if not talk.turns:
        raise UnusableError("bad_order", f"turn {one.at} is observation before any user turn")
    if talk.turns[-1].role == "assistant":  # which was a call, as text of some kind
        talk.turns[-1] = talk.turns[-1]._replace(role="function_call")
    _into_question(talk, one)
    talk.turns.append(Turn("observation", one.content, "", "", one.call, one.name))


_STEPS = {"system": _on_system, "user": _on_user, "assistant": _on_assistant,
          "function_call": _on_call, "observation": _on_result}  # fmt: skip


def _into_question(talk: _Talk, one: Said) -> None:
    """A system message right behind a user turn belongs to that turn."""
    if talk.waiting:
        before = talk.turns[-1]
        if before.role != "user":
            raise UnusableError(
                "bad_order", f"a system message stands between {before.role} and turn {one.at}"
            )
        talk.turns[-1] = Turn("user", "\n\n".join([before.content, *_taken(talk)]))


def _taken(talk: _Talk) -> list[str]:
    waiting, talk.waiting = talk.waiting, []
    talk.repairs += [Repair("system_amid", text) for text in waiting]
    return waiting


def _end(talk: _Talk, said: Sequence[Said]) -> None:
    """The last turn is an assistant's; what has no answer is left out."""
    if not talk.turns:
        if talk.repairs:
            raise UnusableError("bad_order", "only the assistant speaks")
        raise UnusableError("no_instruction", "there is no turn")
    if talk.turns[-1].role == "user" and len(talk.turns) > 1:
        talk.repairs.append(Repair("unanswered", talk.turns.pop().content))
    talk.repairs += [Repair("system_last", text) for text in talk.waiting]
    last = talk.turns[-1]
    if last.role != "assistant":
        raise UnusableError("no_answer", f"the last turn is {last.role}")
    for turn in talk.turns:
        if turn.role == "assistant" and not turn.content.strip():
            at = next(
                (of.at for of in said if of.role == "assistant" and not of.content.strip()), 1
            )
            raise _no_answer(at, turn.thought)


def _before(talk: _Talk) -> str | None:
    return talk.turns[-1].role if talk.turns else None


def _user(one: Said) -> Turn:
    text = one.content
    if not text or text.isspace():
        raise UnusableError("no_instruction", f"turn {one.at} is empty")
    if "<" in text and _MEDIA.search(text):
        raise UnusableError("not_text", f"turn {one.at} refers to an image or sound")
    return Turn("user", text)


def _assistant(one: Said) -> Turn:
    turn = _spoken(one)
    if not turn.content or turn.content.isspace():
        raise _no_answer(one.at, one.thought)
    return turn


def _spoken(one: Said) -> Turn:
    text = one.content
    if "<" in text and _MEDIA.search(text):
        raise UnusableError("not_text", f"turn {one.at} refers to an image or sound")
    return Turn("assistant", text, one.thought) if one.thought else Turn("assistant", text)


def _no_answer(at: int, thought: str) -> UnusableError:
    what = "holds a thought and no answer" if thought else "is empty"
    return UnusableError("no_answer", f"turn {at} {what}")
