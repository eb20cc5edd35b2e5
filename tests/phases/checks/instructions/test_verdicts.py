"""The verdicts of the rules are those of the authors' code, as tests/data/ifeval has them."""

import json
from functools import cache
from pathlib import Path

import pytest

from sysgen_local.phases.checks.instructions import kinds, multi_if, whole

DATA = Path(__file__).parents[3] / "data/ifeval/verdicts.json"
BY_LANGUAGE = {
    "language:response_language", "change_case:english_capital", "change_case:english_lowercase",
}  # fmt: skip


@cache
def stored():
    return json.loads(DATA.read_text("utf-8"))


def cases(key="cases"):
    return [pytest.param(case, id=f"{case['id']} {case['kwargs']}") for case in stored()[key]]


def digits(verdicts):
    return "".join("01"[met] for met in verdicts)


def test_every_kind_but_those_of_a_language_is_compared():
    assert {case["id"] for case in stored()["cases"]} == kinds.KINDS.keys() - BY_LANGUAGE
    assert len(kinds.KINDS) == 25
    for case in stored()["cases"]:
        assert {"0", "1"} <= set(case["strict"]), case  # a rule that says always the same fails


@pytest.mark.parametrize("case", cases())
def test_the_verdicts_are_those_of_the_reference(case):
    rules = [kinds.rule_of(case["id"], case["kwargs"])]
    texts = stored()["texts"]
    assert digits(kinds.strict(text, rules)[0] for text in texts) == case["strict"]
    assert digits(kinds.loose(text, rules)[0] for text in texts) == case["loose"]


@pytest.mark.parametrize("case", cases("multi_if_cases"))
def test_the_verdicts_of_multi_if_are_those_of_its_authors(case):
    rules = [kinds.rule_of(case["id"], case["kwargs"], multi_if.KINDS)]
    texts = stored()["multi_if_texts"]
    assert digits(kinds.strict(text, rules)[0] for text in texts) == case["strict"]


def test_the_language_is_told_as_langdetect_does_but_for_two_texts_in_capitals():
    differ = {
        of["text"]: (of["langdetect"], found)
        for of in stored()["languages"]
        if (found := whole.detected(of["text"])) != of["langdetect"].split("-")[0]
    }
    assert len(stored()["languages"]) > 40
    assert all(text.isupper() for text in differ)
    assert sorted(differ.values()) == [("de", "en"), ("pt", "es")]  # here langdetect errs


@pytest.mark.parametrize("of", stored()["languages"], ids=lambda of: of["text"][:20])
def test_an_answer_in_a_language(of):
    code = whole.detected(of["text"])
    [asked] = kinds.strict(
        of["text"], [kinds.rule_of("language:response_language", {"language": code})]
    )
    assert asked
    other = "fr" if code != "fr" else "de"
    rules = [
        kinds.rule_of("language:response_language", {"language": other}),
        kinds.rule_of("change_case:english_capital", {}),
        kinds.rule_of("change_case:english_lowercase", {}),
    ]
    text = of["text"]
    assert kinds.strict(text, rules) == (
        False,
        code == "en" and text.isupper(),
        code == "en" and text.islower(),
    )


def test_the_reference_itself_says_the_same_where_it_is_installed():
    utils = pytest.importorskip(
        "lm_eval.tasks.ifeval.utils", reason="lm-eval with its extra ifeval is not installed"
    )
    nltk = pytest.importorskip("nltk")
    try:
        nltk.data.find("tokenizers/punkt_tab")
    except LookupError:
        pytest.skip("the Punkt model of NLTK is not downloaded")
    for case in stored()["cases"]:
        item = utils.InputExample(1, [case["id"]], "", [case["kwargs"]])
        for text, strict, loose in zip(
            stored()["texts"], case["strict"], case["loose"], strict=True
        ):
            found = [
                of(item, text).follow_instruction_list[0]
                for of in (
                    utils.test_instruction_following_strict,
                    utils.test_instruction_following_loose,
                )
            ]
            assert digits(found) == strict + loose, (case, text)
