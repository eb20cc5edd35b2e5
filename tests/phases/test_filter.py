"""The filter's rules: what must go goes with its reason, what is natural stays."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from places import SHARED

from sysgen_local.core.records import TAGS, Conversation, Phrase, Turn
from sysgen_local.phases.filter import REASONS, Filter, clean

QUALITY = SHARED / "quality"


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
        ("No specific tool is needed.", "empty"),
        ("Here is your mint, enjoy", "addresses_user"),
        ("What do you want to grow?", "addresses_user"),
        ("Use a table with the columns", "unfinished"),
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


@pytest.mark.parametrize(
    ("question", "answer", "phrases"),
    [
        (
            "如何种植薄荷？",
            "把它种在花盆里。",
            ["用简单的语言回答。", "使用 Python 和 JavaScript。"],
        ),
        (
            "ミントの育て方は？",
            "鉢に植えてください。",
            ["簡潔に答えてください。", "スーパーマーケット風に。"],
        ),
        ("민트를 어떻게 키우나요?", "화분에 심으세요.", ["짧고 친절하게 답하세요."]),
        ("كيف أزرع النعناع؟", "ازرعه في وعاء.", ["أجب بلغة بسيطة."]),
        ("Как вырастить мяту?", "Посадите её в горшок.", ["Отвечай кратко и вежливо."]),
        ("पुदीना कैसे उगाएँ?", "इसे गमले में लगाएँ।", ["सरल भाषा में उत्तर दें।"]),
        ("Πώς φυτεύω μέντα;", "Βάλε τη σε γλάστρα.", ["Απάντησε σύντομα και απλά."]),
        ("ปลูกสะระแหน่อย่างไร", "ปลูกในกระถาง", ["ตอบด้วยภาษาง่าย ๆ"]),
        ("Translate 'thank you' into Japanese.", "ありがとう", ["丁寧な言葉で訳してください。"]),
        ("Translate 'good day' into Greek.", "Καλημέρα", ["Χρησιμοποίησε απλή γλώσσα."]),
        ("Translate 'dobryy den' into Russian.", "Добрый день", ["Use a polite form here."]),
        ("把“谢谢你”翻译成英文。", "Thank you very much, my friend.", ["Use a polite form here."]),
    ],
)
def test_a_phrase_in_a_script_of_the_row_is_right(question, answer, phrases):
    assert [reason(text, "style", row(question, answer)) for text in phrases] == [None] * len(
        phrases
    )


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("如何种植薄荷？", "把它种在花盆里。"),
        ("ミントの育て方は？", "鉢に植えてください。"),
        ("민트를 어떻게 키우나요?", "화분에 심으세요."),
        ("كيف أزرع النعناع؟", "ازرعه في وعاء."),
        ("Как вырастить мяту?", "Посадите её в горшок."),
        ("पुदीना कैसे उगाएँ?", "इसे गमले में लगाएँ।"),
        ("Πώς φυτεύω μέντα;", "Βάλε τη σε γλάστρα."),
        ("ปลูกสะระแหน่อย่างไร", "ปลูกในกระถาง"),
    ],
)
def test_another_script_is_wrong(question, answer):
    assert reason("Use simple words here.", "style", row(question, answer)) == "wrong_script"
    assert reason("Գրիր պարզ լեզվով։", "style", row(question, answer)) == "wrong_script"


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


def kept(*phrases: tuple[str, str], conversation: Conversation = MINT) -> list[str]:
    """The tags of the phrases that stay; the others go as near-duplicates."""
    result = clean(conversation, [Phrase(*phrase) for phrase in phrases])
    assert {r.reason for r in result.removed} <= {"near_duplicate"}
    return [phrase.tag for phrase in result.phrases]


@pytest.mark.parametrize(
    ("phrases", "stay"),
    [
        # within a tag the first stays
        ([("style", "Be clear and concise."), ("style", "Use clear, concise language.")], "style"),
        # across tags the one whose text looks like its tag
        ([("style", "Answer in three steps."), ("format", "Use three steps.")], "format"),
        ([("content", "Plan a herb garden."), ("task", "Plan the garden of herbs.")], "task"),
        ([("format", "Use friendly warm tone"), ("style", "Be friendly, warm tone")], "style"),
        ([("style", "You may use a garden map."), ("tool", "You can use garden maps.")], "tool"),
        ([("task", "You are a herb gardener."), ("role", "Act as a herb gardener.")], "role"),
        ([("tool", "The user has a balcony."), ("background", "The user has balconies")],
         "background"),
        # else the earlier tag
        ([("action", "Compare pots with beds."), ("content", "Show a comparison of pot, bed")],
         "content"),
        # a long one of another form is a near-duplicate too; instructions are the more frequent
        ([("content", "Give ways of watering small balcony herb pots."),
          ("background", "The user is watering the small herb pots of a balcony.")], "background"),
        # without spaces
        ([("style", "请用简洁清晰的语言回答。"), ("format", "请使用简洁清晰的语言回答")], "style"),
    ],
)  # fmt: skip
def test_near_duplicates_go_and_the_better_tag_stays(phrases, stay):
    conversation = row("How do I grow mint? 如何种植薄荷？", "Plant it. 把它种在花盆里，保持湿润。")
    assert kept(*phrases, conversation=conversation) == [stay]
    assert kept(*reversed(phrases), conversation=conversation) == [stay]


@pytest.mark.parametrize(
    "phrases",
    [
        [("role", "You are a party planner."), ("task", "Plan the party.")],
        [("role", "You are a garden tool."), ("tool", "You may use a garden tool.")],
        [("style", "Be clear and concise."), ("style", "Be clear and informative.")],
        [("format", "Use three steps."), ("format", "End with a table.")],
        [("task", "Explain the causes."), ("content", "Name the remedies.")],
        [("style", "用简单的语言回答。"), ("format", "用表格列出优点和缺点。")],
    ],
)
def test_what_says_something_else_stays(phrases):
    conversation = row("How do I grow mint? 如何种植薄荷？", "Plant it. 把它种在花盆里，保持湿润。")
    assert len(kept(*phrases, conversation=conversation)) == 2


def test_a_duplicate_stays_under_the_tag_that_it_looks_like():
    map_ = "You may use a map."
    result = clean(MINT, [Phrase("style", map_), Phrase("tool", map_)])
    assert result.phrases == (Phrase("tool", map_),)
    assert [(r.tag, r.reason) for r in result.removed] == [("style", "duplicate")]


SHOWN = (
    "You are an experienced gardener.",
    "You may use a calculator for divisions.",
    "Say how to help plants that wilt.",
    "The user grows vegetables at home.",
    "请根据土壤湿度说明浇水时间。",
)


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("You may use a calculator for divisions.", True),
        ("YOU MAY USE A CALCULATOR, for division!", True),
        ("Show how to help plants that wilt in the sun.", True),
        ("请根据土壤湿度说明浇水时间和方法。", True),
        ("You are an experienced cook.", False),  # says nothing of its own
        ("You may use a map of the garden.", False),
        ("The user grows herbs at home.", False),
        ("请根据温度说明浇水方法。", False),
    ],
)
def test_what_was_shown_is_lifted_unless_the_row_says_it(text, gone):
    def reasons(conversation: Conversation) -> list[str]:
        return [r.reason for r in clean(conversation, [Phrase("task", text)], SHOWN).removed]

    mixed = row("How do I grow mint? 如何种植？", "In a pot. 种在花盆里，保持土壤湿润，常常修剪。")
    assert reasons(mixed) == (["lifted"] if gone else [])
    turns = (*mixed.turns, Turn("user", f"And now: {text} Well? {SHOWN[1]}"), mixed.turns[1])
    assert "lifted" not in reasons(Conversation(turns, 1))
    assert clean(mixed, [Phrase("task", text)]).removed == ()


def test_the_recipe_knows_the_demonstrations():
    assert "demonstrations" not in Filter().facts()
    one, other = (Filter(demonstrations=shown).facts() for shown in (SHOWN, SHOWN[1:]))
    assert one["demonstrations"] != other["demonstrations"]
    assert one["rules"] == Filter().facts()["rules"]


OF_0_1_0 = (
    "You are an experienced gardener.",
    "Find out what is wrong with the user's plants and say how to help them.",
    "Name the likely cause before the remedies.",
    "The user grows vegetables at home in a hot climate.",
    "Give the remedies as short numbered steps.",
    "You are a patient maths tutor.",
    "Show the formula that is used, with its units.",
    "Solve word problems about motion.",
    "Explain in plain words, as to a pupil.",
    "You may use a calculator for divisions.",
    "End with the result in a full sentence.",
)
"""The phrases that the prompt of version 0.1.0 showed to who made the labelled ones."""


def test_of_labelled_phrases_the_good_stay():
    if not (QUALITY / "phrases.jsonl").is_file():
        pytest.skip("phrases.jsonl is not at hand")
    gone: Counter[tuple[str, str]] = Counter()
    for line in (QUALITY / "phrases.jsonl").read_text("utf-8").splitlines():
        of = json.loads(line)
        demonstrations = OF_0_1_0 if of["made_by"].endswith("prompts of 0.1.0") else ()
        conversation = row(of["instruction"], of["answer"])
        result = clean(conversation, [Phrase(of["tag"], of["text"])], demonstrations)
        gone.update((r.reason, of["label"]) for r in result.removed)
    assert gone["addresses_user", "good"] + gone["unfinished", "good"] + gone["empty", "good"] == 0
    assert gone["addresses_user", "none"] + gone["unfinished", "none"] >= 8
    # Those made with these demonstrations, on rows of the same kind, may fit all the same.
    assert gone["lifted", "good"] <= 5 < gone["lifted", "bad"]


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
    after = Counter((p.tag, p.text) for p in result.phrases)
    after.update((p.tag, p.text) for p in result.removed)
    assert before == after
    assert all(r.reason in REASONS for r in result.removed)
    order = [TAGS.index(p.tag) for p in result.phrases]
    assert order == sorted(order)
    assert clean(conversation, result.phrases).phrases == result.phrases
