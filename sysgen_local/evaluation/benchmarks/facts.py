"""The fact that a short original answer states, and whether another answer states it too.

"The capital of France is Paris." says "Paris" of what the question asks. Only answers of one
sentence that repeat the question before the verb are read, and only questions that have one right
answer: another good synonym is another word. An answer that names the fact to deny it counts as one
that states it.
"""

from __future__ import annotations

import re

from sysgen_local.exporting.normalized import normalized
from sysgen_local.phases.turns import words_of

_VERB = re.compile(r"\s(?:is|are|was|were|=|equals)\s", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?](?:\s|$)")
_HEDGE = re.compile(
    r"^(?:(?:about|approximately|around|called|equal to|exactly|known as|typically|usually"
    r"|roughly|the|an?)\s+)+",
    re.IGNORECASE,
)
_SEVERAL_ANSWERS = re.compile(
    r"\b(?:synonym|antonym|opposite|example|suggest|rewrite|rephrase|paraphrase|describe|edit"
    r"|(?:name|give|list|provide|write|create|generate)\s+(?:me\s+)?(?:an?|one|some|two|three)\b)",
    re.IGNORECASE,
)
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}\b)")
_QUOTES = "\"'“”‘’`* "
_MOST_WORDS, _LONGEST_ANSWER = 3, 25


def stated_fact(question: str, original: str) -> str | None:
    """What the answer says of the subject of the question, at most three words; None where it
    cannot be read reliably."""
    text = original.strip()
    if (
        _SEVERAL_ANSWERS.search(question)
        or "\n" in text
        or len(text.split()) > _LONGEST_ANSWER
        or len(_SENTENCE_END.findall(text)) > 1
    ):
        return None
    subject, *said = _VERB.split(text)
    if len(said) != 1:
        return None
    fact = _HEDGE.sub("", said[0].strip().rstrip(".!").strip(_QUOTES)).strip(_QUOTES).rstrip(".")
    # "the sum of 7 and 8" has no content words
    words = words_of(subject) or frozenset(_plain(subject).split())
    if not 0 < len(fact.split()) <= _MOST_WORDS or not words:
        return None
    asked = words_of(question) | frozenset(_plain(question).split())
    if 2 * len(words & asked) < len(words) or _holds(question, fact):
        return None
    return fact if normalized(fact).plain else None


def states(fact: str, answer: str) -> bool:
    """Whether the answer has the words of the fact one after the other."""
    return _holds(answer, fact)


def _holds(text: str, part: str) -> bool:
    return f" {_plain(part)} " in f" {_plain(text)} "


def _plain(text: str) -> str:
    return normalized(_THOUSANDS.sub("", text)).plain
