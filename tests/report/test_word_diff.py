"""The words that differ between two texts, as lengths that JavaScript can count with."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysgen_local.report.word_diff import LONGEST, word_diff


def utf16(text):
    return text.encode("utf-16-le", "surrogatepass")


def shown(old, new):
    """Both texts with their marks, cut where a browser would cut them."""
    texts, places, marked = (utf16(old), utf16(new)), [0, 0], ["", ""]
    for part in word_diff(old, new):
        for side, (same, changed) in enumerate(((part[0], part[2]), (part[1], part[3]))):
            cuts = [places[side], places[side] + same, places[side] + same + changed]
            kept, other = (
                texts[side][2 * a : 2 * b].decode("utf-16-le", "surrogatepass")
                for a, b in pairwise(cuts)
            )
            marked[side] += kept + (f"[{other}]" if other else "")
            places[side] = cuts[2]
    rest = [t[2 * p :].decode("utf-16-le") for t, p in zip(texts, places, strict=True)]
    return tuple(m + r for m, r in zip(marked, rest, strict=True))


@pytest.mark.parametrize(
    ("old", "new", "marks"),
    [
        ("The cat sat.", "The dog sat.", ("The [cat ]sat.", "The [dog ]sat.")),
        ("It is 3.5 km.", "It is 4.5 km.", ("It is [3.5 ]km.", "It is [4.5 ]km.")),
        ("So.", "So. And more", ("So.", "So. [And more]")),
        ("Well, so.", "So.", ("[Well, so].", "[So].")),
        ("One  two", "One\ntwo", ("One  two", "One\ntwo")),
        ("I don't know", "I do know", ("I [don't ]know", "I [do ]know")),
        ("我喜欢猫。", "我喜欢狗。", ("我喜欢[猫]。", "我喜欢[狗]。")),
        ("😀 a b", "😀 c b", ("😀 [a ]b", "😀 [c ]b")),
        ("a", "b", ("[a]", "[b]")),
    ],
)
def test_words_that_differ_are_marked(old, new, marks):
    assert shown(old, new) == marks


@given(st.text(max_size=60), st.text(max_size=60))
def test_the_parts_are_the_whole_texts(old, new):
    parts = word_diff(old, new)
    if parts is not None:
        assert sum(a + gone for a, _, gone, _ in parts) <= len(utf16(old)) // 2
        assert sum(b + come for _, b, _, come in parts) <= len(utf16(new)) // 2
        before, after = shown(old, new)
        if "[" not in old + new and "]" not in old + new:
            assert before.replace("[", "").replace("]", "") == old
            assert after.replace("[", "").replace("]", "") == new


def test_equal_empty_and_long_texts_have_no_marks():
    assert word_diff("same", "same") is None
    assert word_diff("", "new") is None
    assert word_diff("old", " \n") is None
    assert word_diff("a" * LONGEST, "b") is not None
    assert word_diff("a" * (LONGEST + 1), "b") is None


def test_an_answer_of_megabytes_costs_nothing():
    long = "word " * 800_000
    begin = time.perf_counter()
    assert word_diff(long, f"{long}more") is None
    assert time.perf_counter() - begin < 0.1
