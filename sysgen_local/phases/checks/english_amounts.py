"""Patterns for amounts in English: sentences, words, characters, paragraphs, lines, items."""

from __future__ import annotations

import re
from collections.abc import Callable

from sysgen_local.phases.checks import rules
from sysgen_local.phases.checks.amounts import AFTER, AMOUNT, Range, amount_of
from sysgen_local.phases.checks.clauses import Clause, Pattern, Read
from sysgen_local.phases.checks.text import ListMark

_CONTEXT = (
    r"(?:^|(?<=[,;:(¦] )|\b(?:in|within|to|into|with|using|use|write|give"
    "|provide|keep|be|is|contain|limit|restrict|as"
    "|answer|respond|reply|return|produce|compose|long|(?:answer|response|reply"
    "|text|story|poem|essay|summary|explanation"
    "|message|email|letter|paragraph|total|length|limit|maximum"
    r"|minimum) of)\s+(?:it |this |them |an? (?:(?:short )?(?:text|response"
    "|answer|paragraph) of )?)?"
    r"|\b(?=(?:at most|at least|under|below|up to|exactly|no more than"
    r"|fewer than|less than|more than|maximum|max)\b))"
)
_INPUT = (
    "(?<!the )(?<!these )(?<!those )(?<!both )(?<!your )(?<!given )(?<!following )(?<!between )"
)
_UNITS = re.compile(
    r"\b(?:sentences|paragraphs|bullets|bullet points|points|items|steps|lines"
    "|titles|stanzas|headlines|names|sections"
    r"|definitions|descriptions)\s+(?!and\b|or\b|¦)",
    re.IGNORECASE,
)
_LIMIT = re.compile(r"\b(?:limit|restrict|confine|cap|trim|shorten)\w*\b", re.IGNORECASE)
_ONE_OF = re.compile(r"\bone of\b", re.IGNORECASE)


def _amount(name: str, rule: Callable[[Range], rules.Rule], smallest: int = 1) -> Read:
    def read(match: re.Match[str], clause: Clause) -> tuple[str, rules.Rule] | None:
        amount = amount_of(match["amount"], match["after"])
        before = clause.text[: match.start()]
        words = match["amount"].lower()
        if amount is None or _UNITS.search(before) or _ONE_OF.search(match[0]):
            return None
        if words.startswith("between") and amount.low == amount.high:
            return None  # "the difference between two sentences"
        if (amount.high or amount.low) < smallest:
            return None
        if _LIMIT.search(before) and amount.high is not None:
            amount = amount._replace(low=0 if amount.low == amount.high else amount.low)
        plural = "" if amount.high == 1 else "s"
        return f"{amount} {name}{plural}", rule(amount)

    return read


def _row(kind: str, noun: str, read: Read, context: str = _CONTEXT) -> Pattern:
    return Pattern(
        kind, re.compile(context + _INPUT + AMOUNT + noun + AFTER, re.IGNORECASE), read, whole=True
    )


def _fixed(kind: str, pattern: str, text: str, rule: rules.Rule) -> Pattern:
    return Pattern(
        kind, re.compile(pattern, re.IGNORECASE), lambda match, clause: (text, rule), whole=True
    )


_ONE = Range(1, 1)
_SPEAK = (
    "(?:answer|respond|reply|explain|write|summari[sz]e|describe|state|express"
    "|give|provide|put|present|say|keep|limit)"
)
_THINGS = (
    "(?:tips|ideas|reasons|ways|suggestions|options|facts|benefits|advantages"
    "|disadvantages|questions|titles|examples"
    "|exercises|recommendations|strategies|points|key points|items|names"
    "|methods|recipes|alternatives|arguments|takeaways)"
)


def _things(match: re.Match[str], clause: Clause) -> tuple[str, rules.Rule] | None:
    amount = amount_of(match["amount"], match["after"])
    if amount is None or amount.low < 2 or clause.text != clause.sentence.strip():
        return None  # with another part in the clause, the list may belong to that part
    return f"{amount} {match['things'].lower()}", rules.enumerated(amount)


def _items(mark: ListMark) -> Read:
    def read(match: re.Match[str], clause: Clause) -> tuple[str, rules.Rule] | None:
        amount = amount_of(match["amount"], match["after"])
        if amount is None:
            return None
        name = {"bullet": "bullet points", "number": "numbered items", "": "list items"}[mark]
        return f"{amount} {name}", rules.listed(mark, amount)

    return read


AMOUNTS: tuple[Pattern, ...] = (
    _row(
        "sentences",
        r"(?:[- ]|\s(?:\w+,? ){0,2})sentences?\b(?! (?:structure|components?|parts"
        "|pairs?|summary|conclusion|introduction|about each))",
        _amount("sentence", rules.sentences),
    ),
    _fixed(
        "sentences",
        # A "final answer" follows other text, so the sentence is not the whole answer.
        rf"\b(?<!final ){_SPEAK}\b(?:(?!\bfinal\b)[^.;]){{0,40}}?"
        r"\b(?:with|in|as|to|into)\s+(?:just |only )?an? "
        r"(?:(?:short|brief|concise|simple|clear|one|single|long),? )+sentence\b(?! structure)",
        "exactly 1 sentence",
        rules.sentences(_ONE),
    ),
    _fixed(
        "sentences",
        r"\b(?:a|your|the) (?:one|single)-sentence (?:answer|response|reply|verdict)\b",
        "exactly 1 sentence",
        rules.sentences(_ONE),
    ),
    _row(
        "words",
        r"[- ]words?\b(?! (?:or phrases|from|that|each|problems?|for|of the))",
        _amount("word", rules.words, 4),
    ),
    _row(
        "words",
        r"[- ]words?\b(?! (?:or phrases|from|that|each|problems?|for|of the))",
        _amount("word", rules.words),
        context=(
            r"\b(?:answer|respond|reply|limit[\w ]{1,30})(?: (?:only|just|in|with|to"
            "|using))+ "
        ),
    ),
    _row(
        "characters",
        r" characters\b(?! (?:in|of|from|who|that))",
        _amount("character", rules.characters, 20),
    ),
    _row(
        "paragraphs",
        r"(?:[- ]|\s(?:\w+,? ){0,2})paragraphs?\b",
        _amount("paragraph", rules.paragraphs),
    ),
    _fixed(
        "paragraphs",
        rf"\b(?:{_SPEAK}\b[^.;]{{0,40}}?\b)?(?:with|in|as|to|into|write|give|provide"
        r"|use|form of)\s+(?:just |only )?an? (?:(?:short|brief|concise|simple|clear"
        "|one|single|cohesive|coherent|well-structured|detailed"
        r"|engaging),? (?:and )?)*paragraph\b(?! (?:about|on|for|form|structure"
        "|describing|explaining|that|which|of))",
        "exactly 1 paragraph",
        rules.paragraphs(_ONE),
    ),
    _fixed(
        "lines",
        r"^(?:write|compose|create|answer|respond)(?: \w+){0,2}? (?:a|one) haiku\b",
        "exactly 3 lines",
        rules.lines(Range(3, 3)),
    ),
    _fixed(
        "lines",
        r"^(?:write|compose|create|answer|respond)(?: \w+){0,2} (?:a|one) limerick\b",
        "exactly 5 lines",
        rules.lines(Range(5, 5)),
    ),
    _row(
        "lines",
        r"(?:[- ]|\s(?:\w+,? ){0,2})lines?\b(?! of (?:code|text|thought|argument)"
        "| breaks?| graphs?| items?| segments?| with | that | parallel| and )",
        _amount("line", rules.lines, 2),
    ),
)
"""Rows that do not read a clause about a part of the answer."""

ITEMS: tuple[Pattern, ...] = (
    _row(
        "items",
        r" (?:\w+ )?(?:bullet points?|bullets|bulleted (?:points|items))\b",
        _items("bullet"),
        context=r"\b",
    ),
    _row(
        "items",
        r" (?:\w+ )?numbered (?:steps|points|items|tips|instructions)\b",
        _items("number"),
        context=r"\b",
    ),
    _row(
        "items",
        r"[- ](?:items?|entries|points|steps?)\b(?! (?:solution|process|plan|system"
        "|scale|guide|equation))",
        _items(""),
        context=r"\b(?:list of|list with|in|into)\s+",
    ),
    Pattern(
        "items",
        re.compile(
            "^(?:give|provide|offer|suggest|list|name|share|present"
            rf"|propose)\s+(?:the user |users )?{AMOUNT}(?: [\w-]+,?){{0,3}}? "
            rf"(?P<things>{_THINGS})\b(?P<after>)\b(?! for each| per)",
            re.IGNORECASE,
        ),
        _things,
        whole=True,
    ),
)
"""Rows for lists with a number of items. They come before the rows for lists in general."""
