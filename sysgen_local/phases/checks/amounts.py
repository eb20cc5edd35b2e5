"""Reads amounts in English text: "at most three", "two to four", "under 50"."""

from __future__ import annotations

import re
from typing import NamedTuple

from sysgen_local.phases.checks.numbers import WORD_NUMBER, words_to_number
from sysgen_local.phases.checks.text import Span


class Range(NamedTuple):
    """All numbers from `low` to `high`, both included; `high` is None if there is no upper
    limit."""

    low: int
    high: int | None

    def holds(self, count: Span) -> bool:
        """Whether one reading of the count lies in the range."""
        return count.high >= self.low and (self.high is None or count.low <= self.high)

    def __str__(self) -> str:
        if self.high is None:
            return f"at least {self.low}"
        if self.low == self.high:
            return f"exactly {self.low}"
        return f"{self.low} to {self.high}" if self.low else f"at most {self.high}"


_N = rf"(?:\d{{1,3}}(?:,\d{{3}})+|\d{{1,5}}|(?:a|one|two|three|four|five) hundred|{WORD_NUMBER})"
_MOST = (
    r"at most|no more than|not more than|up to|(?:an? )?maximum(?: length)?(?: of)?|max\.?(?: of)?"
    r"|within|no longer than|limited to|limit of|not exceeding|not to exceed|or (?:fewer|less)"
)
_FEWER = r"fewer than|less than|under|below|shorter than"
_LEAST = (
    "at least|no fewer than|no less than|not less than|(?:an? )?minimum(?: of)?"
    r"|min\.?(?: of)?"
)
_MORE = r"more than|over|longer than"
_ABOUT = r"about|around|roughly|approximately|approx\.?|some|circa|ca\.|~"
AMOUNT = (
    rf"(?P<amount>(?:(?:exactly|precisely|just|only|a total of|{_MOST}|{_FEWER}|{_LEAST}|{_MORE}"
    rf"|{_ABOUT}|between)\s+)*(?:(?:a\s+)?(?:single|couple of)|{_N})(?:\s?(?:-|–"
    rf"|to|and|or)\s?{_N})?"
    r"(?:\s+or\s+(?:fewer|less|more))?)"
)
"""The pattern of an amount before its noun. `amount_of` reads its groups `amount` and `after`."""
AFTER = (
    r"(?P<after>\s*(?:,|or)?\s*(?:or (?:fewer|less|more)|less|fewer|more"
    r"|max(?:imum)?|minimum|at most|at least)\b)?"
)
"""The pattern of words behind the noun that belong to the amount ("three words or fewer")."""
_NUMBERS = re.compile(rf"\b{_N}\b", re.IGNORECASE)


def number_of(text: str) -> int | None:
    """The number in digits or English words; None for other text."""
    digits = text.replace(",", "").strip()
    return int(digits) if digits.isdecimal() else words_to_number(text)


def amount_of(text: str, after: str = "") -> Range | None:
    """The range of an amount; None if it cannot be read or contradicts itself."""
    text = f"{text} {after or ''}".lower()

    def has(words: str) -> bool:
        return re.search(rf"(?<![\w])(?:{words})(?![\w])", text) is not None

    if "couple of" in text:
        numbers = [2, 3]
    else:
        read = [number_of(match[0]) for match in _NUMBERS.finditer(text)]
        numbers = [number for number in read if number is not None]
    if "single" in text and not numbers:
        numbers = [1]
    if not numbers or len(numbers) > 2 or numbers[0] > numbers[-1] or numbers[-1] == 0:
        return None
    low, high = numbers[0], numbers[-1]
    if has(_MOST) or re.search(r"\b(?:less|fewer)\s*$", text) or has(r"max(?:imum)?"):
        return Range(0, high) if len(numbers) == 1 else Range(low, high)
    if has(_FEWER):
        return Range(0, high - 1) if high > 1 else None
    if has(_LEAST) or re.search(r"\bmore\s*$", text):
        return Range(low, None)
    if has(_MORE):
        return Range(low + 1, None)
    if has(_ABOUT):
        return Range(low // 2 or 1, high + (high + 1) // 2)
    return Range(low, high)
