"""Reads multiple-choice options, dates, and short answers in words."""

from __future__ import annotations

import re
import unicodedata
from datetime import date

_OPTION = re.compile(
    r"(?:(?<=[\s\[,;:'\"])|^)[(\[]?([A-J])(?:[)\]]|[.:](?=\s)|\)\s?)\s*(.{1,200}?)"
    r"(?=[\s,;'\"\]]+[(\[]?[A-J](?:[)\]]|[.:]\s)|\n|[\]]?$)",
    re.MULTILINE,
)
_LABEL = re.compile(
    r"[(\[]([A-J])[)\]]|(?<![\w'’])([A-J])\)|\b(?i:option|choice"
    "|answer(?: is)?:?|antwort(?: ist)?:?|réponse:?|respuesta:?|选项?"
    r"|选)\s*[*_(\[]*"
    r"([A-J])(?![\w'’])|^\W*([A-J])(?:[.:)]\s|\W*$)|\b(?:is|are|be|ist|est|es|是"
    r"|选)\s*[*_(\[]*([B-J])(?=\W*$|[,.;:)]\s)"
)
_MONTHS = (
    "january february march april may june july august september october november december"
).split()
_MONTH = "|".join(rf"{m[:3]}(?:{m[3:]})?" if len(m) > 3 else m for m in _MONTHS)
_DATE = re.compile(
    rf"\b(?:(?P<d1>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? (?P<m1>{_MONTH})\.?,? (?P<y1>\d{{4}})"
    rf"|(?P<m2>{_MONTH})\.? (?P<d2>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<y2>\d{{4}})"
    r"|(?P<y3>\d{4})[-/](?P<m3>\d{1,2})[-/](?P<d3>\d{1,2}))\b",
    re.IGNORECASE,
)
_ARTICLES = frozenset({"the", "a", "an"})


def options_of(question: str) -> tuple[tuple[str, str], ...]:
    """The options of a question as (letter, text); () unless they begin with A and B."""
    found: dict[str, str] = {}
    for match in _OPTION.finditer(question[-6000:]):
        if match[1] == "A":
            found = {}
        if match[1] not in found and (found or match[1] == "A"):
            found[match[1]] = match[2].strip(" ,;'\"]")
    letters = "".join(found)
    return tuple(found.items()) if len(letters) > 1 and "ABCDEFGHIJ".startswith(letters) else ()


def labels_in(text: str) -> set[str]:
    """The letters of the options that a statement names, without those that it denies."""
    return {
        next(filter(None, match.groups()))
        for match in _LABEL.finditer(text)
        if not re.search(
            r"\b(?:not|than|nicht)\s*(?:option |choice )?[(*\[]*$", text[: match.start()][-20:]
        )
    }


def dates_in(text: str) -> list[date]:
    """The dates in a text that have year, month and day."""
    found = []
    for match in _DATE.finditer(text):
        for n in "123":
            if match[f"y{n}"]:
                month = match[f"m{n}"]
                number = (
                    int(month)
                    if month.isdigit()
                    else [m[:3] for m in _MONTHS].index(month[:3].lower()) + 1
                )
                try:
                    found.append(date(int(match[f"y{n}"]), number, int(match[f"d{n}"])))
                except ValueError:
                    continue
    return found


def words_of(text: str) -> list[str]:
    """The words for comparing short answers: lower case, without articles and punctuation."""
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text).casefold())
    return [word for word in words if word not in _ARTICLES] or words


def same_words(words: str, text: str) -> bool:
    """Whether a text contains all words of an option in one piece."""
    return (
        bool(words_of(words))
        and f" {' '.join(words_of(words))} " in f" {' '.join(words_of(text))} "
    )
