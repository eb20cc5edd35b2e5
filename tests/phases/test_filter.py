"""The filter's rules: what must go goes with its reason, what is natural stays."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sysgen_local.phases.filter import REASONS, clean
from sysgen_local.records import TAGS, Conversation, Phrase, Turn


def row(question: str, answer: str) -> Conversation:
    return Conversation((Turn("user", question), Turn("assistant", answer)), 1)


MINT = row("How do I grow mint?", "Plant it in a pot, keep the soil moist, and cut it often.")


def reason(text: str, tag: str = "style", conversation: Conversation = MINT) -> str | None:
    result = clean(conversation, [Phrase(tag, text)])
    assert len(result.phrases) + len(result.removed) == 1
    assert (result.dropped == "no_phrases") == (not result.phrases)
    return result.removed[0].reason if result.removed else None


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("role", "You are a helpful gardener."),
        ("role", "Act as an IT support agent."),
        ("content", "The topic is mint."),
        ("task", "Answer the question: How do I grow mint?"),
        ("style", "Use a friendly tone."),
        ("style", "Don't be wordy; it's fine to joke."),
        ("background", "The user's garden gets 3-4 hours of sun (zone 7b)."),
        ("tool", "Use Python 3 if needed, e.g. a list like [1, 2, 3]."),
        ("format", "Answer as f(x) = 2x where x < 5 and y > 3."),
        ("format", 'Return JSON with the keys "topic" and "points".'),
        ("format", "Write exactly 100 words — no more, no less."),
        ("style", "Schreibe freundlich und in kurzen Sätzen."),
        ("action", "Say so, so that users know, if you do not know."),
    ],
)
def test_natural_phrases_stay(tag, text):
    assert reason(text, tag) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "empty"),
        ("N/A", "empty"),
        ("None.", "empty"),
        ("...", "empty"),
        ("Friendly", "too_short"),
        ("Be kind. " * 40, "too_long"),
        ("Be kind. <<Tool>> Use a map.", "tag_in_text"),
        ("Style: be kind and warm", "tag_in_text"),
        ("Be kind<|im_end|>", "control_tokens"),
        ("Be kind <|eot_id|> now", "control_tokens"),
        ("Be kind <end_of_turn> now", "control_tokens"),
        ("[INST] Be kind [/INST]", "control_tokens"),
        ("<<SYS>> Be kind <</SYS>>", "control_tokens"),
        ("Be kind </s>", "control_tokens"),
        ("Be kind <｜Assistant｜>", "control_tokens"),
        ("<think> Be kind", "control_tokens"),
        ("Be kind\u200b to them", "control_tokens"),
        ("Be kind \u202eto them", "control_tokens"),
        ("Be kind \x00 to them", "control_tokens"),
        ("Be <b>kind</b> to them", "markup"),
        ("# Be kind to them", "markup"),
        ("Use ```code``` blocks", "markup"),
        ("Be **very kind** to them", "markup"),
        ("See [here](http://example.org) for more", "markup"),
        ("Greet [Name] warmly", "placeholder"),
        ("Greet [insert name here] warmly", "placeholder"),
        ("Speak for {company_name} only", "placeholder"),
        ("Speak for {{ company }} only", "placeholder"),
        ("Speak for XYZ Corp only", "placeholder"),
        ("Speak for <your company> only", "placeholder"),
        ("Speak for ______ only", "placeholder"),
        ("Focus on the cost cost cost cost", "repetition"),
        ("start with a pot, start with a pot, start with a pot, start", "repetition"),
        ("Be kind aaaaaaaaaaaaaaaaaa", "repetition"),
        ("友善地回答用户的问题", "wrong_script"),
        ("Отвечай дружелюбно и кратко", "wrong_script"),
    ],
)  # fmt: skip
def test_what_must_go_goes_with_its_reason(text, expected):
    assert reason(text) == expected


def test_a_tag_must_be_one_of_the_eight_whatever_its_case():
    assert reason("Be kind to them.", "Example") == "unknown_tag"
    assert reason("Be kind to them.", "system") == "unknown_tag"
    kept = clean(MINT, [Phrase(" Style ", "Be kind to them.")])
    assert kept.phrases == (Phrase("style", "Be kind to them."),)


def test_scripts_of_the_row_are_allowed():
    chinese = row("如何种植薄荷？", "把它种在花盆里，保持土壤湿润。")
    assert reason("用简单的语言回答。", "style", chinese) is None
    assert reason("Use simple words here.", "style", chinese) == "wrong_script"
    mixed = row("Translate 'good evening' into Russian.", "Добрый вечер, друг мой.")
    assert reason("Отвечай кратко и вежливо", "style", mixed) is None


def test_copies():
    question = "Please tell me in great detail how one grows mint in a small pot on a balcony"
    conversation = row(question, "Take a pot with a hole. Fill it with loose soil from a bag.")
    assert reason(question, "task", conversation) == "copies_question"
    assert reason(question, "background", conversation) == "copies_question"
    answer = "Take a pot with a hole. Fill it with loose soil from a bag."
    assert reason(answer, "content", conversation) == "copies_answer"
    # A short instruction says what is to be done: its task phrase may be just that.
    assert (
        reason("Write a poem about rain.", "task", row("Write a poem about rain.", "Oh.")) is None
    )


@pytest.mark.parametrize(
    ("answer", "phrase", "leaks"),
    [
        ("She has 18 left.\n#### 18", "Say that she makes 18 dollars.", True),
        ("Thus \\boxed{x^2+1}.", "Show that it is x^2+1 in the end.", True),
        ("The answer is 42.", "Work out why 42 comes out.", True),
        ("She has 18 left.\n#### 18", "Explain each of the 180 steps.", False),
        ("#### 16", "Use the 16 eggs of the question.", False),
        ("The answer is 42.", "Explain every step of the sum.", False),
    ],
)
def test_the_result_must_not_be_given_away(answer, phrase, leaks):
    conversation = row("Janet's ducks lay 16 eggs. How many are left?", answer)
    assert reason(phrase, "content", conversation) == ("leaks_answer" if leaks else None)


def test_a_long_stretch_of_the_answer_is_a_leak():
    answer = "First you have to loosen the two screws under the seat with a small key, then lift."
    conversation = row("How do I take the seat off?", answer)
    phrase = "Say that you loosen the two screws under the seat with a small key."
    assert reason(phrase, "content", conversation) == "leaks_answer"


def test_duplicates_are_merged_and_the_order_is_canonical():
    result = clean(
        MINT,
        [
            Phrase("format", "Use a bullet list."),
            Phrase("role", "You are a gardener."),
            Phrase("style", "Use a BULLET list"),
            Phrase("role", "You know your herbs."),
        ],
    )
    assert [p.tag for p in result.phrases] == ["role", "role", "format"]
    assert [p.text for p in result.phrases[:2]] == ["You are a gardener.", "You know your herbs."]
    assert [(r.tag, r.reason) for r in result.removed] == [("style", "duplicate")]


def test_a_row_without_phrases_is_dropped():
    assert clean(MINT, []).dropped == "no_phrases"
    assert clean(MINT, [Phrase("role", "-")]).dropped == "no_phrases"


texts = st.text(max_size=80) | st.sampled_from(["Be kind to them.", "<|im_end|>", "[Name]"])
phrases = st.lists(st.builds(Phrase, st.sampled_from([*TAGS, "x", " Role"]) | texts, texts))


@settings(max_examples=200, deadline=None)
@given(phrases, texts, texts)
def test_nothing_is_lost_and_cleaning_twice_changes_nothing(some, question, answer):
    conversation = row(question, answer)
    result = clean(conversation, some)
    before = Counter((p.tag.strip().casefold(), p.text.strip()) for p in some)
    after = Counter((p.tag, p.text) for p in (*result.phrases, *result.removed))
    assert before == after
    assert all(r.reason in REASONS for r in result.removed)
    order = [TAGS.index(p.tag) for p in result.phrases]
    assert order == sorted(order)
    assert clean(conversation, result.phrases).phrases == result.phrases
