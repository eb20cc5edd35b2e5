"""Rules about the length of an answer: words, sentences and paragraphs."""

from __future__ import annotations

import re
from collections.abc import Callable

from sysgen_local.phases.checks.instructions import sentences
from sysgen_local.phases.checks.instructions.kwargs import Relation, holds


def count_words(answer: str) -> int:
    """Runs of letters, digits and underscores."""
    return len(re.findall(r"\w+", answer))


def count_sentences(answer: str) -> int:
    return len(sentences.split(answer))


def number_words(
    answer: str,
    *,
    num_words: int,
    relation: Relation,
    count: Callable[[str], int] = count_words,
) -> bool:
    """Fewer than, or at least, so many words.

    Known fault: "don't" is two words, and so is "3.5". A text without spaces, as in Chinese, is one
    word up to the next punctuation mark, and a word in Devanagari is several.
    """
    return holds(count(answer), relation, num_words)


def number_sentences(
    answer: str,
    *,
    num_sentences: int,
    relation: Relation,
    count: Callable[[str], int] = count_sentences,
) -> bool:
    """Fewer than, or at least, so many sentences.

    Known fault: an English model splits every language; "e.g." ends a sentence, and the number of a
    list item is one.
    """
    return holds(count(answer), relation, num_sentences)


def number_paragraphs(answer: str, *, num_paragraphs: int) -> bool:
    """Exactly so many paragraphs, separated by "***".

    Known fault: six asterisks in a row are two dividers with an empty paragraph between them, which
    fails; paragraphs that blank lines separate are one.
    """
    parts = [part.strip() for part in re.split(r"\s?\*{3}\s?", answer)]
    inner = parts[1:-1]
    return all(inner) and sum(map(bool, parts)) == num_paragraphs


def nth_paragraph_first_word(
    answer: str, *, num_paragraphs: int, nth_paragraph: int, first_word: str
) -> bool:
    """Exactly so many paragraphs, separated by blank lines, and this word begins the n-th.

    Known fault: empty paragraphs (of more blank lines) are not counted, but are numbered, so the
    n-th may be another one. A first word that contains a punctuation mark never matches.
    """
    parts = [part.strip() for part in answer.split("\n\n")]
    count = sum(map(bool, parts))
    if nth_paragraph > count or not (paragraph := parts[nth_paragraph - 1]):
        return False
    word = paragraph.split()[0].lstrip("'").lstrip('"')
    begins = re.split(r"[.,?!'\"]", word)[0].lower()
    return count == num_paragraphs and begins == first_word.lower()
