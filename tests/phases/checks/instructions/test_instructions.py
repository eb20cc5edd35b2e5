"""How instructions are read, and what is no instruction."""

import pytest

from sysgen_local.phases.checks.instructions import kinds, multi_if, sentences, tokens
from sysgen_local.phases.checks.instructions.kwargs import UnreadableError


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("keywords:key_sentences", {}, "'keywords:key_sentences' is no kind of instruction"),
        ("length_constraints:number_words", {"num_words": 9}, "relation is missing"),
        ("length_constraints:number_words", {"num_words": None, "relation": "at least"},
         "num_words is missing, which the reference draws at random"),
        ("length_constraints:number_words", {"num_words": "9", "relation": "at least"},
         "num_words is '9', and no number"),
        ("length_constraints:number_words", {"num_words": True, "relation": "at least"},
         "num_words is True, and no number"),
        ("length_constraints:number_words", {"num_words": -1, "relation": "at least"},
         "num_words is -1, and no number"),
        ("length_constraints:number_words", {"num_words": 9, "relation": "at most"},
         "relation is 'at most': less than or at least is known"),
        ("punctuation:no_comma", {"num_words": 9}, "num_words is no parameter of it"),
        ("keywords:existence", {"keywords": "one"}, "keywords is 'one', and no list"),
        ("keywords:existence", {"keywords": ["[draft"]}, "and it is none"),
        ("keywords:existence", {"keywords": ["(a+)+b"]}, "may take too long"),
        ("keywords:existence", {"keywords": [7]}, "keywords is 7, and no text"),
        ("keywords:letter_frequency",
         {"letter": "ab", "let_frequency": 1, "let_relation": "at least"}, "no single letter"),
        ("language:response_language", {"language": "tlh"}, "a language that no rule can tell"),
        ("length_constraints:nth_paragraph_first_word",
         {"num_paragraphs": 2, "nth_paragraph": 3, "first_word": "a"}, "nth_paragraph is 3"),
        ("startend:end_checker", {"end_phrase": ["x"]}, "end_phrase is ['x'], and no text"),
    ],
)  # fmt: skip
def test_what_cannot_be_checked_says_why(name, given, says):
    with pytest.raises(UnreadableError) as error:
        kinds.rule_of(name, given)
    assert says in str(error.value)


def test_null_parameters_are_left_out_as_the_published_file_has_them():
    rule = kinds.rule_of("punctuation:no_comma", {"num_words": None, "keywords": None})
    assert rule("none")
    assert not rule("one, two")


def test_a_number_that_went_through_a_table_is_a_number():
    assert kinds.rule_of("detectable_format:number_bullet_lists", {"num_bullets": 2.0})("* a\n* b")


def test_an_empty_answer_follows_nothing_not_even_what_it_does_not_break():
    rules = [kinds.rule_of("punctuation:no_comma", {})]
    assert kinds.strict(" \n", rules) == kinds.loose("", rules) == (False,)


def test_the_eight_readings_of_the_loose_score():
    assert kinds.variants("Sure!\n*one*\nBye") == (
        "Sure!\n*one*\nBye", "*one*\nBye", "Sure!\n*one*", "*one*",
        "Sure!\none\nBye", "one\nBye", "Sure!\none", "one",
    )  # fmt: skip


@pytest.mark.parametrize("name", kinds.KINDS)
def test_every_kind_says_what_the_reference_gets_wrong(name):
    assert kinds.KINDS[name].known_fault
    assert multi_if.KINDS[name].known_fault


def test_an_answer_in_thai_has_no_count_in_multi_if():
    rule = kinds.rule_of(
        "length_constraints:number_words", {"num_words": 3, "relation": "at least"}, multi_if.KINDS
    )
    with pytest.raises(multi_if.NoRuleError, match="no rule counts words in Thai"):
        rule("หลังฝนตก น้ำในแม่น้ำสูงมาก และไม่มีใครในหมู่บ้านข้ามได้ตลอดสามวัน")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Dr. Lee came at 5 p.m. The shop was shut.",
         ["Dr. Lee came at 5 p.m.", "The shop was shut."]),
        ("Take fruit, e.g. apples.", ["Take fruit, e.g.", "apples."]),
        ("1. Apples\n2. Pears", ["1.", "Apples\n2.", "Pears"]),
        ("Wait... The end. It was in 1999. we", ["Wait...", "The end.", "It was in 1999. we"]),
        ('"Stop!" She ran. (He did not.) Then', ['"Stop!"', "She ran.", "(He did not.)", "Then"]),
        ("J. Bach and the U.S. Senate met.", ["J. Bach and the U.S. Senate met."]),
        ("No end", ["No end"]),
        ("", []),
    ],
)  # fmt: skip
def test_sentences_are_split_as_punkt_splits_them(text, parts):
    assert sentences.split(text) == parts


def test_words_are_split_as_in_the_penn_treebank():
    text = "I CAN'T say: the U.S. and A-B, \"OK\"... CANNOT. NASA's END."
    assert [word for word in tokens.words(text) if word.isupper()] == [
        "I", "CA", "N'T", "U.S.", "A-B", "OK", "CAN", "NOT", "NASA", "END",
    ]  # fmt: skip
