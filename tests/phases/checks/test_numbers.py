"""Numbers as people write them, and when two of them say the same."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sysgen_local.phases.checks.numbers import close, find_numbers, words_to_number


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("$18", 18, "$"),
        ("18 dollars", 18, "dollars"),
        ("1,000", 1000, ""),
        ("1 000 km", 1000, "km"),
        ("1.234,56", Fraction("1234.56"), ""),
        ("12,345.5", Fraction("12345.5"), ""),
        ("0,5", Fraction(1, 2), ""),
        (".5", Fraction(1, 2), ""),
        ("3/4", Fraction(3, 4), ""),
        ("\\frac{3}{4}", Fraction(3, 4), ""),
        ("2\\dfrac{1}{2}", Fraction(5, 2), ""),
        ("2 1/2 hours", Fraction(5, 2), "hours"),
        ("2½", Fraction(5, 2), ""),
        ("50%", 50, "%"),
        ("50\\%", 50, "%"),
        ("seventy-two apples", 72, "apples"),
        ("two hundred and five", 205, ""),
        ("a hundred", 100, ""),
        ("x = -5", -5, ""),
        ("−7 degrees", -7, "degrees"),
        ("3.5 million", 3_500_000, ""),
        ("3万", 30_000, ""),
        ("6 \\times 10^{3}", 6000, ""),
        ("٧٢", 72, ""),
        ("还有18个苹果", 18, "个苹果"),
        ("十八个", 18, "个"),
    ],
)
def test_one_number(text: str, value: Fraction, unit: str) -> None:
    (number,) = find_numbers(text)
    assert number.values[0] == value
    assert number.unit == unit


@pytest.mark.parametrize("text", ["on the 2nd day", "B12", "1/0", "no number", "v1.2.3b", ""])
def test_no_number(text: str) -> None:
    assert find_numbers(text) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1,000", "1000.0"),
        ("1.000", "1000"),
        ("1.000", "1"),
        ("$18", "18 dollars"),
        ("$18", "18"),
        ("3/4", "0.75"),
        ("50%", "50 percent"),
        ("50%", "0.5"),
        ("50%", "50"),
        ("2 hours", "120 minutes"),
        ("$0.25", "25 cents"),
        ("33.33", "33 1/3"),
        ("66.67", "66.667"),
        ("2 dozen", "24"),
        ("72", "seventy-two"),
    ],
)
def test_the_same_number(one: str, other: str) -> None:
    assert close(find_numbers(one)[0], find_numbers(other)[0])
    assert close(find_numbers(other)[0], find_numbers(one)[0])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("72", "31"),
        ("72", "72.3"),
        ("33.33", "33"),
        ("$18", "18 cents"),
        ("2 hours", "2 minutes"),
        ("5 miles", "5 hours"),
        ("-7", "7"),
        ("50%", "0.05"),
        ("3:30", "330"),
        ("1,000", "1"),
    ],
)
def test_another_number(one: str, other: str) -> None:
    assert not close(find_numbers(one)[0], find_numbers(other)[0])
    assert not close(find_numbers(other)[0], find_numbers(one)[0])


def test_words_that_are_no_number() -> None:
    assert words_to_number("seventy-two") == 72
    assert words_to_number("three million and one") == 3_000_001
    assert words_to_number("some") is None


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=10**12))
def test_every_whole_number_is_read_with_and_without_separators(number: int) -> None:
    assert Fraction(number) in find_numbers(f"It is {number}.")[0].values
    assert Fraction(number) in find_numbers(f"It is {number:,} in all")[0].values
