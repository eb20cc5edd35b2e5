"""Converts lists of turns, in the forms that datasets have, to messages in their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sysgen_local.sources import reasoning, tools
from sysgen_local.sources.keys import Row, absent, kind, listed, named
from sysgen_local.sources.reasons import UnusableError
from sysgen_local.sources.texts import as_text, decoded, text

_ROLES: dict[str, str] = {
    **dict.fromkeys(("user", "human", "prompter", "instruction"), "user"),
    **dict.fromkeys(
        ("assistant", "gpt", "chatgpt", "model", "bot", "bing", "bard", "output", "answer"),
        "assistant",
    ),
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("function_call", "tool_call"), "function_call"),
    **dict.fromkeys(
        ("observation", "tool", "tool_response", "function", "function_response", "ipython"),
        "observation",
    ),
}
_SPEAKERS = ("role", "from", "speaker", "author")
_CONTENTS = ("content", "value", "text", "message")
_PAIRS = (("input", "output"), ("human", "assistant"), ("user", "assistant"),
          ("question", "answer"), ("prompt", "response"), ("query", "response"),
          ("instruction", "output"))  # fmt: skip
_CALLS = ("tool_calls", "function_call")
_TEXTS = ("text", "input_text", "output_text")
MEDIA = ("images", "image", "videos", "video", "audios", "audio")
_UNSAID = ("redacted_thinking",)
"""Types of content parts that are encrypted, and so have no text."""


class SourceMessage(NamedTuple):
    """One message of a conversation, before `order` checks the sequence. `at` is its position among
    the input's turns, from 1. The other fields are those of `Turn`."""

    role: str
    content: str
    at: int
    thought: str = ""
    words: str = ""
    call: str = ""
    name: str = ""


def is_list(value: object) -> bool:
    """Whether the value looks like turns: objects with a speaker, pairs, or plain texts."""
    if not isinstance(value, list | tuple) or not value:
        return False
    one = next((of for of in value if not absent(of)), None)
    if isinstance(one, Mapping):
        keys = named(one).keys()
        return any(key in keys for key in _SPEAKERS) or any(
            {ask, reply} <= keys or keys <= {ask, reply} for ask, reply in _PAIRS[:3]
        )
    return isinstance(one, str) and all(of is None or isinstance(of, str) for of in value)


def of_list(items: Sequence[Any]) -> list[SourceMessage]:
    """The messages of a list of turns. Plain texts alternate between user and assistant.

    Raises UnusableError for an item that is no turn.
    """
    if not items:
        return []
    if isinstance(items[0], str):
        if items[0].lstrip()[:1] != "{" or isinstance(decoded(items[0]), str):
            return alternating(items)
        items = [decoded(item) for item in items]
    found: list[SourceMessage] = []
    for at, item in enumerate(items, 1):
        if isinstance(item, Mapping):
            if len(item) == 2:  # the usual case
                by = item.get("role") or item.get("from")
                content = item.get("content") or item.get("value")
                if type(content) is str and type(by) is str:
                    if (role := _ROLES.get(by)) == "user":
                        found.append(SourceMessage("user", content, at))
                        continue
                    if role == "assistant":
                        found.append(answer(content, at))
                        continue
            there = named(item)
            if there:
                found += _item(there, item, at)
        elif isinstance(item, list | tuple) and len(item) == 2:
            found += _pair(item[0], item[1], at, "")
        elif not absent(item):
            raise UnusableError("not_text", f"turn {at} is a {kind(item)}")
    return found


def alternating(items: Sequence[Any]) -> list[SourceMessage]:
    """The messages of plain texts: user and assistant alternate. Empty texts at the end are
    padding."""
    while len(items) > 1 and absent(items[-1]):
        items = items[:-1]
    for at, item in enumerate(items, 1):
        if not isinstance(item, str):
            raise UnusableError("not_text", f"turn {at} is a {kind(item)}")
    return [
        SourceMessage("user", item, at) if at % 2 else answer(item, at)
        for at, item in enumerate(items, 1)
    ]


def of_pairs(items: Sequence[Any]) -> list[SourceMessage]:
    """The messages of a history: pairs of question and answer, turns, or alternating plain
    texts."""
    if all(isinstance(item, str) for item in items):
        if len(items) % 2:
            raise UnusableError("not_text", "history is no list of [question, answer]")
        return alternating(items)
    for item in items:
        if not isinstance(item, Mapping) and not (
            absent(item) or (isinstance(item, list | tuple) and len(item) == 2)
        ):
            raise UnusableError("not_text", "history is no list of [question, answer]")
    return of_list([item for item in items if not absent(item)])


def answer(content: str, at: int) -> SourceMessage:
    """The message of an assistant, with its thought separated from its answer."""
    thought, text_ = reasoning.split(content)
    return SourceMessage("assistant", text_, at, thought)


def _pair(ask: object, reply: object, at: int, names: str) -> list[SourceMessage]:
    asked, answered = (f", {name}" if name else "" for name in (names.split() or ("", "")))
    found = []
    if not absent(ask):
        found.append(SourceMessage("user", text(ask, f"turn {at}{asked}"), at))
    if not absent(reply):
        found.append(answer(text(reply, f"turn {at}{answered}"), at))
    return found


def _item(there: Row, item: Row, at: int) -> list[SourceMessage]:
    """The messages of one item of a list: a turn, a pair of turns, or tool results with a turn."""
    by = next((there[key] for key in _SPEAKERS if key in there), None)
    if isinstance(by, Mapping):
        by = named(by).get("role")
    if by is None:
        for least in (2, 1):  # `output` alone stands in several pairs
            for ask, reply in _PAIRS:
                if (ask in there) + (reply in there) >= least:
                    return _pair(there.get(ask), there.get(reply), at, f"{ask} {reply}")
        raise UnusableError("unknown_shape", f"the keys of turn {at} are {listed(item)}")
    role = _ROLES.get(str(by).strip().lower())
    if role is None:
        raise UnusableError("unknown_role", f"turn {at} is by {str(by)[:40]!r}")
    if any(there.get(key) for key in MEDIA):
        raise UnusableError("not_text", f"turn {at} comes with images or sound")
    content = next((there[key] for key in _CONTENTS if key in there), None)
    if role == "assistant":
        return [_assistant(there, content, at)]
    if role == "function_call":
        thought, content = reasoning.split(content) if isinstance(content, str) else ("", content)
        found = tools.calls(content)
        calls = tools.unparsed(content) if found is None else tools.dumped_calls(found)
        if absent(calls):
            raise UnusableError("no_answer", f"turn {at} is empty")
        thought = reasoning.joined(_thought(there), thought)
        return [SourceMessage("function_call", calls, at, thought, _words(there))]
    if role == "observation":
        return [_observation(there, content, at)]
    said, _, results = _parts(content, at)
    if role == "system" and not said.strip():
        return []
    return [*results, SourceMessage(role, said, at)] if said or not results else results


def _assistant(there: Row, content: object, at: int) -> SourceMessage:
    said, thought, results = _parts(content, at)
    thought = reasoning.joined(_thought(there), thought)
    key = next((key for key in _CALLS if there.get(key)), None)
    if key is None and not results:
        inside, said = reasoning.split(said)
        return SourceMessage("assistant", said, at, reasoning.joined(thought, inside))
    inside, words = reasoning.split(said)
    thought = reasoning.joined(thought, inside)
    if key is None:
        made = [call for of in results for call in tools.calls(of.content) or ()]
        return SourceMessage("function_call", tools.dumped_calls(made), at, thought, words)
    value = decoded(there[key])
    if not isinstance(value, Mapping | list | tuple):
        raise UnusableError("not_text", f"turn {at}, {key} is a {kind(value)}, no list of calls")
    found = tools.calls(value)
    calls = tools.unparsed(value) if found is None else tools.dumped_calls(found)
    return SourceMessage("function_call", calls, at, thought, words)


def _observation(there: Row, content: object, at: int) -> SourceMessage:
    if content is None:
        result = ""  # a tool may return nothing
    elif isinstance(content, list | tuple) and content and _are_parts(content):
        result = _parts(content, at)[0]
    else:
        result = as_text(content, f"turn {at}")
    call = next((there[key] for key in ("tool_call_id", "call_id", "id") if key in there), "")
    name = next((there[key] for key in ("name", "tool_name") if key in there), "")
    return SourceMessage("observation", result, at, "", "", str(call), str(name))


def _thought(there: Row) -> str:
    found = (reasoning.of(there[key]) for key in reasoning.KEYS if key in there)
    return next(filter(None, found), "")


def _words(there: Row) -> str:
    value = there.get("words")
    return value if isinstance(value, str) else ""


def _are_parts(content: Sequence[Any]) -> bool:
    return all(
        isinstance(part, str) or absent(part)
        or (isinstance(part, Mapping) and ("text" in part or "type" in part))
        for part in content
    )  # fmt: skip


def text_of_parts(content: object) -> str | None:
    """The text of a content with parts; None where a part is no text."""
    try:
        return _parts(content, 0)[0]
    except UnusableError:
        return None


def _parts(content: object, at: int) -> tuple[str, str, list[SourceMessage]]:
    """(text, thought, tool calls and results) of a content and its parts.

    Raises UnusableError for a part of another type: an image, a sound, a file.
    """
    if type(content) is str:
        return content, "", []
    if content is None:
        return "", "", []
    if isinstance(content, Mapping):
        content = [content]
    if not isinstance(content, list | tuple):
        return text(content, f"turn {at}"), "", []
    texts, thoughts, found = [], [], []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
            continue
        there = named(part) if isinstance(part, Mapping) else {}
        form = there.get("type", "text")
        if form in _TEXTS and isinstance(there.get("text"), str):
            texts.append(there["text"])
        elif form == "refusal" and isinstance(there.get("refusal"), str):
            texts.append(there["refusal"])
        elif form in reasoning.PARTS:
            thought = there.get(reasoning.PARTS[form], there.get("text"))
            if isinstance(thought, str) and form not in _UNSAID:
                thoughts.append(thought)
        elif form == "tool_use" and (called := tools.calls(there)) is not None:
            found.append(SourceMessage("function_call", tools.dumped_calls(called), at))
        elif form == "tool_result":
            result = there.get("content")
            found.append(_observation({**there, "call_id": there.get("tool_use_id", "")},
                                      result, at))  # fmt: skip
        elif there and (form not in _TEXTS or set(there) - {"type", "cache_control"}):
            raise UnusableError("not_text", f"turn {at} has parts that are no text")
    return "".join(texts), reasoning.joined(*thoughts), found
