"""Reads the final result of an answer and compares it with another answer.

If a result cannot be read reliably it is None, which is never a fault. Numbers are compared as
numbers, options by letter or text, words by their letters. Only the conclusion of an answer
counts, not an intermediate result.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Literal, NamedTuple

from sysgen_local.core.scripts import UNSPACED, script_shares
from sysgen_local.phases.checks.conclusions import (
    is_cued,
    marks,
    retracted,
    statements,
    without_markup,
)
from sysgen_local.phases.checks.numbers import UNITS, Quantity, close, find_numbers
from sysgen_local.phases.checks.options import dates_in, labels_in, options_of, same_words, words_of


class FinalResult(NamedTuple):
    """A final result. `text` is the original text; the other fields are for comparing.

    `given` are the numbers in the question, `asked` the noun whose number it asks for. `options`
    are the texts of the options by their letters; `others` are the other words that the question
    offers to choose from.
    """

    kind: Literal["number", "option", "formula", "date", "words"]
    text: str
    quantity: Quantity | None = None
    asked: str = ""
    given: frozenset[Fraction] = frozenset()
    options: tuple[tuple[str, str], ...] = ()
    others: tuple[str, ...] = ()


_ASKS = re.compile(
    r"\bhow (?:many|much)(?: (?:more|fewer|other|additional|total|of the"
    r"|extra))*\s+(?P<asked>[a-z]+)?"
    r"|\bwie ?viele?\b(?: (?P<de>\w+))?|\bcombien\b(?: d(?:e |['’])(?P<fr>\w+))?"
    r"|\bcu[aá]nt[oa]s?\b(?: (?P<es>\w+))?|\bquant[oaie]s?\b(?: (?P<it>\w+))?"
    r"|多少|几[个只本块元人天年小张条次]|いくつ|何[個人本枚円時分日年回]|いくら|сколько|कितन|\bكم\b|얼마|몇",
    re.IGNORECASE,
)
_IN_UNIT = re.compile(r"\bin ([a-z]+)[^.!?]{0,30}\?", re.IGNORECASE)
_NO_NOUNS = frozenset(
    "will would can could do does did is are was were has have had should must "
    "may money time of in to if the"
    " total per each it he she they".split()
)
_OPEN = re.compile(
    r"\b(?:suggest|generate|create|write|compose|invent|come up|brainstorm"
    "|think of|propose|examples?|title"
    "|slogan|synonyms?|rewrite|edit|paraphrase|rephrase|translate|random"
    "|complete|tell me|make|pick|describe"
    "|estimate|guess|imagine|pretend|design|name (?:a|an|one)|give (?:me )?(?:a"
    "|an|one)|finish|schreibe?|écri|escrib"
    r"|hello|hi)\b|写|翻译",
    re.IGNORECASE,
)
_EQUATION = re.compile(r"[=≈]")
_OPERATOR_AFTER = re.compile(
    r"^[)\s]*[a-z%$€]*\s*(?:[-+*/×÷·−^]|\\times|\\div|\\cdot|x|minus|plus|times"
    r"|divided by|multiplied by)\s*[($€£]*\s*"
    r"(?:\d|\\frac|x\b)",
    re.IGNORECASE,
)
_OPERATOR_BEFORE = re.compile(
    r"(?:\d|\))\s*[a-z%]*\s*(?:[+*/×÷·]|\s[-−–x]\s|\\times|\\div|\\cdot|minus"
    r"|plus|times|divided by)\s*[($€£]*$",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"(?:\bnot|\binstead of|\brather than|\bout of(?: the| all| a total of)?"
    r"|\bfrom(?: the)?|\bthan|\bnicht"
    r"|(?:\d|half|third|quarter|most|some|rest"
    r"|percent|%|left|remain\w*)\s?\w*\s?of"
    "(?: the| her| his| their| its| these| those| all| my| a total of)*"
    r"|\w[- ]?n[’']t (?:be|equal))\s*[$€£]?\s?$",
    re.IGNORECASE,
)
_ASIDE = re.compile(r"\b(?:after|within|every|per|if)\s*[$€£]?\s?$", re.IGNORECASE)
"""Words before a number that is probably not the conclusion, if the sentence has another number."""
_THEREFORE = re.compile(
    r"[,;:—–]\s*(?:and )?(?:so|therefore|thus|hence|which means|meaning"
    "|that means|also|daher|somit|donc|por lo que"
    r"|así que|поэтому|значит)\s(?!that|far|much|many)|[，；](?:所以|因此|故)|から、|ので、",
    re.IGNORECASE,
)
"""Separates the reasons in a sentence from its conclusion."""
_YES_NO = {"yes": "no", "no": "yes", "true": "false", "false": "true"}
_NEGATED = re.compile(r"\b(?:not|no|never|cannot|false|incorrect|untrue)\b|n['’]t\b", re.IGNORECASE)
_CHOICE = re.compile(r"\b([\w-]+(?:, [\w-]+){0,6}),? (?:or|oder|ou|o|and) ([\w-]+)", re.IGNORECASE)


def final_result(question: str, answer: str) -> FinalResult | None:
    """The final result of an answer to a question; None if it cannot be read reliably."""
    question, text = without_markup(question[-8000:]), without_markup(answer)
    options = options_of(question)
    found = [mark for mark in marks(answer) if mark.kind != "answer" or _is_last(answer, mark.end)]
    if found and not retracted(answer[found[-1].end :]):
        return _stated(found[-1].kind, found[-1].statement, question, options)
    if options:
        label = _label(text, options)
        return FinalResult("option", label, options=options) if label else None
    if not text.strip() or len(text) > 20_000:
        return None
    if len(text.split()) <= 4 and "\n" not in text.strip():
        return None if _OPEN.search(question) else _short(text, question)
    return _word_problem(question, text)


def _is_last(answer: str, end: int) -> bool:
    return len(answer) - end <= 250 and len(answer[end:].split()) <= 25


def _stated(
    kind: str, statement: str, question: str, options: tuple[tuple[str, str], ...]
) -> FinalResult | None:
    """The result behind a mark."""
    text = without_markup(statement).strip().rstrip(".").strip()
    if options:
        label = _label(f"answer: {text}", options)
        return FinalResult("option", label, options=options) if label else None
    numbers = _concluded(text)
    if len({q.values for q in numbers}) == 1 and not (
        kind == "boxed" and _FORMULA.search(_without(text, numbers[0]))
    ):
        return _number(text[numbers[0].start : numbers[0].end], numbers[0], question)
    if kind == "boxed" and text:
        return FinalResult("formula", text)
    if numbers or not 0 < len(text.split()) <= 4:
        return None
    return _short(text, question)


_FORMULA = re.compile(r"[a-zA-Z]\b(?<!\w\w)|\\(?!text|%|\$)|[\^_+*(,\[]")
"""Signs of a formula, which is more than a number and its unit: a variable, a root, a pair."""


def _without(text: str, quantity: Quantity) -> str:
    head, tail = text[: quantity.start], text[quantity.end :]
    return re.sub(r"^.*=", "", head) + " " + re.sub(r"^\s?[a-zA-Z]+[\d^²³]*", "", tail)


def _unspaced(text: str) -> bool:
    return not text.isascii() and bool(script_shares(text) & UNSPACED)


_SHORT_UNSPACED = 8
"""Maximum number of letters of a short answer in a script without spaces."""


def _short(text: str, question: str) -> FinalResult | None:
    """The result of an answer that consists only of it."""
    dates = dates_in(text)
    if len(dates) == 1:
        return FinalResult("date", text.strip())
    numbers = find_numbers(text)
    if len(numbers) == 1 and numbers[0].start <= 3:
        return _number(text[numbers[0].start : numbers[0].end], numbers[0], question)
    words = words_of(text)
    if _unspaced(text) and sum(map(str.isalpha, text)) > _SHORT_UNSPACED:
        return None
    if numbers or not words or len(words) > 40:
        return None
    choices = [w for m in _CHOICE.finditer(question) for w in (*m[1].split(", "), m[2])]
    others = {" ".join(words_of(w)) for w in choices}
    phrase = " ".join(words)
    if phrase in _YES_NO:
        return FinalResult("words", text.strip(), others=(_YES_NO[phrase],))
    return FinalResult(
        "words", text.strip(), others=tuple(sorted(others - {phrase})) if phrase in others else ()
    )


def _number(text: str, quantity: Quantity, question: str) -> FinalResult:
    asks = list(_ASKS.finditer(question))
    asked = next(filter(None, asks[-1].groups()), "").lower() if asks else ""
    unit = next((m[1].lower() for m in _IN_UNIT.finditer(question) if m[1].lower() in UNITS), "")
    asked = unit or ("" if asked in _NO_NOUNS else asked)
    if not quantity.dimension and asked:
        quantity = quantity._replace(unit=asked)
    given = frozenset(value for q in find_numbers(question) for value in q.values)
    return FinalResult("number", text.strip(), quantity, asked, given)


def _word_problem(question: str, text: str) -> FinalResult | None:
    """The number at the end of a worked solution of a word problem."""
    asks = list(_ASKS.finditer(question))
    if len(asks) != 1 or len(find_numbers(question)) < 2 or len(text) > 4000:
        return None
    lines = [line for line in statements(text) if find_numbers(line)]
    if not lines or lines[-1] != statements(text)[-1]:
        return None
    numbers = _concluded(lines[-1])
    if len({q.values for q in numbers}) != 1:
        return None
    number = numbers[0]
    return _number(lines[-1][number.start : number.end], number, question)


def _concluded(statement: str) -> list[Quantity]:
    """The numbers that may be the conclusion of a statement: not left of "=", not inside a term,
    not denied."""
    signs = [match.start() for match in _EQUATION.finditer(statement)]
    kept: list[Quantity] = []
    aside: list[Quantity] = []
    for quantity in find_numbers(statement):
        before = statement[max(0, quantity.start - 40) : quantity.start]
        after = statement[quantity.end : quantity.end + 40]
        left = any(sign >= quantity.end for sign in signs)
        term = _OPERATOR_AFTER.match(after) or _OPERATOR_BEFORE.search(before)
        if not (left or term or _DENIED.search(before)):
            (aside if _ASIDE.search(before) else kept).append(quantity)
    return kept or aside


def keeps_result(result: FinalResult, answer: str) -> bool:
    """Whether the answer has the same final result."""
    answer = answer[-20_000:] if len(answer) > 40_000 else answer
    found = marks(answer)
    taken_back = retracted(answer)
    if found and retracted(answer[found[-1].end :]):
        found = []
    hard = [mark for mark in found if mark.kind != "answer"]
    lines = statements(without_markup(answer)) or [without_markup(answer)]
    if found:
        last = {mark.kind: mark for mark in found}
        stated = [
            without_markup(mark.statement)
            for mark in last.values()
            if mark in hard or mark == found[-1]
        ]
        stated = [text for text in stated if _has_same_kind(result, text)]
        if stated:
            return all(_holds(result, text, marked=True) for text in stated) and not _contradicted(
                result, statements(without_markup(answer[found[-1].end :]))
            )
    stated = [line for line in lines if _has_same_kind(result, line)]
    if not stated:
        return False
    if _holds(result, stated[-1]):
        # "31 apples. Here is why: ..." states its result before other numbers.
        short = stated[0] == lines[0] and len(stated[0].split()) <= 4 and ":" not in stated[0]
        return not (short and _opens_with_another(result, stated[0]))
    if taken_back or stated[0] != lines[0]:
        return False
    return _opens_with(result, stated[0]) and not _contradicted(result, stated[1:])


def _fresh(result: FinalResult, sentence: str) -> list[Quantity]:
    """The numbers that a sentence concludes and that are not in the question."""
    return [q for q in _concluded(sentence) if not _given(result, q) and not _is_one(q)]


def _opens_with(result: FinalResult, sentence: str) -> bool:
    """Whether an answer states the result first and explains it afterwards."""
    if result.quantity is None:
        return _holds(result, sentence)
    fresh = _fresh(result, sentence)
    works = _EQUATION.search(sentence) or _WORKS.match(sentence)
    return bool(fresh) and not works and all(close(result.quantity, q) for q in fresh)


def _opens_with_another(result: FinalResult, sentence: str) -> bool:
    if result.quantity is None or _EQUATION.search(sentence) or _WORKS.match(sentence):
        return False
    fresh = _fresh(result, sentence)
    return bool(fresh) and not any(close(result.quantity, q) for q in fresh)


_WORKS = re.compile(
    r"\W*(?:first|step|to (?:find|solve|get)|let|in the first|we |day|part)\b", re.IGNORECASE
)


def _contradicted(result: FinalResult, lines: list[str]) -> bool:
    """Whether a later sentence has another conclusion."""
    return any(
        is_cued(line) and _has_same_kind(result, line) and not _holds(result, line)
        and (result.kind != "number" or any(not _given(result, q) for q in _concluded(line)))
        for line in lines
    )  # fmt: skip


def _has_same_kind(result: FinalResult, text: str) -> bool:
    """Whether a statement has something of the result's kind: a number, an option, a date, a
    word."""
    if result.kind == "number":
        return bool(find_numbers(text))
    if result.kind == "option":
        return bool(_named(result, text))
    if result.kind == "date":
        return bool(dates_in(text))
    return bool(text.strip())


def _holds(result: FinalResult, text: str, marked: bool = False) -> bool:
    """Whether the result is the conclusion of the statement."""
    if result.kind == "number":
        return _holds_number(result, text, marked)
    if result.kind == "option":
        return _named(result, text) == {result.text}
    if result.kind == "date":
        return dates_in(result.text)[0] in dates_in(text)
    if result.kind == "formula":
        return _compact(without_markup(result.text)) in _compact(text)
    phrase = " ".join(words_of(result.text))
    if phrase in _YES_NO:
        return _agrees(phrase, text)
    if _unspaced(result.text):
        return phrase in "".join(words_of(text))
    here = f" {' '.join(words_of(text))} "
    others = any(f" {other} " in here for other in result.others)
    denied = re.search(
        rf"\b(?:not|no|never|isn t|n t|kein|nicht) (?:\w+ )?{re.escape(phrase)}\b", here
    )
    return f" {phrase} " in here and not others and not denied


def _agrees(phrase: str, text: str) -> bool:
    """Whether a statement says the same of yes and no, in any words."""
    first = next(iter(words_of(text)), "")
    if first in _YES_NO:
        return (first in ("yes", "true")) == (phrase in ("yes", "true"))
    positive = re.search(r"\b(?:yes|true|correct)\b", text, re.IGNORECASE)
    negative = _NEGATED.search(text)
    return bool(positive and not negative) if phrase in ("yes", "true") else bool(negative)


def _holds_number(result: FinalResult, text: str, marked: bool) -> bool:
    assert result.quantity is not None
    clause = _THEREFORE.split(text)[-1]
    if not marked and find_numbers(clause):
        text = clause  # "she saves 68, so it costs 12" concludes 12
    numbers = _concluded(text)
    right = [q for q in numbers if close(result.quantity, q)]
    if not right:
        return False
    rest = [q for q in numbers if q not in right and not _given(result, q) and not _is_one(q)]
    if not rest:
        return True
    if all(_given(result, q) for q in right):
        return False  # the other number is the conclusion
    if any(_is_asked(result, text, q) for q in rest):
        return any(_is_asked(result, text, q) for q in right)
    if marked:
        return right[0].start <= rest[0].start
    # "50 - 18 = 32, and without the tip he keeps 30": the equation is an intermediate step.
    equals = re.search(r"[=≈]\s*[($€£]*\s*$", text[: right[-1].start])
    between = text[right[-1].end : rest[-1].start]
    return not (equals and re.search(r"[,;]|\b(?:and|but|then|leaving)\b", between))


def _is_asked(result: FinalResult, text: str, quantity: Quantity) -> bool:
    """Whether the noun that the question asks for is at the number ("31 apples", "profit of
    31")."""
    asked = result.asked.rstrip("s")
    before = text[max(0, quantity.start - 40) : quantity.start].lower()
    named = re.search(
        rf"\b{re.escape(asked)}\w* (?:of|is|are|was|comes to|will be|=|:)\s*$", before
    )
    return bool(asked) and (quantity.unit.rstrip("s") == asked or named is not None)


def _given(result: FinalResult, quantity: Quantity) -> bool:
    return any(value in result.given for value in quantity.values)


def _is_one(quantity: Quantity) -> bool:
    """Whether the number is in the question. "One" is mostly an article ("one of them")."""
    return quantity.values == (Fraction(1),)


def _label(text: str, options: tuple[tuple[str, str], ...]) -> str | None:
    """The option that an answer names, if it names exactly one."""
    lines = statements(text) or [text]
    for line in (lines[-1], lines[0]) if len(text.split()) > 6 else (text,):
        found = _named(FinalResult("option", "", options=options), line)
        if len(found) == 1:
            return found.pop()
    return None


def _named(result: FinalResult, text: str) -> set[str]:
    """The letters of the options that a statement names by letter or, without any letter, by
    text."""
    letters = labels_in(text) & {label for label, _ in result.options}
    if letters:
        return letters
    return {label for label, words in result.options if same_words(words, text)}


def _compact(text: str) -> str:
    text = re.sub(r"\\[dt]frac", r"\\frac", text)
    return re.sub(r"[\s{}$]|\\(?:text|left|right|cdot|[,!;:])|\*(?=[a-zA-Z(])", "", text).rstrip(
        "."
    )
