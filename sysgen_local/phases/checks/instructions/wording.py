"""Rules about the words and letters of an answer."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sysgen_local.phases.checks.instructions import tokens
from sysgen_local.phases.checks.instructions.kwargs import Relation, holds


def existence(answer: str, *, keywords: Sequence[str]) -> bool:
    """Every keyword occurs, in upper or lower case.

    Known fault: a keyword is found inside other words ("art" in "party"), and is read as a regular
    expression ("." is any character).
    """
    return all(re.search(keyword, answer, re.IGNORECASE) for keyword in keywords)


def frequency(answer: str, *, keyword: str, frequency: int, relation: Relation) -> bool:
    """The keyword occurs fewer than, or at least, so many times.

    Known fault: as in `existence`, parts of other words count.
    """
    found = re.findall(keyword.strip(), answer, re.IGNORECASE)
    return holds(len(found), relation, frequency)


def forbidden_words(answer: str, *, forbidden_words: Sequence[str]) -> bool:
    r"""None of the words occurs.

    Known fault: other forms of a word ("cars" for "car") are allowed; a word that begins or ends
    with a sign is not found beside a space, because \b needs a letter there. The words are read as
    regular expressions.
    """
    return not any(re.search(rf"\b{word}\b", answer, re.IGNORECASE) for word in forbidden_words)


def letter_frequency(
    answer: str, *, letter: str, let_frequency: int, let_relation: Relation
) -> bool:
    """The letter occurs fewer than, or at least, so many times, in upper or lower case.

    Known fault: where the item names a sign that is no letter from a to z, the reference draws a
    letter at random. Here the sign is counted.
    """
    return holds(answer.lower().count(letter.strip().lower()), let_relation, let_frequency)


def capital_word_frequency(
    answer: str, *, capital_frequency: int, capital_relation: Relation
) -> bool:
    """Fewer than, or at least, so many words in capital letters.

    Known fault: "I" and "A" count, and "DON'T" is two words.
    """
    capitals = sum(word.isupper() for word in tokens.words(answer))
    return holds(capitals, capital_relation, capital_frequency)


def no_comma(answer: str) -> bool:
    """No comma.

    Known fault: only "," counts. The commas of other scripts are allowed, and the comma in 1,000 is
    not.
    """
    return "," not in answer
