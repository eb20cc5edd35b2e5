"""Figures of tags and tag sets per row, compared with the paper's three generators."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from benchmarks.quality.figures import Share, Tree, mean
from sysgen_local.core.intervals import bootstrap
from sysgen_local.core.records import TAGS, Phrase, Tag

PAPER: dict[Tag, int] = {
    "role": 95, "content": 95, "task": 97, "action": 72, "style": 66, "background": 62, "tool": 10,
    "format": 58,
}  # fmt: skip
"""Percentage of rows with the tag after the filter: the mean of the paper's three generators (its
table 8), rounded to the whole numbers of our targets."""

Tags = frozenset[str]


def tags(rows: Sequence[Sequence[Phrase]]) -> Tree:
    """The figures of the tags of these rows' phrases."""
    sets = [frozenset(phrase.tag for phrase in row) for row in rows]
    counts = Counter(sets)
    most = max(counts, key=lambda one: (counts[one], _named(one)), default=None)
    return {
        "rows": len(rows),
        "phrases_a_row": mean([len(row) for row in rows]),
        "tags_a_row": mean([len(one) for one in sets]),
        "different_tag_sets": len(counts),
        "most_frequent_tag_set": Share(counts[most] if most is not None else 0, len(rows)),
        "that_is": None if most is None else _named(most),
        "entropy_of_tag_sets_in_bits": bootstrap(sets, entropy, biased=True),
        "rows_with": {tag: Share.among(tag in one for one in sets) for tag in TAGS},
        "distance_to_paper_in_points": bootstrap(sets, distance, biased=True),
    }


def entropy(values: Iterable[object]) -> float:
    """The entropy of the values' frequencies, in bits."""
    counts = Counter(values)
    of = counts.total()
    return sum(n / of * math.log2(of / n) for n in counts.values())


def distance(sets: Sequence[Tags]) -> float:
    """The mean difference to the paper's shares of rows with each tag, in percentage points."""
    shares = {tag: 100 * sum(tag in one for one in sets) / len(sets) for tag in TAGS}
    return sum(abs(shares[tag] - PAPER[tag]) for tag in TAGS) / len(TAGS)


def _named(one: Tags) -> str:
    """The tags of the set as text, in canonical order."""
    return " ".join(tag for tag in TAGS if tag in one) or "none"
