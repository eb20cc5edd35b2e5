"""Converts a row of an SFT dataset to a conversation, or to a reject with its reason. The shape of
the row is found by its keys. It does no file access.

Texts are kept byte for byte. It is only checked that they are there, are text, and are in order.
`FORMS` are tried in their order. Lists of turns are converted by `messages`, and pairs of question
and answer by `pairs`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from sysgen_local.core.errors import UsageError
from sysgen_local.core.records import Conversation, Reject
from sysgen_local.sources import messages, order, pairs, tools
from sysgen_local.sources.keys import Row, absent, first, kind, listed, named
from sysgen_local.sources.messages import SourceMessage
from sysgen_local.sources.reasons import UnusableError
from sysgen_local.sources.texts import as_text, decoded

_LISTS = ("messages", "conversations", "conversation", "dialogue", "chat")
_MORE_LISTS = ("dialog", "turns", "utterances", "data", "chosen")
"""Keys that have turns in some datasets and other values in others."""
_EMPTY = ("no_instruction", "no_answer")
_SYSTEMS = ("system", "system_prompt", "system_message")

FIELDS = ("instruction", "answer", "input", "context", "choices", "history", "reasoning", "system",
          "messages", "tools")  # fmt: skip
"""The names that `--map` can map to a key."""


class Found(NamedTuple):
    """The messages of a row, before `order` checks their sequence. `row` has the system message and
    the tools. `result` is the bare result beside a worked answer."""

    messages: list[SourceMessage]
    row: Row
    result: str | None = None


class Form(NamedTuple):
    """A form of rows. `description` is for the user. `read` returns None where a row does not have
    this form, and raises UnusableError where it has and cannot be used."""

    description: str
    read: Callable[[Row], Found | None]


def _turns(row: Row, keys: Sequence[str] = _LISTS) -> Found | None:
    for key in keys:
        value = row.get(key)
        if value is None:
            continue
        if type(value) is not list:
            value = decoded(value)
            if isinstance(value, Mapping):  # the whole row in one cell
                inside = named(value)
                if found := _turns(inside):
                    return found._replace(row={**row, **found.row})
                continue
        if absent(value):
            continue
        if isinstance(value, list | tuple) and (keys is _LISTS or messages.is_list(value)):
            return Found(_with_answer(messages.of_list(value), row), row)
    return None


def _with_answer(turns: list[SourceMessage], row: Row) -> list[SourceMessage]:
    """The turns; where they end with the user, with the answer that the row has in another key."""
    if turns and turns[-1].role == "user":
        for key in ("chosen", "completion"):
            value = decoded(row.get(key))
            value = [value] if isinstance(value, Mapping) else value
            if isinstance(value, list | tuple) and messages.is_list(value):
                more = messages.of_list(value)
                return [*turns, *more] if more and more[0].role != "user" else turns
    return turns


def _more_turns(row: Row) -> Found | None:
    return _turns(row, _MORE_LISTS)


def _pair(row: Row) -> Found | None:
    found = pairs.read(row)
    return None if found is None else Found(found[0], row, found[1])


FORMS: tuple[Form, ...] = (
    Form(
        "messages[role, content]; conversations[from, value]; "
        "conversation[input, output] or [human, assistant]; lists of texts that alternate",
        _turns,
    ),
    Form(
        "instruction (+ input) and output or response; question/answer; query/response "
        "(+ history); problem/solution; prompt/completion or prompt/chosen",
        _pair,
    ),
    Form("lists of turns under dialog, turns, data, chosen", _more_turns),
)
"""The most frequent first."""


def explain_shapes() -> str:
    """The known shapes, in one line for a message."""
    return "; ".join(form.description for form in FORMS)


def parse_map(given: str | Mapping[str, str]) -> dict[str, str]:
    """`instruction=ask,answer=reply`, or a dict of that -> the mapping. Raises UsageError."""
    mapping = {}
    parts = given.split(",") if isinstance(given, str) else map("=".join, given.items())
    for part in parts:
        field, _, key = (piece.strip() for piece in part.partition("="))
        if field not in FIELDS or not key:
            raise UsageError(
                f"--map does not understand `{part.strip()}`",
                hint="write --map instruction=KEY,answer=KEY "
                f"(also {', '.join(f'{name}=' for name in FIELDS[2:])})",
            )
        mapping[field] = key
    if not ({"instruction", "answer"} <= mapping.keys() or "messages" in mapping):
        raise UsageError("--map names no answer", hint="write --map instruction=KEY,answer=KEY")
    return mapping


def shape(
    row: object, line: int, mapping: Mapping[str, str] | None = None
) -> Conversation | Reject:
    """The row as a conversation, or a reject. It never raises."""
    try:
        return convert(row, line, mapping)
    except UnusableError as reject:
        return Reject(line, reject.reason, reject.detail)
    except RecursionError:
        return Reject(line, "not_text", "it is nested too deeply")
    except Exception as error:  # a bug of ours must not stop the other rows
        return Reject(line, "unknown_shape", f"{type(error).__name__}: {error}"[:200])


def convert(row: object, line: int, mapping: Mapping[str, str] | None = None) -> Conversation:
    """The row as a conversation. Raises UnusableError where it cannot be used."""
    if isinstance(row, list | tuple) and row and not mapping:
        row = _bare(row)
    if not isinstance(row, Mapping):
        raise UnusableError("not_an_object", f"it is a {kind(row)}")
    there = named(row)
    if any(there.get(key) for key in messages.MEDIA):
        raise UnusableError("not_text", "it comes with images or sound")
    if there.get("label") is False and "completion" in there:
        raise UnusableError("no_answer", "its label is false: the answer is a rejected one")
    found = _mapped(row, there, mapping) if mapping else _found(row, there)
    system, turns, repairs = order.ordered(found.messages, _system(found.row))
    defined = tools.definitions(found.row)
    return Conversation(turns, line, system, defined, found.result, repairs)


def _bare(row: Sequence[Any]) -> object:
    """A row that is a list, as a row with keys. The list has turns, a question and its answer, or
    several such pairs. Any other list stays as it is."""
    if isinstance(row[0], Mapping):
        return {"messages": row} if messages.is_list(row) else row
    if _is_pair(row):
        for one, of, reason in zip(row, ("first", "second"), _EMPTY, strict=True):
            if absent(one):
                raise UnusableError(reason, f"the {of} of two texts is empty")
        return {"instruction": row[0], "output": row[1]}
    return {"messages": row} if all(map(_is_pair, row)) else row


def _is_pair(value: object) -> bool:
    """Whether the value is two texts, of which one may be null."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        return False
    return all(of is None or isinstance(of, str) for of in value) and any(
        isinstance(of, str) for of in value
    )


def _found(row: Row, there: Row) -> Found:
    for form in FORMS:
        if (found := form.read(there)) is not None:
            return found
    if first(there, pairs.ANSWERS):
        raise UnusableError("no_instruction", f"its keys are {listed(row)}")
    for key in _LISTS:
        if key in there:
            what = kind(decoded(there[key]))
            raise UnusableError("not_text", f"{key} is a {what}, no list of turns")
    _need_text(row, there)
    raise UnusableError("unknown_shape", f"its keys are {listed(row)}")


def _need_text(row: Row, there: Row) -> None:
    """Raises UnusableError where the key of a question or an answer is there, but its value is
    empty."""
    empty = {str(key).strip().lower() for key in row}.difference(there)
    answer, asked = first(empty, pairs.ANSWERS), first(empty, pairs.ASKS)
    if answer and (not asked or first(there, pairs.ASKS)):
        raise UnusableError("no_answer", f"{answer} is empty")
    if asked and (answer or asked not in pairs.ALSO_BESIDE):
        raise UnusableError("no_instruction", f"{asked} is empty")


def _mapped(row: Row, there: Row, mapping: Mapping[str, str]) -> Found:
    """The messages of a row whose keys `--map` names."""
    given: dict[str, Any] = {}
    for field in FIELDS:
        if field in mapping:
            known, value = _picked(row, there, mapping[field])
            if not absent(value):
                given[field] = value
            elif field in ("messages", "instruction", "answer"):
                if not known:
                    what = f"no {mapping[field]}; its keys are {listed(row)}"
                    raise UnusableError("unknown_shape", what)
                reason = "no_answer" if field == "answer" else "no_instruction"
                raise UnusableError(reason, f"{mapping[field]} is empty")
    if "tools" not in mapping:
        given |= {key: there[key] for key in ("tools", "functions") if key in there}
    if "messages" not in mapping:
        turns, result = pairs.pair(given, "instruction", "answer")
        return Found(turns, given, result)
    found = _turns(given)
    if found is None:
        what = kind(decoded(given["messages"]))
        raise UnusableError("not_text", f"{mapping['messages']} is a {what}, no list of turns")
    extras = pairs.context(given)
    if "input" in given:
        extras.append(as_text(given["input"], mapping["input"]))
    return found._replace(messages=pairs.beside(found.messages, extras, last=False))


def _picked(row: Row, there: Row, key: str) -> tuple[bool, Any]:
    """(whether the row has this key, its value). The key may be a path into objects: a.b."""
    for names, of in ((row, key), (there, key.lower())):
        if of in names:
            return True, names[of]
    value: Any = row
    for part in key.split("."):
        value = decoded(value)
        if not isinstance(value, Mapping) or part not in value:
            return False, None
        value = value[part]
    return True, value


def _system(row: Row) -> str | None:
    for key in _SYSTEMS:
        if key in row:
            value = row[key]
            if isinstance(value, list | tuple | Mapping):
                return messages.text_of_parts(value) or as_text(value, key)
            return as_text(value, key)
    return None
