"""The opposite of a demand: what a user asks for who wants the contrary of the system message.

An opposite has a rule of its own, which tells whether an answer gave in to the user, and sentences
in the languages of `WORDINGS`. Where a demand is of an amount, the opposite keeps a distance to it,
so that no answer meets both. A demand without a clear opposite has none.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

from sysgen_local.core.language import NAMES
from sysgen_local.phases.checks import formats, rules
from sysgen_local.phases.checks.amounts import Range
from sysgen_local.phases.checks.countable import Demand
from sysgen_local.phases.checks.english_forms import LANGUAGES
from sysgen_local.phases.checks.opposite_words import LANGUAGE_NAMES, OPENINGS, SENTENCES

WORDINGS = tuple(OPENINGS)
"""Codes of the languages in which a user can ask for an opposite."""

_AMOUNT = re.compile(r"(?:(exactly|at most|at least) (\d+)|(\d+) to (\d+)) ")
_QUOTED = re.compile(r"(uses|does not use|begins with|does not begin with|ends with"
                     r"|does not end with) \"([^\"]+)\"\Z")  # fmt: skip
_FOREIGN = ("en", "es")
"""Languages to ask for: the first, or the second where the answer is to be in the first."""


@dataclass(frozen=True, slots=True)
class Opposite:
    """What the user asks for in place of a demand. `text` says it in plain words; `name` and
    `values` choose its sentence."""

    text: str
    name: str
    rule: rules.Rule = field(repr=False, compare=False)
    values: tuple[str, ...] = ()

    def given_in(self, answer: str, question: str = "") -> bool:
        """Whether the answer does what the user asks for. An empty answer does nothing."""
        return bool(answer.strip()) and self.rule(answer, question)

    def said(self, language: str | None, seed: str = "") -> str | None:
        """A sentence of the user in this language, None where there is no wording. `seed` chooses
        among several."""
        if language not in OPENINGS or self.name not in SENTENCES[language]:
            return None
        values = self.values
        if self.name == "language":
            values = (LANGUAGE_NAMES[language][self.values[0]],)
        sentence = SENTENCES[language][self.name].format(*values)
        openings = OPENINGS[language]
        chosen = int.from_bytes(sha256(f"{seed}\n{sentence}".encode()).digest()[:4]) % len(openings)
        opening = openings[chosen]
        return f"{opening}{sentence[0].lower()}{sentence[1:]}" if opening else sentence


def opposite(demand: Demand) -> Opposite | None:
    """The opposite of a demand; None where it has no clear one."""
    if demand.kind in _COUNTED:
        return _of_amount(demand)
    if demand.kind == "language":
        return _of_language(demand)
    if match := _QUOTED.match(demand.text):
        name = {"uses": "avoid", "does not use": "use", "begins with": "not first",
                "does not begin with": "first", "ends with": "not last",
                "does not end with": "last"}[match[1]]  # fmt: skip
        quote = match[2]
        text, rule = _OF_WORDS[name](quote)
        return Opposite(text, name, rule, (quote,))
    known = _FIXED.get(demand.text) or _FIXED.get(demand.kind)
    if known is None:
        return None
    name, text, made = known
    values = ("3",) if known == _FULL else ()
    return Opposite(text, name, made or rules.fails(demand.rule), values)


_COUNTED: dict[str, tuple[Callable[[Range], rules.Rule], str, int]] = {
    "sentences": (rules.sentences, "sentence", 1), "words": (rules.words, "word", 4),
    "characters": (rules.characters, "character", 20),
    "paragraphs": (rules.paragraphs, "paragraph", 1), "lines": (rules.lines, "line", 1),
}  # fmt: skip
"""Kind of demand -> the rule of an amount, the unit, and the least amount to ask for."""
_LONG_UNITS = ("words", "characters")


def _of_amount(demand: Demand) -> Opposite | None:
    """More than the demand allows where it has an upper limit, else less than it needs. Of words
    and characters twice as many, or half: of other units two more, or less."""
    match = _AMOUNT.match(demand.text)
    if match is None:
        return None
    numbers = [int(number) for number in match.groups()[1:] if number]
    rule, unit, least = _COUNTED[demand.kind]
    if f" {unit}" not in demand.text:
        return None  # Chinese characters are of the kind `words`
    long = demand.kind in _LONG_UNITS
    if match[1] == "at least":
        few = numbers[0] // 2 if long else max(1, numbers[0] - 2)
        if few < least or few >= numbers[0]:
            return None
        amount, name = Range(0, few), f"few {demand.kind}"
    else:
        few = numbers[-1] * 2 if long else numbers[-1] + 2
        amount, name = Range(few, None), f"many {demand.kind}"
    if few == 1:
        name = f"one {demand.kind}"
    plural = "" if amount.high == 1 else "s"
    return Opposite(f"{amount} {unit}{plural}", name, rule(amount), (str(few),))


def _of_language(demand: Demand) -> Opposite | None:
    named = demand.text.removeprefix("the answer is in ").lower()
    own = LANGUAGES.get(named)
    if own is None:
        return None  # named in another language
    other = next(code for code in _FOREIGN if code != own)
    text = f"the answer is in {NAMES[other]}"
    return Opposite(text, "language", rules.in_language(other), (other,))


_OF_WORDS: dict[str, Callable[[str], tuple[str, rules.Rule]]] = {
    "use": lambda quote: (f'uses "{quote}"', rules.has_words([quote])),
    "avoid": lambda quote: (f'does not use "{quote}"', rules.lacks_words([quote])),
    "first": lambda quote: (f'begins with "{quote}"', rules.starts_with(quote)),
    "not first": lambda quote: (
        f'does not begin with "{quote}"', rules.fails(rules.starts_with(quote))
    ),
    "last": lambda quote: (f'ends with "{quote}"', rules.ends_with(quote)),
    "not last": lambda quote: (f'does not end with "{quote}"', rules.fails(rules.ends_with(quote))),
}  # fmt: skip

_FULL = ("many sentences", "at least 3 sentences", rules.sentences(Range(3, None)))
_LISTS = rules.any_of(rules.listed("bullet"), rules.listed("number"))
_FIXED: dict[str, tuple[str, str, rules.Rule | None]] = {
    # the contrary of a prohibition
    "no lists": ("bullets", "a list with bullets", rules.listed("bullet")),
    "no bullet points": ("bullets", "a list with bullets", rules.listed("bullet")),
    "no numbered lists": ("numbered list", "a numbered list", rules.listed("number")),
    "no tables": ("table", "a table", formats.table),
    "no headings": ("headings", "headings", None),
    "no Markdown": ("markdown", "signs of Markdown", None),
    "no emojis": ("emojis", "emojis", None),
    "no exclamation marks": ("exclamation marks", "exclamation marks", None),
    "no question marks": ("questions", "a question", None),
    "no questions": ("questions", "a question", None),
    "no digits": ("digits", "digits", None),
    "no parentheses": ("parentheses", "parentheses", None),
    "no bold text": ("bold", "bold text", None),
    "no hashtags": ("hashtags", "hashtags", None),
    "no links": ("links", "links", None),
    "no semicolons": ("semicolons", "semicolons", None),
    "no capital letters": ("normal case", "upper and lower case", None),
    "no the first person": ("first person", "the first person", None),
    # of a form
    "numbered list": ("no lists", "no lists", rules.fails(_LISTS)),
    "bullets": ("no lists", "no lists", rules.fails(_LISTS)),
    "list": ("no lists", "no lists", None),
    "items": ("no lists", "no lists", rules.fails(_LISTS)),
    "table": ("no tables", "no tables", None),
    "headings": ("no headings", "no headings", None),
    "markdown": ("no markdown", "no Markdown", None),
    "bold": ("no bold", "no bold text", None),
    "emojis": ("no emojis", "no emojis", None),
    "json": ("no json", "no JSON", rules.fails(formats.is_json())),
    "title": ("no title", "no title in the first line", None),
    "postscript": ("no postscript", "no postscript", None),
    "upper case": ("normal case", "upper and lower case", None),
    "lower case": ("normal case", "upper and lower case", None),
    "ends with a question": ("no last question", "does not end with a question", None),
    "does not end with a question": ("last question", "ends with a question", None),
    "begins with a question": ("no first question", "does not begin with a question", None),
    "one word": _FULL,
    "one letter": _FULL,
    "number only": _FULL,
}  # fmt: skip
"""Text or kind of a demand -> the name of the sentence, what it asks for, and the rule; None where
the opposite is whatever does not meet the demand."""
