"""Figures of phrases: copies of demonstrations, and repetitions of other phrases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from benchmarks.quality.figures import Share, Tree, shares
from benchmarks.quality.words import (
    Demonstrations,
    lifted,
    near_duplicates,
    repeated,
    says_something,
)
from sysgen_local.core.records import Phrase, Row
from sysgen_local.phases.words import normalized

SHOWN = 5
"""Number of the most frequent phrases that are listed."""


def phrases(rows: Sequence[Row], shown: Demonstrations | None) -> Tree:
    """Figures of the generated phrases, of the filtered ones, and of those judged good."""
    stages = {
        "generated": [(row, row.generated.phrases) for row in rows if row.generated],
        "filtered": [(row, row.filtered.phrases) for row in rows if row.filtered],
        "good": [(row, good(row)) for row in rows if row.verified],
    }
    written = sum(len(found) for _, found in stages["generated"])
    removed = Counter(r.reason for row in rows if row.filtered for r in row.filtered.removed)
    return {
        **{name: _stage(found, shown) for name, found in stages.items()},
        "removed_by_the_filter": shares(removed, written),
    }


def good(row: Row) -> tuple[Phrase, ...]:
    """The phrases of the row that were judged good."""
    verdicts = row.verified.verdicts if row.verified else ()
    return tuple(Phrase(v.tag, v.text) for v in verdicts if v.label == "good")


def in_system(row: Row) -> tuple[Phrase, ...]:
    """The good phrases that are in its system message."""
    system = (row.verified.system if row.verified else None) or ""
    return tuple(phrase for phrase in good(row) if phrase.text in system)


def _stage(found: Sequence[tuple[Row, Sequence[Phrase]]], shown: Demonstrations | None) -> Tree:
    texts = [[phrase.text for phrase in of] for _, of in found]
    number = sum(map(len, texts))
    near = [near_duplicates(of) for of in texts]
    again = repeated(texts)
    several = {normalized(text) for text in again}
    tree: dict[str, Tree | Share | int | None] = {
        "phrases": number,
        "four_words_of_a_demonstration": None,
        "two_of_them_content_words": None,
        "or_of_its_conversation": None,
        "near_duplicates_within_a_row": Share(sum(near), number),
        "rows_with_near_duplicates": Share.among(n > 0 for n in near),
        "text_in_several_rows": Share.among(normalized(t) in several for of in texts for t in of),
        "most_frequent": {t: Share(n, len(texts)) for t, n in again.most_common(SHOWN)},
    }
    if shown is not None:
        whose = list(_with_own_texts(found))
        shared = [lifted(text, shown.phrases, own) for text, own in whose]
        more = [lifted(text, shown.conversations, own) for text, own in whose]
        tree["four_words_of_a_demonstration"] = Share.among(map(bool, shared))
        tree["two_of_them_content_words"] = Share.among(any(map(says_something, s)) for s in shared)
        tree["or_of_its_conversation"] = Share.among(map(bool, map(frozenset.union, shared, more)))
    return tree


def _with_own_texts(
    found: Sequence[tuple[Row, Sequence[Phrase]]],
) -> Iterator[tuple[str, list[str]]]:
    """(phrase, texts of its row's conversation) for all phrases."""
    for row, of in found:
        own = [turn.content for turn in row.conversation.turns]
        for phrase in of:
            yield phrase.text, own
