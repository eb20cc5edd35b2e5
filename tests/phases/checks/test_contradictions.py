"""Demands that no answer can meet together, as far as a rule tells."""

from __future__ import annotations

import pytest

from sysgen_local.phases.checks.contradictions import contradiction
from sysgen_local.phases.checks.countable import demands

APART = [
    ("Answer in exactly 1 sentence.", "Use a numbered list of five items."),
    ("Answer in one sentence.", "Answer in three sentences."),
    ("Use at most 10 words.", "Write at least 50 words."),
    ("Write in capital letters.", "Answer in lowercase."),
    ("Answer in French.", "Answer in German."),
    ("Answer in one word.", "Use bullet points."),
    ("Answer in one word.", "Write exactly two paragraphs."),
    ("Reply with only the number.", "Present the answer as a table."),
    ("Do not use lists.", "Use bullet points."),
    ("Do not use tables.", "Answer with a table."),
    ("Do not use Markdown.", "Use headings."),
    ('Begin your answer with "Yes".', 'Begin your answer with "No".'),
    ('Do not use the word "tea".', 'Use the word "tea" in your answer.'),
    ("Answer only in JSON.", 'Begin your answer with "Hello".'),
    ("Answer with exactly three bullet points.", "Answer with exactly five bullet points."),
]
TOGETHER = [
    ("Answer in three sentences.", "Use at most 50 words."),
    ("Answer in at most three sentences.", "Answer in at least two sentences."),
    ("Use bullet points.", "Answer with exactly three bullet points."),
    ("Write in capital letters.", "Answer in one sentence."),
    ('Begin your answer with "Yes".', 'Do not begin with "No".'),
    ('Do not use the word "tea".', 'Use the word "coffee" in your answer.'),
    ("Answer in one word.", "Answer in lowercase."),
    ("Do not use commas.", "Use a numbered list."),
    ("Answer in French.", "Answer in one sentence."),
]


@pytest.mark.parametrize(("one", "other"), APART)
def test_those_that_exclude_one_another(one, other):
    for pair in ((one, other), (other, one)):
        found = [demand for phrase in pair for demand in demands(phrase)]
        assert len(found) >= 2, found
        assert contradiction(found)


@pytest.mark.parametrize(("one", "other"), TOGETHER)
def test_those_that_go_together(one, other):
    found = [demand for phrase in (one, other) for demand in demands(phrase)]
    assert len(found) >= 2, found
    assert contradiction(found) is None
    assert contradiction(found[:1]) is None
