"""Sentences, words, paragraphs and lists of texts of many kinds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sysgen_local.phases.checks import text as measure
from sysgen_local.phases.checks.amounts import AMOUNT, Range, amount_of
from sysgen_local.phases.checks.text import Span


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("It rains.", 1),
        ("Mr. Smith paid $3.50. He left at 5 p.m. and slept, e.g. at home.", 2),
        ("Dr. Lee of the U.S. Army came. He stayed.", 2),
        ("Really? Yes! Well...", 3),
        ('He said "Go." Then he left.', 2),
        ("Am 3. Oktober war er da. Er blieb z. B. drei Tage.", 2),
        ("光合作用是过程。它很重要！对吗？", 3),
        ("のぞみ号は2時間です。ひかり号は3時間です。", 2),
        ("यह पानी है। वह दूध है।", 2),
        ("هل هذا ماء؟ نعم، هذا ماء.", 2),
        ("یہ پانی ہے۔ وہ دودھ ہے۔", 2),
        ("See this:\n\n```python\nx = 1. + 2.  # One. Two.\n```\n\nIt adds.", 2),
        ("# A heading. Of two.\n\nOne sentence.", 1),
        ("Take bread and milk.\n\n- bread\n- milk", 1),
        ("- Take the bread.\n- Take the milk.", 2),
        ("**Bold.** Then *more*.", 2),
    ],
)
def test_sentences(text: str, number: int) -> None:
    assert Range(number, number).holds(measure.count_sentences(text))
    assert not Range(number + 4, None).holds(measure.count_sentences(text))
    assert number == 1 or not Range(0, number - 2).holds(measure.count_sentences(text))


def test_odd_spaces_and_a_fault_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicException(BaseException):
        pass

    def panic(language: str, text: str) -> list[str]:
        raise PanicException

    assert measure.sentences("It\xa0rains.\u2003Again.") == ["It rains.", "Again."]
    monkeypatch.setattr(measure, "segment", panic)
    assert measure.sentences("It rains. Again.") == ["It rains. Again."]


def test_words_of_compounds_code_and_chinese() -> None:
    assert measure.count_words("A state-of-the-art **tool**.") == Span(3, 6)
    assert measure.count_words("Run it:\n```\na b c\n```") == Span(2, 5)
    assert measure.count_words("我喜欢雨") == Span(2, 4)
    assert measure.count_han("我喜欢雨。") == Span(4, 5)
    assert measure.count_words("") == Span(0, 0)


def test_paragraphs_lists_and_headings() -> None:
    text = "# Rain\n\nIt falls.\n\n1. a\n   more\n2. b\n   - c\n\n**End**\n\nDone."
    assert measure.headings(text) == ["# Rain", "**End**"]
    assert [item.text for item in measure.items(text, "number")] == ["a\nmore", "b"]
    assert measure.count_items(text) == Span(1, 3)
    assert measure.count_paragraphs(text).low == 2
    assert measure.count_paragraphs("One.\n\nTwo.\n\n```\nx\n\ny\n```") == Span(2, 3)


def test_code_blocks_and_what_is_left_open() -> None:
    closed, still_open = measure.code_blocks("```py\na\n```\n- b\n~~~~\n```\n~~~\nc")
    assert (closed.info, closed.text, closed.closed) == ("py", "a", True)
    assert (still_open.text, still_open.closed) == ("```\n~~~\nc", False)


def test_the_last_sentence_of_prose_list_and_equation() -> None:
    assert measure.last_sentence("One. Two is **more**.") == "Two is more."
    assert measure.last_sentence("So:\n\n3 + 4 = 7") == "3 + 4 = 7"
    assert measure.last_sentence("Why?\n\n- because") == "because"
    assert measure.last_sentence("") == ""


@pytest.mark.parametrize(
    ("words", "amount"),
    [
        ("three", Range(3, 3)),
        ("at most 3", Range(0, 3)),
        ("no more than 50", Range(0, 50)),
        ("fewer than ten", Range(0, 9)),
        ("at least two", Range(2, None)),
        ("more than 10", Range(11, None)),
        ("between 50 and 100", Range(50, 100)),
        ("two to four", Range(2, 4)),
        ("2-3", Range(2, 3)),
        ("one or two", Range(1, 2)),
        ("three or fewer", Range(0, 3)),
        ("about 100", Range(50, 150)),
        ("a single", Range(1, 1)),
        ("a couple of", Range(2, 3)),
        ("one hundred", Range(100, 100)),
        ("five to two", None),
        ("under 1", None),
    ],
)
def test_amounts(words: str, amount: Range | None) -> None:
    import re

    match = re.fullmatch(AMOUNT, words)
    assert match
    assert amount_of(match["amount"]) == amount


@settings(deadline=None)  # the first call loads the language model
@given(st.text(max_size=300))
def test_counts_of_any_text_are_spans(text: str) -> None:
    counts = (
        measure.count_sentences, measure.count_words, measure.count_characters,
        measure.count_paragraphs, measure.count_lines, measure.count_items, measure.count_han,
    )  # fmt: skip
    assert all(0 <= count(text).low <= count(text).high for count in counts)
    assert isinstance(measure.last_sentence(text), str)
