"""The final result of an answer, and which other answers come to the same."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phases.checks.pairs import ORIGINALS, PAIRS
from places import SHARED

from sysgen_local.phases.checks.results import final_result, keeps_result

GSM8K = SHARED / "sft" / "gsm8k_test.jsonl"
HOW_MANY = "Lena sold 48 clips in April and 24 in May. How many clips did she sell?"


@pytest.mark.parametrize(
    ("question", "answer", "kind", "text"),
    [
        (HOW_MANY, "48 + 24 = <<48+24=72>>72\n#### 72", "number", "72"),
        (HOW_MANY, "48 + 24 = 72\n\nThe final answer is: **72**.", "number", "72"),
        (HOW_MANY, "So she sold 72 clips.", "number", "72"),
        (HOW_MANY, "She sold 48 + 24 = 72 clips.", "number", "72"),
        (HOW_MANY, "72", "number", "72"),
        (HOW_MANY, "Seventy-two clips.", "number", "Seventy-two"),
        ("What is 2/3 of 9/4?", "It is $\\boxed{\\frac{3}{2}}$.", "number", "\\frac{3}{2}"),
        ("Solve for x.", "Thus $\\boxed{x = 5}$.", "number", "5"),
        ("Solve for x.", "Thus $\\boxed{2\\pi r}$.", "formula", "2\\pi r"),
        ("Where is it?", "\\boxed{(3, 4)}", "formula", "(3, 4)"),
        ("Which?\n(A) red\n(B) blue", "(B)", "option", "B"),
        ("Which? A) red B) blue C) green", "The correct answer is C.", "option", "C"),
        ("Which?\nA. red\nB. blue", "#### A", "option", "A"),
        ("Is it true that 2 < 3?", "True", "words", "True"),
        ("When was it?", "March 14, 1879", "date", "March 14, 1879"),
        ("What is the capital of Peru?", "Lima", "words", "Lima"),
        ("What does it cost?", "It is reduced. The answer is $18.50.", "number", "$18.50"),
    ],
)
def test_the_result_is_read_off(question: str, answer: str, kind: str, text: str) -> None:
    result = final_result(question, answer)
    assert result is not None
    assert (result.kind, result.text) == (kind, text)
    assert keeps_result(result, answer)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Why is the sky blue?", "Because air scatters blue light more than red light."),
        ("How do I cook rice?", "Boil 2 cups of water, add 1 cup of rice, and wait 15 minutes."),
        ("Suggest a name for a cat.", "Whiskers"),
        ("Give me a synonym for happy.", "Joyful"),
        ("Write a haiku.", "Rain on the window"),
        ("How many people live in Peru?", "About 34 million people lived there in 2023."),
        (HOW_MANY, "She sold 48 clips in April and 24 clips in May."),
        (HOW_MANY, ""),
        ("How many apples does each get, and how many are left of 20?", "Each gets 6, 2 are left."),
        ("Which?\nA) red\nB) blue", "It may be A or B."),
        ("What is the answer to life?", "The answer is that nobody knows it for sure, I think."),
        ("Solve it.", "The answer is 3 apples and 4 pears."),
        ("What is 1/0?", "The answer is 72. Wait, that is wrong."),
        ("Write code.", "```python\nprint(72)\n```"),
    ],
)
def test_what_cannot_be_told_is_not_checkable(question: str, answer: str) -> None:
    assert final_result(question, answer) is None


KNOWN_FAULTS = {"25 of the 40 beads are red, and 15 are blue."}
"""Right numbers, each of the other thing: no rule here sees it."""


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair.original}-{pair.answer[:30]}")
def test_pairs_labelled_by_hand(pair) -> None:
    result = final_result(*ORIGINALS[pair.original])
    assert result is not None
    found = keeps_result(result, pair.answer)
    assert found == (pair.right or pair.answer in KNOWN_FAULTS)


def test_precision_and_recall_on_the_pairs() -> None:
    results = {name: final_result(*texts) for name, texts in ORIGINALS.items()}
    counts: Counter[tuple[bool, bool]] = Counter()
    for pair in PAIRS:
        result = results[pair.original]
        assert result is not None
        counts[pair.right, keeps_result(result, pair.answer)] += 1
    accepted = counts[True, True] + counts[False, True]
    assert counts.total() >= 170
    assert counts[True, True] / accepted >= 0.97
    assert counts[True, True] / (counts[True, True] + counts[True, False]) >= 0.97


@pytest.mark.e2e  # 400 solutions, each cut in many places, take seconds
def test_worked_solutions_of_a_real_set() -> None:
    """GSM8K's own solutions keep their result without its mark; cut short, they do not."""
    if not GSM8K.exists():
        pytest.skip("no ../shared/data/sft")
    kept, cut = Counter[bool](), Counter[bool]()
    for line in GSM8K.read_text().splitlines()[:400]:
        row = json.loads(line)
        result = final_result(row["question"], row["answer"])
        assert result is not None
        steps, _, gold = re.sub("<<.*?>>", "", row["answer"]).partition("####")
        kept[keeps_result(result, steps)] += 1
        lines = steps.strip().split("\n")
        for end in range(1, len(lines)):
            numbers = re.findall(r"\d[\d,]*\.?\d*", lines[end - 1])
            if numbers and numbers[-1].strip(".") != gold.strip():
                cut[keeps_result(result, "\n".join(lines[:end]))] += 1
    assert kept[True] / kept.total() >= 0.98
    assert cut.total() > 800
    assert cut[True] / cut.total() <= 0.01


_TEXT = st.text(max_size=300) | st.lists(
    st.sampled_from(
        "The answer is 72 . \\boxed{ } #### $ 3/4 = + - one hundred (A) B) yes no not So , \n"
        " 1,000 50% % 七十 is **72** \\frac{1}{0} 1/0 99:99 30 February 2020".split(" ")
    ),
    max_size=25,
).map(" ".join)


@pytest.mark.e2e  # hundreds of examples take seconds
@settings(max_examples=500, deadline=None)
@given(_TEXT, _TEXT, _TEXT)
def test_nothing_raises_on_odd_text(question: str, answer: str, other: str) -> None:
    result = final_result(question, answer)
    if result is not None:
        assert keeps_result(result, other) in (True, False)


def test_a_text_without_spaces_is_no_short_answer() -> None:
    text = "光合作用是植物利用阳光把二氧化碳和水变成糖和氧气的过程。叶绿素吸收光能，推动这些反应。"
    assert final_result("请用三句话解释光合作用。", text) is None
    short = final_result("中国的首都是哪里？", "北京")
    assert short is not None
    assert keeps_result(short, "中国的首都是北京。")
    assert not keeps_result(short, "中国的首都是上海。")
