import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysgen_local.core.records import TAGS, Phrase
from sysgen_local.phases.tags import (
    LONGEST,
    SCHEMA,
    parse_any,
    parse_json,
    parse_tagged,
    schema_in,
)


def test_json_of_the_grammar():
    text = '[{"tag":"role","text":" You are a cook. "},{"tag":"format","text":""}]'
    assert parse_json(text) == (Phrase("role", "You are a cook."), Phrase("format", ""))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '[{"tag":"Role","text":"x"}]',
        '[{"tag":"role"}]',
        '[{"tag":"role","text":"x","more":1}]',
        '[{"tag":"role","text":"x"}',
        json.dumps([{"tag": "role", "text": "x" * (LONGEST + 1)}]),
        json.dumps([{"tag": "role", "text": "x"}] * 13),
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match="not a list of phrases"):
        parse_json(text)


def test_the_schema_says_the_same():
    item = SCHEMA["$defs"]["_Phrase"]
    assert item["properties"]["tag"]["enum"] == list(TAGS)
    assert item["properties"]["text"]["maxLength"] == LONGEST
    assert (SCHEMA["minItems"], SCHEMA["maxItems"]) == (1, 12)


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        (
            "<<Role>> You are a cook. <<Format>> Use a list.",
            [("role", "You are a cook."), ("format", "Use a list.")],
        ),
        ("<<role>>: Cook.\n<<STYLE>>Be brief.", [("role", "Cook."), ("style", "Be brief.")]),
        ("<<Role>>You cook.<</Role>> and <<Tool>> a pan", [("role", "You cook."), ("", "and"),
                                                           ("tool", "a pan")]),
        ("Here you go: << Task >> Cook.", [("", "Here you go:"), ("task", "Cook.")]),
        ("<<Example>> Something.", [("example", "Something.")]),
        ("<<Role>>", [("role", "")]),
        ("no tag at all", [("", "no tag at all")]),
        ("", []),
        ("1 << 2 >> 0", [("", "1 << 2 >> 0")]),
    ],
)  # fmt: skip
def test_the_papers_form(text, phrases):
    assert [(p.tag, p.text) for p in parse_tagged(text)] == phrases


def test_either_form():
    assert parse_any('[{"tag":"System","text":"x"}]') == (Phrase("system", "x"),)
    assert parse_any("<<Role>> x") == (Phrase("role", "x"),)


@given(st.text())
def test_no_text_is_too_odd(text):
    parse_any(text)


@pytest.mark.parametrize(
    ("code", "text", "taken"),
    [
        ("hi", "आप एक शिक्षक हैं।", True),
        ("hi", "You are a teacher.", False),
        ("ja", "あなたは教師です。", True),
        ("ko", "당신은 교사입니다.", True),
        ("ko", "あなたは教師です。", False),
        ("ar", "أنت معلّم.", True),
        ("ru", "Ты учитель в школе N 5.", True),
        ("ru", "Du bist Lehrer.", False),
    ],
)
def test_phrases_begin_in_the_script_of_the_language(code: str, text: str, taken: bool) -> None:
    from llguidance import LLMatcher, LLTokenizer

    from sysgen_local.core.language import script_for
    from sysgen_local.core.scripts import LETTERS

    letters = LETTERS[script_for(code) or ""]
    tokenizer = LLTokenizer("byte")
    grammar = LLMatcher.grammar_from_json_schema(
        json.dumps(schema_in(letters)),
        overrides={"whitespace_flexible": False, "item_separator": ",", "key_separator": ":"},
    )
    matcher = LLMatcher(tokenizer, grammar)
    assert not matcher.is_error(), matcher.get_error()
    written = json.dumps([{"tag": "role", "text": text}], ensure_ascii=False, separators=(",", ":"))
    tokens = tokenizer.tokenize_str(written)
    assert (matcher.try_consume_tokens(tokens) == len(tokens)) is taken


def test_a_script_has_letters_for_every_language_that_needs_them() -> None:
    from sysgen_local.core.language import NAMES, script_for
    from sysgen_local.core.scripts import LETTERS

    scripts = {code: script_for(code) for code in NAMES}
    assert {code for code, script in scripts.items() if script is None} <= {"en", "bs", "la", "mt"}
    assert {script for script in scripts.values() if script} - {"LATIN"} <= LETTERS.keys()
