"""The shapes SFT rows come in, found out from their keys. One row in, a conversation or the reason
why not out. Pure: knows nothing of files.

Text is data and is kept byte for byte; what is looked at is whether it is there, is text, and
stands in order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from sysgen_local.errors import UsageError
from sysgen_local.records import Conversation, Reject, Role, Turn

REASONS = {
    "bad_json": "the line is not valid JSON",
    "bad_encoding": "the bytes are not UTF-8 text",
    "bad_row": "the row has another number of columns than the header",
    "not_an_object": "the row is no object with keys",
    "unknown_shape": "none of the known shapes fits its keys",
    "unknown_role": "a turn is by somebody unknown",
    "not_text": "something in it is no text: an image, a number, nothing at all",
    "no_instruction": "the user says nothing",
    "no_answer": "there is no answer",
    "has_system": "it comes with a system message (--existing-system skip)",
    "bad_order": "turns do not go from user to assistant and back",
}
"""Reason of a reject -> what it says to a reader."""

Row = Mapping[str, Any]

_ROLES: dict[str, Role | str] = {
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
_PAIRS = (
    # The keys of the user's side and of the answer, in the order in which they are tried.
    (("instruction",), ("output", "response", "answer", "completion")),
    (("question", "problem", "query"), ("answer", "response", "solution", "output")),
    (("prompt",), ("completion", "response", "answer", "output", "chosen")),
)
_IMAGE = re.compile(r"<(img|image|video|audio)>", re.IGNORECASE)
_MEDIA = ("images", "image", "videos", "audios")


class _UnusableError(Exception):
    """Carries the reason and the detail of a reject."""


def explain_shapes() -> str:
    """What is understood, in one line."""
    return (
        "messages[role, content]; conversations[from, value]; "
        "conversation[input, output] or [human, assistant]; instruction (+ input) and output or "
        "response; question/answer; query/response (+ history); problem/solution; "
        "prompt/completion"
    )


def parse_map(text: str) -> dict[str, str]:
    """`instruction=ask,answer=reply` -> the mapping. Raises UsageError."""
    mapping = {}
    for part in text.split(","):
        field, _, key = (piece.strip() for piece in part.partition("="))
        if field not in ("instruction", "answer", "system", "messages", "tools") or not key:
            raise UsageError(
                f"--map does not understand `{part.strip()}`",
                hint="write --map instruction=KEY,answer=KEY (also system=, messages=, tools=)",
            )
        mapping[field] = key
    if not ({"instruction", "answer"} <= mapping.keys() or "messages" in mapping):
        raise UsageError("--map names no answer", hint="write --map instruction=KEY,answer=KEY")
    return mapping


def shape(
    row: object, line: int, mapping: Mapping[str, str] | None = None
) -> Conversation | Reject:
    """The row as a conversation. Never raises."""
    try:
        if not isinstance(row, Mapping):
            raise _UnusableError("not_an_object", f"it is a {_kind(row)}")
        if any(row.get(key) for key in _MEDIA):
            raise _UnusableError("not_text", "it comes with images or sound")
        system, turns = _mapped(row, mapping) if mapping else _found(row)
        _check(turns)
        return Conversation(tuple(turns), line, system, _tools(row, mapping))
    except _UnusableError as reject:
        reason, detail = reject.args
        return Reject(line, reason, detail)


def _found(row: Row) -> tuple[str | None, list[Turn]]:
    for key in ("messages", "conversations", "conversation", "dialogue", "chat"):
        value = row.get(key)
        if isinstance(value, str) and value[:1] == "[":
            value = _json(value)
        if isinstance(value, Sequence) and not isinstance(value, str) and value:
            system, turns = _listed(value)
            return system or _optional(row, "system", "system_prompt"), turns
    for asks, answers in _PAIRS:
        ask = next((key for key in asks if key in row), None)
        answer = next((key for key in answers if key in row), None)
        if ask and answer:
            return _paired(row, ask, answer)
        if ask and ask != "prompt":
            raise _UnusableError("no_answer", f"there is {ask}, but none of {', '.join(answers)}")
    if {"response", "output", "completion"} & row.keys():
        raise _UnusableError("no_instruction", f"its keys are {_keys(row)}")
    raise _UnusableError("unknown_shape", f"its keys are {_keys(row)}")


def _paired(row: Row, ask: str, answer: str) -> tuple[str | None, list[Turn]]:
    question = _text(row[ask], ask, "no_instruction")
    if extra := _optional(row, "input"):
        question = f"{question}\n\n{extra}"
    turns: list[Turn] = []
    for pair in row.get("history") or ():
        if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
            raise _UnusableError("not_text", "history is no list of [question, answer]")
        turns += [
            Turn("user", _text(pair[0], "history", "no_instruction")),
            Turn("assistant", _text(pair[1], "history", "no_answer")),
        ]
    turns += [Turn("user", question), Turn("assistant", _text(row[answer], answer, "no_answer"))]
    return _optional(row, "system", "system_prompt"), turns


def _listed(items: Sequence[Any]) -> tuple[str | None, list[Turn]]:
    system: str | None = None
    turns: list[Turn] = []
    for number, item in enumerate(items, 1):
        where = f"turn {number}"
        if not isinstance(item, Mapping):
            raise _UnusableError("not_text", f"{where} is a {_kind(item)}")
        for role, text in _said(item, where):
            if role != "system":
                turns.append(Turn(role, text))  # type: ignore[arg-type]
            elif turns:
                raise _UnusableError("bad_order", f"{where} is a system message amid the turns")
            elif text.strip():
                system = f"{system}\n\n{text}" if system else text
    return system, turns


def _said(item: Row, where: str) -> list[tuple[str, str]]:
    """What one item of a list of turns says: one turn, or a pair of them."""
    for ask, answer in (("input", "output"), ("human", "assistant"), ("user", "assistant")):
        if ask in item and answer in item:
            return [
                ("user", _text(item[ask], f"{where}, {ask}", "no_instruction")),
                ("assistant", _text(item[answer], f"{where}, {answer}", "no_answer")),
            ]
    by = item.get("role", item.get("from"))
    if by is None:
        raise _UnusableError("unknown_shape", f"the keys of {where} are {_keys(item)}")
    role = _ROLES.get(str(by).strip().lower())
    if role is None:
        raise _UnusableError("unknown_role", f"{where} is by {str(by)[:40]!r}")
    content = item.get("content", item.get("value"))
    if role == "assistant" and item.get("tool_calls"):
        calls = json.dumps(item["tool_calls"], ensure_ascii=False, separators=(",", ":"))
        return [("function_call", calls)]
    if role == "system":
        return [("system", _text(content, where, "") if content else "")]
    return [(role, _text(content, where, "no_answer" if role == "assistant" else "no_instruction"))]


def _mapped(row: Row, mapping: Mapping[str, str]) -> tuple[str | None, list[Turn]]:
    def pick(field: str) -> Any:
        value: Any = row
        for key in [mapping[field]] if mapping[field] in row else mapping[field].split("."):
            if not isinstance(value, Mapping) or key not in value:
                raise _UnusableError(
                    "unknown_shape", f"no {mapping[field]}; its keys are {_keys(row)}"
                )
            value = value[key]
        return value

    system = _text(pick("system"), "system", "") if mapping.get("system") in row else None
    if "messages" in mapping:
        listed, turns = _listed(pick("messages"))
        return system or listed, turns
    return system, [
        Turn("user", _text(pick("instruction"), mapping["instruction"], "no_instruction")),
        Turn("assistant", _text(pick("answer"), mapping["answer"], "no_answer")),
    ]


def _check(turns: Sequence[Turn]) -> None:
    """user, then any calls and observations, then assistant; and so on to the end."""
    if not turns:
        raise _UnusableError("no_instruction", "there is no turn")
    for number, turn in enumerate(turns, 1):
        if turn.role in ("user", "assistant") and _IMAGE.search(turn.content):
            raise _UnusableError("not_text", f"turn {number} refers to an image or sound")
    before: Role = "assistant"
    for number, turn in enumerate(turns, 1):
        if (turn.role == "user") != (before == "assistant"):
            raise _UnusableError("bad_order", f"turn {number} is {turn.role} after {before}")
        before = turn.role
    if before != "assistant":
        raise _UnusableError("no_answer", f"the last turn is {before}")


def _text(value: Any, where: str, blank: str) -> str:
    """`value` as text; typed content parts are joined. `blank` is the reason if there is none."""
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        parts = [
            part["text"]
            for part in value
            if isinstance(part, Mapping)
            and part.get("type") == "text"
            and isinstance(part.get("text"), str)
        ]
        if not parts or len(parts) < len(value):
            raise _UnusableError("not_text", f"{where} has parts that are no text")
        value = "".join(parts)
    if value is None and blank:
        raise _UnusableError(blank, f"{where} is null")
    if not isinstance(value, str):
        raise _UnusableError("not_text", f"{where} is a {_kind(value)}")
    if blank and not value.strip():
        raise _UnusableError(blank, f"{where} is empty")
    return value


def _optional(row: Row, *keys: str) -> str | None:
    for key in keys:
        value = row.get(key)
        if isinstance(value, str) and value.strip():
            return value
    return None


def _tools(row: Row, mapping: Mapping[str, str] | None) -> str | None:
    value = row.get((mapping or {}).get("tools", "tools"))
    if not value:
        return None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _keys(row: Row) -> str:
    names = [str(key)[:40] for key in row]
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "") if names else "none"


def _kind(value: object) -> str:
    names: dict[type, str] = {type(None): "null", bool: "boolean", str: "string", list: "list"}
    return names.get(type(value), "number" if isinstance(value, int | float) else "nested object")
