"""Which rows count as the same, and which only look alike."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sysgen_local.exporting import near_duplicates
from sysgen_local.exporting.normalized import normalized

AROUND = "Solve the following problem, show every step of your work and give the result: {}."

DIFFERENT = [
    ("x^2-4", "x^2+4"), ("x^2 - 4", "x^2 + 4"), ("x − 4", "x + 4"), ("3 + 5", "3 - 5"),
    ("3 * 5", "3 / 5"), ("3 × 5", "3 ÷ 5"), ("x > 3", "x < 3"), ("x >= 3", "x > 3"),
    ("x ≤ 3", "x ≥ 3"), ("x = y", "x != y"), ("2^3", "23"), ("x² + 1", "x2 + 1"), ("x²", "x³"),
    ("3.5 km", "35 km"), ("3.5 km", "3 5 km"), ("12 apples", "13 apples"), ("-5 °C", "5 °C"),
    ("5!", "5"), ("n!", "n"), ("a & b", "a | b"), ("$5", "5%"), ("50%", "50"), ("√16", "16"),
    ("(2+3)*4", "2+(3*4)"), ("i++", "i--"), ("C++", "C"), ("C# code", "C code"), ("¬p", "p"),
    (r"A \cup B", r"A \cap B"), (r"x \le 3", r"x \ge 3"), ("price * rate", "price / rate"),
    ("x/y", "x y"), ("½ cup", "⅓ cup"), ("Ⅳ", "Ⅴ"), ("10:30", "1030"), ("a_1", "a1 1"),
    ("١٢", "١٣"),
]  # fmt: skip
SAME = [
    ("well-known facts", "well known facts"), ("Green  tea ?", "green tea"), ("END!", "end"),
    ("**bold** words", "bold words"), ("cats and/or dogs", "cats and or dogs"), ("x-4", "x − 4"),
    ("x^2-4", "x ^ 2 - 4"), ("caf\u00e9", "cafe\u0301"), ("«quoted»", '"quoted"'), ("3.5.", "3.5"),
    ("an example (see below)", "an example, see below"), ("“Hi”", "'hi'"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), DIFFERENT, ids=" / ".join)
@pytest.mark.parametrize("frame", ["{}", AROUND])
def test_numbers_and_operators_make_another_problem(one, other, frame):
    rows = [(1, frame.format(one)), (2, frame.format(other)), (3, frame.format(one))]
    assert near_duplicates.duplicates(rows) == [3]
    assert near_duplicates.contaminated(rows, [frame.format(other)])[:1] == (
        [2] if frame == "{}" else [1]
    )


@pytest.mark.parametrize(("one", "other"), SAME, ids=" / ".join)
def test_the_marks_of_prose_do_not(one, other):
    assert normalized(one).plain == normalized(other).plain
    assert near_duplicates.duplicates([(1, one), (2, other)]) == [2]


def jaccard(one: str, other: str) -> float:
    some, others = normalized(one).ngrams, normalized(other).ngrams
    return len(some & others) / len(some | others)


def word(rng: random.Random) -> str:
    return "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=4))


@pytest.mark.e2e  # 80 pairs, each with its hashes, take seconds
def test_what_is_left_out_is_as_near_as_was_said():
    """Around the threshold, where the estimate alone is wrong now and then, both ways."""
    rng = random.Random(4)
    decided = {True: 0, False: 0}
    for _ in range(80):
        words = [word(rng) for _ in range(60)]
        changed = list(words)
        for i in rng.sample(range(60), rng.randint(2, 7)):
            changed[i] = word(rng)
        one, other = " ".join(words), " ".join(changed)
        found = near_duplicates.duplicates([(1, one), (2, other)]) == [2]
        true = jaccard(one, other)
        assert not found or true >= near_duplicates.NEAR
        assert found or true < near_duplicates.NEAR + 0.05
        decided[found] += 1
    assert min(decided.values()) > 10


def test_a_run_of_words_in_common_is_contamination_whatever_is_around_it():
    run = "one two three four five six seven eight nine ten eleven twelve"
    prompt = f"Some preface of quite another kind. {run} thirteen. And more."
    rows = [(1, f"Here: {run} thirteen"), (2, f"Here: {run} fourteen"), (3, "Nothing of it.")]
    assert near_duplicates.contaminated(rows, [prompt]) == [1]


def test_operators_count_within_a_run():
    run = "one two three four five six seven eight nine ten eleven x {} 4"
    rows = [(1, "a " * 30 + run.format("+")), (2, "a " * 30 + run.format("-"))]
    assert near_duplicates.contaminated(rows, [run.format("+") + " b" * 30]) == [1]


def test_rows_that_are_like_one_of_many_other_texts():
    frame = "Write a short letter about {} to a friend who lives by the sea, and end it kindly."
    rows = [(3, "Green tea?"), (7, frame.format("rain")), (8, "green  TEA"), (9, frame.format(4))]
    others = ["Nothing of it.", frame.format("Rain") + " Please.", frame.format(5), "green tea"]
    assert near_duplicates.resembling(rows, others) == {3, 7, 8}
    assert near_duplicates.resembling(rows, iter(others[:1])) == set()
    assert near_duplicates.resembling([], others) == set()


@pytest.mark.e2e  # a hundred examples, each with its hashes, take seconds
@settings(deadline=None)
@given(st.text())
def test_any_text_is_like_itself(text):
    assert near_duplicates.duplicates([(1, text), (2, text), (3, text.swapcase().swapcase())])[
        :1
    ] == [2]


@settings(deadline=None)
@given(st.text(max_size=60))
def test_what_is_said_is_said_again(text):
    plain = normalized(text).plain
    assert plain == " ".join(plain.split())
    assert all(run in plain for run in normalized(text).word_ngrams(3))
