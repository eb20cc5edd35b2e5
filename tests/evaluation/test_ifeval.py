"""IFEval and Multi-IF: their files, the grades of answers, and their accuracies."""

from __future__ import annotations

import json

import pytest
from instructed import NO_COMMA, SHORT, TITLE, graded, ifeval, multi_if, write_csv
from places import ROOT
from questions import dialogue, instance, obey, write

from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.core.intervals import compare
from sysgen_local.evaluation.benchmarks.benchmark import load
from sysgen_local.evaluation.benchmarks.by_instruction import NO_RULE, UNREADABLE, unreadable
from sysgen_local.evaluation.benchmarks.instructions import ACCURACIES
from sysgen_local.evaluation.benchmarks.questions import QuestionRecord
from sysgen_local.phases.checks.instructions.kinds import KINDS
from sysgen_local.store.evaluation import Answered

THAI = "หลังฝนตก น้ำในแม่น้ำสูงมาก และไม่มีใครในหมู่บ้านข้ามได้ตลอดสามวัน"


def test_the_accuracies_are_those_of_the_authors(tmp_path):
    file = write(tmp_path / "input_data.jsonl", [ifeval(1), ifeval(2), ifeval(3, TITLE)])
    benchmark = load("ifeval", file)
    records = graded(benchmark, "Hello guest", "Sure, here it is:\nHello guest", "<<x>>")
    scores = benchmark.score(records)
    # strict: both, neither (a comma, and 7 words), 1 of 1; loose: the first line may go
    assert [scores[name] for name in ACCURACIES] == [2 / 3, 3 / 5, 1.0, 1.0]
    assert scores["kinds"]["punctuation:no_comma"] == {
        "of": 2, "strict": 1, "loose": 2, "known_fault": KINDS["punctuation:no_comma"].known_fault
    }  # fmt: skip
    assert [*scores["kinds"]] == ["length_constraints:number_words", TITLE[0], NO_COMMA[0]]
    assert scores["counts"] == {
        "prompts": 3, "instructions": 5, "prompts_strict": 2, "instructions_strict": 3,
        "prompts_loose": 3, "instructions_loose": 5, "empty": 0,
    }  # fmt: skip
    assert scores["questions"]["judged"] == 3


def test_an_empty_answer_is_failed_and_no_error(tmp_path):
    benchmark = load("ifeval", write(tmp_path / "a.jsonl", [ifeval(1)]))
    scores = benchmark.score(graded(benchmark, ""))
    assert [scores[name] for name in ACCURACIES] == [0.0] * 4
    assert scores["counts"]["empty"] == scores["questions"]["judged"] == 1


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"instruction_id_list": ["keywords:rhyme", SHORT[0]]}, "'keywords:rhyme' is no kind"),
        ({"kwargs": [{}, {"num_words": 5}]}, "number_words: relation is missing"),
        ({"kwargs": [{}, {"num_words": "5", "relation": "at least"}]}, "num_words is '5'"),
        ({"kwargs": [{}]}, "it has 2 instructions and 1 kwargs"),
        ({"kwargs": [{}, "none"]}, "kwargs are 'none', and no object"),
        ({"instruction_id_list": [], "kwargs": []}, "the prompt has no instruction"),
    ],
)
def test_an_item_that_no_rule_can_grade_is_named_and_counted(tmp_path, changed, why):
    file = write(tmp_path / "a.jsonl", [ifeval(1), ifeval(2, **changed)])
    benchmark = load("ifeval", file)
    scores = benchmark.score(graded(benchmark, "Hello", "Hello"))
    assert scores["prompt_level_strict_acc"] == 1.0
    assert scores["questions"] == {
        "all": 2, "judged": 1, "failed": {UNREADABLE: 1}, "pending": 0, "answers_cut_off": 0
    }  # fmt: skip
    [named] = scores["ungraded"]
    assert (named["id"], named["reason"]) == ("2", UNREADABLE)
    assert why in named["why"]


def test_a_file_of_such_items_alone_is_refused_before_the_model_is_loaded(tmp_path):
    file = write(tmp_path / "a.jsonl", [ifeval(1, ("x:y", {}))])
    with pytest.raises(UsageError, match=r"no item of .* can be graded; the first: 'x:y'"):
        load("ifeval", file)


@pytest.mark.parametrize(
    ("name", "value", "other"),
    [
        ("ifeval", obey(1), "own"),
        ("ifeval", dialogue(1), "sysbench"),
        ("ifeval", multi_if("a"), "multi-if"),
        ("multi-if", ifeval(1), "ifeval"),
        ("own", ifeval(1), "ifeval"),
        ("sysbench", instance(1), "multifacet"),
        ("multifacet", ifeval(1), "ifeval"),
    ],
)
def test_a_file_of_another_benchmark_says_of_which(tmp_path, name, value, other):
    file = write(tmp_path / "a.jsonl", [value])
    with pytest.raises(UsageError) as error:
        load(name, file)
    assert str(error.value).startswith(f"{file} is no file of {name}: it looks like one of {other}")
    assert error.value.hint == f"sysgen evaluate {other} {file}"


def test_a_csv_of_multi_if_is_no_file_of_iheval(tmp_path):
    file = write_csv(tmp_path / "a.csv", [multi_if("a")])
    with pytest.raises(UsageError, match=r"looks like one of multi-if"):
        load("iheval", file)


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("ifeval", "https://huggingface.co/datasets/google/IFEval"),
        ("multi-if", "https://huggingface.co/datasets/facebook/Multi-IF"),
        ("iheval", "https://github.com/ytyz1307zzh/IHEval"),
    ],
)
def test_a_file_that_is_not_there_says_where_it_is_published(tmp_path, name, where):
    with pytest.raises(UsageError) as error:
        load(name, tmp_path / "none.csv")
    assert "is not there" in str(error.value)
    assert where in (error.value.hint or "")


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"key": 2}, "prompt: Field required"),
        (ifeval(2, prompt=""), "prompt: String should have at least 1 character"),
        (ifeval(2, instruction_id_list="x"), "instruction_id_list: Input should be a valid list"),
        (ifeval(1), "item 1 is there already"),
        ("x", "should be a valid dictionary"),
    ],
)
def test_a_line_without_the_layout_is_named(tmp_path, bad, says):
    file = write(tmp_path / "a.jsonl", [ifeval(1), bad])
    with pytest.raises(UsageError) as error:
        load("ifeval", file)
    assert f"{file}, line 2: " in str(error.value)
    assert says in str(error.value)


def test_the_items_of_examples_can_be_graded_and_have_every_kind():
    items = load("ifeval", ROOT / "examples/ifeval.jsonl").questions
    assert len(items) == 40
    assert [why for item in items if (why := unreadable(item))] == []
    assert {of.name for item in items for of in item.turns[0].instructions} == KINDS.keys()


def test_two_models_are_compared_by_the_same_questions(tmp_path):
    file = write(tmp_path / "a.jsonl", [ifeval(n) for n in range(1, 41)])
    benchmark = load("ifeval", file)
    bad = benchmark.judged(graded(benchmark, *["Well, hello"] * 40))
    good = benchmark.judged(graded(benchmark, *["Hello"] * 30, *["Well, hello"] * 10))
    found = compare(benchmark.units([*bad.values()]), benchmark.units([*good.values()]))
    assert [*found] == [*ACCURACIES]
    prompt = found["prompt_level_strict_acc"]
    assert (prompt.before, prompt.after) == (0.0, 0.75)
    assert 0.5 < prompt.low < 0.75 < prompt.high < 0.95
    assert found["inst_level_strict_acc"].before == 0.5


# Multi-IF


def test_multi_if_is_scored_by_turn_and_language(tmp_path):
    rows = [multi_if("a"), multi_if("b", [NO_COMMA], [TITLE], language="French")]
    benchmark = load("multi-if", write_csv(tmp_path / "multi.csv", rows))
    assert [len(item.users) for item in benchmark.questions] == [3, 2]
    assert benchmark.questions[0].users[0] == "Say hello, turn 1."
    records = graded(benchmark, ("Hello", "Well, hello", "Hello"), ("Salut, toi", "<<x>>"))
    scores = benchmark.score(records)
    first = scores["turns"]["1"]
    assert first["all_languages"]["overall"] == 0.5
    assert first["English"] == dict.fromkeys([*ACCURACIES, "overall"], 1.0) | {"prompts": 1}
    assert first["French"]["overall"] == 0.0
    second = scores["turns"]["2"]["all_languages"]  # 1 of 2 prompts, 2 of 3 instructions
    assert second["overall"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert scores["turns"]["3"]["all_languages"]["inst_level_strict_acc"] == 2 / 3
    assert "French" not in scores["turns"]["3"]
    assert benchmark.summary(scores) == {
        "turn 1": 0.5, "turn 2": second["overall"], "turn 3": (0 + 2 / 3) / 2
    }  # fmt: skip
    units = benchmark.units([*benchmark.judged(records).values()])
    for metric, value in benchmark.summary(scores).items():
        part, whole = (sum(of) for of in zip(*units[metric], strict=True))
        assert part / whole == pytest.approx(value)


def test_jsonl_with_the_same_keys_is_the_same(tmp_path):
    rows = [multi_if("a"), multi_if("b", [NO_COMMA])]
    table = load("multi-if", write_csv(tmp_path / "a.csv", rows))
    lines = load("multi-if", write(tmp_path / "a.jsonl", rows))
    assert table.questions == lines.questions


def test_a_language_without_a_rule_is_named(tmp_path):
    rows = [multi_if("a"), multi_if("th", [SHORT], language="Thai")]
    benchmark = load("multi-if", write_csv(tmp_path / "a.csv", rows))
    scores = benchmark.score(graded(benchmark, ("Hello",) * 3, (THAI,)))
    assert scores["questions"]["failed"] == {NO_RULE: 1}
    assert scores["ungraded"] == [
        {"id": "th", "reason": NO_RULE, "why": "no rule counts words in Thai"}
    ]


def test_chinese_words_are_counted_by_the_character(tmp_path):
    short = [("length_constraints:number_words", {"num_words": 6, "relation": "less than"})]
    benchmark = load("multi-if", write_csv(tmp_path / "a.csv", [multi_if("zh", short)]))
    [record] = graded(benchmark, ("雨后河水很高，村里没有人能过河。",))
    assert record.judged.marks == (("no",), ("no",), ())
    assert record.judged.reasons == (short[0][0], short[0][0], "")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"turn_2_kwargs": "[{]"}, "turn 2: its instructions or kwargs are no JSON list"),
        ({"turn_2_kwargs": '["{}"]'}, "turn 2: it has 2 instructions and 1 kwargs"),
        ({"turn_2_kwargs": '["{}", "{\\"num_words\\": 3}"]'}, "relation is missing"),
        ({"turn_1_instruction_id_list": '["a:b"]'}, "'a:b' is no kind of instruction"),
    ],
)
def test_a_dialogue_that_no_rule_can_grade_is_named(tmp_path, changed, why):
    rows = [multi_if("a"), multi_if("b", **changed)]
    benchmark = load("multi-if", write_csv(tmp_path / "a.csv", rows))
    scores = benchmark.score(graded(benchmark, ("Hi",) * 3, ("Hi",) * 3))
    assert scores["questions"]["failed"] == {UNREADABLE: 1}
    assert why in scores["ungraded"][0]["why"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("key,language\n1,English\n", "turn_1_prompt is missing"),
        ("key,language,turn_1_prompt\n1,English\n", "not as many fields"),
        ("key,language,turn_1_prompt\n1,English,hello\n", "turn 1: the prompt is no JSON"),
        ("key,language,turn_1_prompt\n1,English,None\n", "turn_1_prompt holds no prompt"),
        ("", "holds no dialogue"),
        ('key,"langu', "no CSV"),
    ],
)
def test_a_csv_without_the_layout_says_so(tmp_path, text, says):
    file = tmp_path / "a.csv"
    file.write_text(text)
    with pytest.raises(UsageError, match=says):
        load("multi-if", file)


def test_no_answer_at_all_is_an_error_with_the_reason(tmp_path):
    benchmark = load("ifeval", write(tmp_path / "a.jsonl", [ifeval(1)]))
    record = QuestionRecord(1, benchmark.questions[0], Answered(("why",), ("failed",), "failed"))
    with pytest.raises(SysgenError, match=r"no question of .* was judged: answer_failed 1"):
        benchmark.score([record])


def test_the_published_keys_are_read_as_they_are_published(tmp_path):
    """Every parameter in every item, null where it is of another kind."""
    null = dict.fromkeys(("num_words", "relation", "keywords", "letter", "language"))
    file = tmp_path / "a.jsonl"
    item = ifeval(1000, ("punctuation:no_comma", null), (SHORT[0], null | SHORT[1]))
    file.write_text(json.dumps(item) + "\n")
    [question] = load("ifeval", file).questions
    assert unreadable(question) is None
    assert question.id == "1000"
