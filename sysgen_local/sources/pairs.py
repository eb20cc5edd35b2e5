"""Converts rows with a question and an answer, in the forms that datasets have. The answer may also
depend on a text, an input, choices, or a history."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sysgen_local.sources import messages, reasoning
from sysgen_local.sources.keys import Row, absent, first, kind
from sysgen_local.sources.messages import SourceMessage
from sysgen_local.sources.reasons import UnusableError
from sysgen_local.sources.texts import as_text, decoded, scalar, text

PAIRS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    # Keys of the question and of the answer, in the order in which they are tried.
    (("instruction",), ("output", "response", "answer", "completion", "chosen")),
    (
        ("question", "problem", "query"),
        ("answer", "response", "solution", "output", "completion", "chosen", "generated_solution",
         "answers", "answerkey", "rationale"),
    ),
    (("prompt",), ("completion", "response", "answer", "output", "chosen")),
    (("user", "human"), ("assistant", "bot", "gpt")),
    (("input", "inputs"), ("output", "outputs", "target", "targets", "response", "answer")),
)  # fmt: skip
ASKS = tuple(dict.fromkeys(key for keys, _ in PAIRS for key in keys))
ANSWERS = tuple(dict.fromkeys(key for _, keys in PAIRS for key in keys))
ALSO_BESIDE = ("user", "human", "input", "inputs")
"""Keys of a question that rows of other forms have too, where they may be empty."""

_RESULTS = ("answer", "final_answer", "expected_answer")
"""Keys that may have a bare result beside a worked answer."""
_WORKED = ("response", "output", "completion", "solution", "generated_solution", "rationale",
           "chain_of_thought", "cot")  # fmt: skip
_WORKINGS = ("rationale", "chain_of_thought", "cot")
"""Keys with a thought, where another key has the complete answer."""
_LONGEST_RESULT = 80
_MARKS = ("notfound", "not found", "proof", "n/a")
"""Texts that mean that there is no result (NuminaMath and others)."""
_NOTHING = ("null", "None", "nan")
"""Texts of an empty cell of a table."""

_CONTEXTS = ("context", "contexts", "passage", "passages")
_DOCUMENTS = ("article", "paragraph", "document", "documents", "story", "background", "inputs")
"""Keys that have a text in some datasets and a name or an address in others."""
_CHOICES = ("choices", "options")
_COLUMNS = ("a", "b", "c", "d", "e")
"""Choices in columns of their own, as in MMLU: at least two."""
_QUESTIONS = ("question", "query", "problem")
_RELEVANT = frozenset(
    {
        *_RESULTS,
        *_WORKED,
        *_CONTEXTS,
        *_DOCUMENTS,
        *_CHOICES,
        *_COLUMNS,
        *_QUESTIONS,
        *reasoning.KEYS,
        "history",
    }
)
"""Keys that can change the question or the answer of a row."""
_LETTERED = re.compile(r"\(?[A-Za-z0-9][).:]")


class _PairKeys(NamedTuple):
    """The keys of the question (`ask`) and the answer (`reply`), and all keys that may have an
    answer in this form. `plain`: besides `input`, no other key is relevant."""

    ask: str
    reply: str
    answers: tuple[str, ...]
    plain: bool
    input: bool


def read(row: Row) -> tuple[list[SourceMessage], str | None] | None:
    """(messages, bare result or None) of a row. None where the row has no keys of a pair. Raises
    UnusableError where it cannot be used."""
    keys = _pair_keys(tuple(row))
    if keys is None:
        for asks, answers in PAIRS[:2]:
            if ask := first(row, asks):
                either = ", ".join(answers)
                raise UnusableError("no_answer", f"there is {ask}, but no text under {either}")
        return None
    if keys.plain:  # the usual case
        asked, answered, more = row[keys.ask], row[keys.reply], row["input"] if keys.input else ""
        if type(asked) is str and type(answered) is str and type(more) is str:
            asked = f"{asked}\n\n{more}" if more else asked
            return [SourceMessage("user", asked, 1), messages.answer(answered, 2)], None
    return pair(row, keys.ask, keys.reply, keys.answers)


@lru_cache(maxsize=1024)
def _pair_keys(keys: tuple[str, ...]) -> _PairKeys | None:
    """Which of these keys are the question and the answer; None where they are no pair. It is
    cached, because the rows of a file usually have the same keys."""
    there = set(keys)
    for asks, answers in PAIRS:
        ask, reply = first(there, asks), first(there, answers)
        if ask is not None and reply is not None and ask != reply:
            others = there - {ask, reply, "input"}
            odd = ask == "prompt" or reply == "answers" or (ask == "problem" and reply in _RESULTS)
            plain = not odd and others.isdisjoint(_RELEVANT)
            return _PairKeys(ask, reply, answers, plain, "input" in there and ask != "input")
    return None


def pair(
    row: Row, ask: str, reply: str, answers: Sequence[str] = ()
) -> tuple[list[SourceMessage], str | None]:
    """As `read`, with the question under the key `ask` and the answer under `reply`."""
    asks = row[ask]
    # Two texts are parsed only where both are lists of turns as JSON, as in a table.
    asked = _turns(asks, read=ask == "prompt")
    labels = _choices(row)
    answered, result, worked = _answered(row, reply, answers, labels, read=bool(asked))
    asked = asked or _asked(asks, ask)
    if answered[0].role in ("user", "system"):  # a whole conversation, as in `chosen`
        return answered, result
    if answered[-1].role == "assistant":
        thought = _thought(row, worked)
        last = answered[-1]
        answered[-1] = last._replace(thought=reasoning.joined(thought, last.thought))
    return [*_history(row), *_beside(row, ask, asked, labels), *answered], result


def _asked(value: object, key: str) -> list[SourceMessage]:
    if isinstance(value, list | tuple | Mapping):
        parts = [value] if isinstance(value, Mapping) else value
        if all(isinstance(part, Mapping) and "type" in part for part in parts):
            return messages.of_list([{"role": "user", "content": list(parts)}])
    return [SourceMessage("user", text(value, key), 1)]


def _turns(value: object, *, read: bool) -> list[SourceMessage]:
    """The messages of a value that is a list of turns; empty where it is a text. `read`: a text
    with JSON is parsed."""
    if isinstance(value, str):
        value = decoded(value) if read else None
    elif isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, list | tuple) or not value:
        return []
    speaks = all(
        isinstance(of, Mapping) and not {"role", "from"}.isdisjoint(map(_small, of)) for of in value
    )
    return messages.of_list(value) if speaks else []


def _small(key: object) -> str:
    return str(key).strip().lower()


def _answered(
    row: Row, key: str, answers: Sequence[str], labels: Mapping[str, str], *, read: bool
) -> tuple[list[SourceMessage], str | None, str]:
    """(messages of the answer, bare result or None, key of the answer)."""
    value = row[key]
    if turns := _turns(value, read=read):
        return turns, None, key
    if key == "answers":  # several correct answers, as in SQuAD
        value = value.get("text") if isinstance(value, Mapping) else value
        there = value if isinstance(value, list | tuple) else [value]
        value = next((of for of in there if not absent(of)), None)
    if labels and isinstance(value, float) and value.is_integer():
        value = int(value)  # pandas writes a column with gaps as floats
    if labels and isinstance(value, int) and not isinstance(value, bool):
        lines = list(labels.values())
        value = lines[value] if 0 <= value < len(lines) else value
    answer = _number_or_text(value, key)
    short = next((of for of in _RESULTS if of in row), None) if answers else None
    if short is not None:
        result = answer if short == key else _result(row[short])
        if result is not None and _is_short(result):
            others = (*_WORKED, key) if short == key else (key,)
            mark = _is_mark(row, result)
            worked = next(
                (of for of in others if _is_longer(row.get(of), "" if mark else result)), None
            )
            if worked is not None and not (mark and worked == short):
                return [messages.answer(row[worked], 2)], result, worked
    if key in _RESULTS and _is_mark(row, answer):
        raise UnusableError("no_answer", f"{key} is {answer!r}, and no solution is there")
    return [messages.answer(answer, 2)], None, key


def _is_mark(row: Row, result: str) -> bool:
    return "problem" in row and result.strip().lower() in _MARKS


def _number_or_text(value: object, key: str) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return text(value, key)


def _result(value: object) -> str | None:
    if isinstance(value, bool | list | tuple | Mapping):
        return None
    return as_text(value, "the result")


def _is_short(result: str) -> bool:
    return len(result) <= _LONGEST_RESULT and "\n" not in result.strip()


def _is_longer(value: object, result: str) -> bool:
    return isinstance(value, str) and len(value.strip()) > len(result.strip())


def _thought(row: Row, answer: str) -> str:
    """The thought that belongs to the answer under this key."""
    for key in (*reasoning.KEYS, *_WORKINGS):
        if key != answer and (value := reasoning.of(row.get(key))):
            return value
    return ""


def _history(row: Row) -> list[SourceMessage]:
    value = row.get("history")
    if absent(value) or value is False:
        return []
    value = decoded(value)
    if isinstance(value, str) and value.strip() in _NOTHING:
        return []
    if not isinstance(value, list | tuple):
        raise UnusableError("not_text", f"history is a {kind(value)}, no list of turns")
    return messages.of_pairs(value)


def beside(
    turns: list[SourceMessage],
    extras: Sequence[str],
    *,
    given: str | None = None,
    last: bool = True,
) -> list[SourceMessage]:
    """The messages with these texts added to the last (or the first) user message. A text that is
    in it already is not added, unless it is the text `given` as input."""
    users = [i for i, message in enumerate(turns) if message.role == "user"]
    if not users:
        return turns
    at = users[-1 if last else 0]
    content = turns[at].content
    for extra in extras:
        if extra == given or not _holds(content, extra):
            content = f"{content}\n\n{extra}"
    return [*turns[:at], turns[at]._replace(content=content), *turns[at + 1 :]]


def _holds(content: str, extra: str) -> bool:
    """Whether the content has this text. A single word must be a line of its own."""
    if extra not in content:
        return False
    words = len(extra.split())
    return words > 1 or extra.strip() in [line.strip() for line in content.splitlines()]


def context(row: Row) -> list[str]:
    """The texts that a question is about."""
    found = []
    for key in _CONTEXTS:
        if key in row:
            found.append(_joined(row[key], key))
    for key in _DOCUMENTS:
        value = row.get(key)
        value = _joined(value, key) if isinstance(value, list | tuple) else value
        if isinstance(value, str) and len(value.split(maxsplit=4)) > 4:
            found.append(value)
    return found


def _joined(value: object, key: str) -> str:
    """The texts of a list as paragraphs."""
    value = decoded(value)
    if isinstance(value, list | tuple):
        there = [of for of in value if not absent(of)]
        if all(scalar(of, key) is not None for of in there):
            return "\n\n".join(as_text(of, key) for of in there)
    return as_text(value, key)


def _beside(
    row: Row, ask: str, asked: list[SourceMessage], labels: Mapping[str, str]
) -> list[SourceMessage]:
    extras = context(row)
    if ask == "instruction":  # the row may have the question in another key
        there = (row.get(key) for key in _QUESTIONS)
        extras += [value for value in there if isinstance(value, str)]
    given = None
    if "input" in row and ask != "input":
        given = as_text(row["input"], "input")
        extras.append(given)
    if labels:
        extras.append("\n".join(labels.values()))
    return beside(asked, extras, given=given) if extras else asked


def _choices(row: Row) -> dict[str, str]:
    """Label -> the line of a choice: "A" -> "A. red". Empty where the row has no choices."""
    key = first(row, _CHOICES)
    if key is None:
        columns = [of for of in _COLUMNS if of in row]
        if len(columns) < 2 or columns != list(_COLUMNS[: len(columns)]):
            return {}
        return _lines([row[of] for of in columns], None)
    value = decoded(row[key])
    if isinstance(value, Mapping):
        texts, given = value.get("text"), value.get("label")
        if isinstance(texts, list | tuple):
            names = given if isinstance(given, list | tuple) else ()
            return _lines(texts, list(names) if len(names) == len(texts) else None)
        return _lines(list(value.values()), list(value))
    if isinstance(value, list | tuple):
        if value and all(isinstance(of, Mapping) and "text" in of for of in value):
            named = all("label" in of for of in value)
            return _lines([of["text"] for of in value],
                          [of["label"] for of in value] if named else None)  # fmt: skip
        return _lines(value, None)
    return {} if isinstance(value, bool) else {"": as_text(value, key)}


def _lines(values: Sequence[Any], labels: Sequence[Any] | None) -> dict[str, str]:
    texts = [as_text(value, "a choice") for value in values]
    if labels is None and all(_LETTERED.match(line) for line in texts):
        return {str(i): line for i, line in enumerate(texts)}
    names = labels if labels is not None else _letters(len(texts))
    return {
        str(name): f"{name}. {line}"
        for name, line, value in zip(names, texts, values, strict=False)
        if not absent(value)
    }


def _letters(n: int) -> list[str]:
    return [chr(ord("A") + i) if i < 26 else str(i + 1) for i in range(n)]
