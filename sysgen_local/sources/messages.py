"""Lists of turns, in the forms that data sets have them, to what was said one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sysgen_local.sources import reasoning, tools
from sysgen_local.sources.keys import Row, absent, kind, listed, named
from sysgen_local.sources.reasons import UnusableError
from sysgen_local.sources.texts import decoded, shown, text

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
"""Types of parts that are for a machine alone."""


class Said(NamedTuple):
    """What somebody said, before it is looked at whether it stands in order. `at` is its place
    among the turns as they came. The rest as in `Turn`."""

    role: str
    content: str
    at: int
    thought: str = ""
    words: str = ""
    call: str = ""
    name: str = ""


def is_list(value: object) -> bool:
    """Whether this looks like turns: objects that say who speaks, or pairs, or plain texts."""
    if not isinstance(value, list | tuple) or not value:
        return False
    one = next((of for of in value if not absent(of)), None)
    if isinstance(one, Mapping):
        keys = named(one).keys()
        return any(key in keys for key in _SPEAKERS) or any(
            {ask, reply} <= keys or keys <= {ask, reply} for ask, reply in _PAIRS[:3]
        )
    return isinstance(one, str) and all(of is None or isinstance(of, str) for of in value)


def of_list(items: Sequence[Any]) -> list[Said]:
    """What the items of a list say, one after the other. Plain texts alternate, the user first.

    Raises UnusableError for what cannot be understood.
    """
    if not items:
        return []
    if isinstance(items[0], str):
        if items[0].lstrip()[:1] != "{" or isinstance(decoded(items[0]), str):
            return alternating(items)
        items = [decoded(item) for item in items]
    found: list[Said] = []
    for at, item in enumerate(items, 1):
        if isinstance(item, Mapping):
            if len(item) == 2:  # as most are
                by = item.get("role") or item.get("from")
                content = item.get("content") or item.get("value")
                if type(content) is str and type(by) is str:
                    if (role := _ROLES.get(by)) == "user":
                        found.append(Said("user", content, at))
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


def alternating(items: Sequence[Any]) -> list[Said]:
    """Plain texts: the user's and the assistant's in turn. What is empty at the end is padding."""
    while len(items) > 1 and absent(items[-1]):
        items = items[:-1]
    for at, item in enumerate(items, 1):
        if not isinstance(item, str):
            raise UnusableError("not_text", f"turn {at} is a {kind(item)}")
    return [
        Said("user", item, at) if at % 2 else answer(item, at) for at, item in enumerate(items, 1)
    ]


def of_pairs(items: Sequence[Any]) -> list[Said]:
    """A history: pairs of question and answer, turns, or plain texts that alternate."""
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


def answer(content: str, at: int) -> Said:
    """What an assistant said, its thought apart."""
    thought, said = reasoning.split(content)
    return Said("assistant", said, at, thought)


def _pair(ask: object, reply: object, at: int, names: str) -> list[Said]:
    asked, answered = (f", {name}" if name else "" for name in (names.split() or ("", "")))
    found = []
    if not absent(ask):
        found.append(Said("user", text(ask, f"turn {at}{asked}"), at))
    if not absent(reply):
        found.append(answer(text(reply, f"turn {at}{answered}"), at))
    return found


def _item(there: Row, item: Row, at: int) -> list[Said]:
    """What one item of a list says: a turn, a pair of them, or calls and what came back."""
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
        said = tools.unread(content) if found is None else tools.written(found)
        if absent(said):
            raise UnusableError("no_answer", f"turn {at} is empty")
        thought = reasoning.joined(_thought(there), thought)
        return [Said("function_call", said, at, thought, _words(there))]
    if role == "observation":
        return [_observation(there, content, at)]
    spoken, _, results = _parts(content, at)
    if role == "system" and not spoken.strip():
        return []
    return [*results, Said(role, spoken, at)] if spoken or not results else results


def _assistant(there: Row, content: object, at: int) -> Said:
    spoken, thought, results = _parts(content, at)
    thought = reasoning.joined(_thought(there), thought)
    key = next((key for key in _CALLS if there.get(key)), None)
    if key is None and not results:
        inside, spoken = reasoning.split(spoken)
        return Said("assistant", spoken, at, reasoning.joined(thought, inside))
    inside, words = reasoning.split(spoken)
    thought = reasoning.joined(thought, inside)
    if key is None:
        made = [call for of in results for call in tools.calls(of.content) or ()]
        return Said("function_call", tools.written(made), at, thought, words)
    value = decoded(there[key])
    if not isinstance(value, Mapping | list | tuple):
        raise UnusableError("not_text", f"turn {at}, {key} is a {kind(value)}, no list of calls")
    found = tools.calls(value)
    said = tools.unread(value) if found is None else tools.written(found)
    return Said("function_call", said, at, thought, words)


def _observation(there: Row, content: object, at: int) -> Said:
    if content is None:
        said = ""  # a tool may have nothing to say
    elif isinstance(content, list | tuple) and content and _are_parts(content):
        said = _parts(content, at)[0]
    else:
        said = shown(content, f"turn {at}")
    call = next((there[key] for key in ("tool_call_id", "call_id", "id") if key in there), "")
    name = next((there[key] for key in ("name", "tool_name") if key in there), "")
    return Said("observation", said, at, "", "", str(call), str(name))


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


def spoken(content: object) -> str | None:
    """The text of a content that has parts; None where there is anything else in it."""
    try:
        return _parts(content, 0)[0]
    except UnusableError:
        return None


def _parts(content: object, at: int) -> tuple[str, str, list[Said]]:
    """The text of a content, the thought in it, and the calls or results of tools among its parts.

    Raises UnusableError for a part that is none of these: an image, a sound, a file.
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
            found.append(Said("function_call", tools.written(called), at))
        elif form == "tool_result":
            result = there.get("content")
            found.append(_observation({**there, "call_id": there.get("tool_use_id", "")},
                                      result, at))  # fmt: skip
        elif there and (form not in _TEXTS or set(there) - {"type", "cache_control"}):
            raise UnusableError("not_text", f"turn {at} has parts that are no text")
    return "".join(texts), reasoning.joined(*thoughts), found
