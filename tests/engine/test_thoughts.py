"""A thought, of whatever family, is no part of an answer."""

from __future__ import annotations

import pytest

from sysgen_local.core.thoughts import FAMILIES, ending, holds_ended_thought, parse_reply

ANSWER = "Four.\n\nIt is twice two."
THOUGHTS = [
    "<think>\nTwice two.\n</think>\n\n",
    "<think></think>",
    "\n<think>a</think>\n<think>b</think>\n",
    "<seed:think>Twice two.</seed:think>",
    "<mm:think>Twice two.</mm:think>",
    "<think:opensource>Twice two.</think:opensource>",
    "<thinking>Twice two.</thinking>\n",
    "[THINK]Twice two.[/THINK]",
    "<|START_THINKING|>Twice two.<|END_THINKING|><|START_RESPONSE|>",
    "<|channel>thought\nTwice two.<channel|>",
    "<|inner_prefix|>Twice two.<|inner_suffix|>",
    "<|think|>Twice two.<|end|><|begin|>assistant<|content|>",
    "<|open|>think<|sep|>Twice two.<|close|>think<|sep|><|open|>response<|sep|>",
    "<|channel|>analysis<|message|>Twice two.<|end|><|start|>assistant<|channel|>final<|message|>",
    "analysisTwice two.assistantfinal",
    "analysisTwice two.assistantcommentary to=x {}assistantfinal",
    "AnalysisTwice two.AssistantFinal",
    "ANALYSISTwice two.ASSISTANTFINAL",
    "analysisuser asks. Twice two.assistantfinal",
    "analysis**Plan**: Twice two.assistantfinal",
    'analysis"Twice two." says it.assistantfinal',
    "analysis1 and 1. Twice two.assistantfinal",
    "CommentaryTwice two.assistantFinal",
    "Here are my reasoning steps:\n1. Twice two.\n[BEGIN FINAL RESPONSE]\n",
    "Here is my thought process:\nTwice two.\n\nHere is my response:\n",
    # Where the prompt began the thought:
    "Twice two.\n</think>\n\n",
    "Twice two.</seed:think>\n",
    "Twice two.<|END_THINKING|>",
]


@pytest.mark.parametrize("thought", THOUGHTS)
def test_the_answer_stands_behind_the_thought(thought):
    answer, taken, is_open = parse_reply(thought + ANSWER)
    assert answer == ANSWER
    said = {"<think></think>": "", "\n<think>a</think>\n<think>b</think>\n": "a\n\nb"}
    assert said.get(thought, "Twice two.") in taken
    assert not any(mark in taken for mark in ("<think", "[THINK", "<|START", "[BEGIN"))
    assert not is_open


@pytest.mark.parametrize("family", FAMILIES)
def test_a_thought_that_never_ends_is_no_answer(family):
    assert parse_reply(f"{family.begin} Twice two makes") == (
        "",
        f"{family.begin} Twice two makes",
        True,
    )


@pytest.mark.parametrize(
    "text",
    [
        "Four.",
        "",
        "Analysis of the case shows four.",
        "analysis shows four.",
        "Analysis",
        "Analysis paralysis is a state of overthinking.",
        "Analysis: the sum is four.",
        "Analysis\n\nWe need two twos.",
        "Analysis - we need two twos.",
        "analysisParalysis",
        "analysisParalysis is how the hashtag is written. We need no blank.",
        "AnalysisResult holds what the user asks for.",
        "analysisResult = analyse(data)",
        "analysisUser is the name of the account.",
        "analysis_the_user = 4",
        "Analysis's aim: the word assistantfinal is a marker.",
        "Analysis: the word assistantfinal is a marker.",
        "Analysis of assistantfinal and assistantcommentary.",
        "Analysis/synthesis: the user wants both.",
        "Commentary: four.",
        "The tag <think> begins a thought, and </think> ends it.",
        "Use `</think>` here.",
        "<response>\n  <code>4</code>\n</response>",
        "<|x|> is an operator.",
        "Write [/THINK] behind it.",
        "I think that it is four.",
    ],
)
def test_a_text_that_holds_no_thought_stays_as_it_is(text):
    assert parse_reply(text) == (text, "", False)


@pytest.mark.parametrize("word", ["analysis", "Analysis", "ANALYSIS", "\n analysis"])
@pytest.mark.parametrize(
    "thought",
    [
        "We need to add.",
        "The user asks for two and two.",
        "User asks: 2+2?",
        "User is asking for a sum.",
        "User's question is a sum",
        "Let's add.",
        "Need to add",
        "I should add. It's four.",
        "Okay, a sum.",
        "This is a sum.",
        "we need to add.",
        "So we",
        "We",
        "Sum.assistantcommentary to=functions.add {}",
        "Sum.assistantanalysis",
    ],
)
def test_a_channel_of_thoughts_that_no_final_one_follows_is_no_answer(word, thought):
    assert parse_reply(word + thought) == ("", word + thought, True)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_ends_a_thought_that_a_prompt_has_begun(family):
    assert ending(f"<turn>{family.begin}") == family.end
    assert ending(f"<turn>{family.begin}\n{family.end}") is None
    assert holds_ended_thought(f"{family.begin}{family.end}")
    assert not holds_ended_thought(family.begin)
    assert not holds_ended_thought("<|im_start|>assistant\n")
