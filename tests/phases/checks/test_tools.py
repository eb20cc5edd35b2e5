"""Claims that a tool was run."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sysgen_local.phases.checks.tools import claimed_tool_output


@pytest.mark.parametrize(
    "claim",
    [
        "I searched the web and found three hotels.",
        "I've just looked it up on Wikipedia.",
        "After searching the internet, here is the latest news.",
        "My search results show that it opens at nine.",
        "According to my calculator, 180 / 2.5 is 72.",
        "The calculator shows 72.",
        "I used a calculator to divide 180 by 2.5.",
        "I have run the code and the output was 15.",
        "When I executed the script, it printed 15.",
        "The output indicates that Lily found 15 insects.",
        "I have checked our system and your order is on its way.",
        "Ich habe im Internet nachgesehen.",
        "J'ai cherché sur Internet.",
        "He buscado en internet.",
        "根据搜索结果，北京今天晴。",
    ],
)
def test_a_claim_is_found(claim: str) -> None:
    assert claimed_tool_output(f"Good question. {claim} I hope that helps.") == [claim]


@pytest.mark.parametrize(
    "text",
    [
        "I cannot search the web, but this is what I know.",
        "You can use a calculator to check it.",
        "If I searched the web, I would find it.",
        '"I googled it," she said.',
        "Using the formula, we get 72.",
        "The API returns a JSON object.",
        "After running the code, you will see 15.",
        "The output of the function is 15.",
        "I ran to the store.",
        "I have tested this recipe and it works.",
        "We searched for the missing cat.",
        "I found the recipe in an old book.",
        "Search for the nearest pharmacy.",
        "```python\n# I searched the web\nprint(1)\n```",
        "```python\nprint(1)\n```\nIt prints:\n```output\n1\n```",
        "",
    ],
)
def test_no_claim(text: str) -> None:
    assert claimed_tool_output(text) == []


def test_output_of_code_from_which_a_result_is_drawn() -> None:
    answer = "```python\nprint(7 + 8)\n```\n```output\n15\n```\nSo it is \\(\\boxed{15}\\)."
    assert claimed_tool_output(answer) == ["A block shows the output of code that was not run."]


def test_markup_of_tools() -> None:
    assert claimed_tool_output("<tool_response>15</tool_response>")
    assert claimed_tool_output("Search results: three hotels") == ["Search results:"]


@settings(deadline=None)  # the first call loads the language model
@given(st.text(max_size=300))
def test_nothing_raises_on_odd_text(text: str) -> None:
    assert isinstance(claimed_tool_output(text), list)
