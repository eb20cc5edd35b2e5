"""What is counted of new answers, of the checks, and of languages."""

from __future__ import annotations

import pytest

from benchmarks.quality.answers import checks, countable, results
from benchmarks.quality.figures import Share
from benchmarks.quality.languages import languages
from sysgen_local.core.records import (
    Attempt,
    Check,
    Checked,
    Conversation,
    Responded,
    Row,
    Turn,
    Verified,
)


def row_of(
    number: int,
    asked: str,
    original: str,
    new: str | None = None,
    *,
    system: str | None = None,
    checked: Checked | None = None,
) -> Row:
    turns = (Turn("user", asked), Turn("assistant", original))
    return Row(
        number,
        Conversation(turns, number),
        verified=Verified((), system),
        responded=None if new is None else Responded((turns[0], Turn("assistant", new))),
        checked=checked,
    )


APPLES = "Tom has 3 apples and buys 4 more. How many apples does he have?"
SUM = "He has 3 + 4 = 7 apples.\n#### 7"


def test_results_that_new_answers_keep():
    better = (Turn("user", APPLES), Turn("assistant", "He ends up with 7 apples."))
    rows = [
        row_of(1, APPLES, SUM, "Tom has 7 apples."),
        row_of(2, APPLES, SUM, "Tom has 12 apples."),
        row_of(3, APPLES, SUM, "Tom has 9 apples.", checked=Checked(turns=better, tries=2)),
        row_of(4, APPLES, SUM),
        row_of(5, "Write a poem about the sea.", "The sea is wide,\nthe sea is deep.", "Waves."),
    ]
    found = results(rows, {1, 2, 3, 5})
    assert found["rows_with_a_checkable_result"] == Share(4, 5)
    assert found["of_these_final"] == Share(3, 4)
    assert found["final_with_another_result"] == Share(1, 3)
    assert found["kept_by_kind"] == {"number": Share(2, 3)}


def test_a_row_of_several_turns_must_keep_all_its_results():
    def turns(first: str, second: str) -> tuple[Turn, ...]:
        return (
            Turn("user", APPLES), Turn("assistant", first),
            Turn("user", "What is 10 + 5?"), Turn("assistant", second),
        )  # fmt: skip

    conversation = Conversation(turns(SUM, "10 + 5 = 15.\n#### 15"), 1)
    answers = Responded(turns("He has 7 apples.", "It is 16."))
    row = Row(1, conversation, verified=Verified((), "Be kind."), responded=answers)
    found = results([row], {1})
    assert found["final_with_another_result"] == Share(1, 1)
    assert found["kept_by_kind"] == {"number": Share(1, 2)}
    only_first = results([row], {1}, first_only=True)
    assert only_first["final_with_another_result"] == Share(0, 1)


def test_countable_phrases_that_answers_obey():
    def row(number: int, new: str) -> Row:
        system = "Be kind. Answer in exactly two sentences."
        return row_of(number, "What is rain?", "Water.", new, system=system)

    found = countable([row(1, "Rain is water. It falls."), row(2, "It is water."), row(3, "Wet.")])
    assert found["all"] == Share(1, 3)
    assert list(found.values()) == [Share(1, 3), Share(1, 3)]
    assert countable([row_of(1, "Hi", "Hello", "Ho", system="Be kind.")]) == {"all": Share(0, 0)}


def test_what_the_checks_noted():
    passed = Checked(
        checks=(
            Check(1, "result", "7", "rule", 1.0, "number"),
            Check(1, "follows", "Be kind.", "model", 0.97, ""),
            Check(1, "follows", "Be brief.", "model", 0.12, ""),
        ),
        attempts=(Attempt(1, "...", False, 0.0, None, "disagrees"),),
        agrees=True,
        obeys=0.5,
        tries=2,
    )
    failed = Checked(
        checks=(Check(1, "follows", "Be kind.", "model", 1.0, ""),),
        attempts=(
            Attempt(1, "...", True, None, 0.2, "disobeys"),
            Attempt(1, "...", True, None, 0.9, ""),
        ),
        agrees=None,
        obeys=1.0,
        tries=3,
        dropped="disobeys",
    )
    rows = [
        row_of(1, "Hi", "Hello", "Ho", checked=passed),
        row_of(2, "Hi", "Hello", "Ho", checked=failed),
        row_of(3, "Hi", "Hello"),
    ]
    found = checks(rows)
    assert found["checks"]["result, by rule"] == {"held": Share(1, 1)}
    follows = found["checks"]["follows, by model"]
    assert follows["held"] == Share(2, 3)
    assert follows["p"]["0.1 to 0.2"] == Share(1, 3, part=True)
    assert follows["p"]["0.9 to 1.0"] == Share(2, 3, part=True)
    assert follows["p"]["0.5 to 0.6"] == Share(0, 3, part=True)
    assert found["agrees"] == {
        "yes": Share(1, 2, part=True), "nothing to look at": Share(1, 2, part=True)
    }  # fmt: skip
    assert found["obeys"].value == 0.75
    assert found["tries"] == {"2": Share(1, 2, part=True), "3": Share(1, 2, part=True)}
    assert found["answers_not_taken"] == {
        "disagrees": Share(1, 3, part=True),
        "disobeys": Share(1, 3, part=True),
        "passed, another was better": Share(1, 3, part=True),
    }


def test_nothing_is_said_of_checks_that_did_not_run():
    assert checks([row_of(1, "Hi", "Hello", "Ho")]) == {"checks": None}


def test_rows_in_other_languages():
    pytest.importorskip("sysgen_local.core.language")
    german = ("Wie entferne ich Rotweinflecken aus einem Teppich?", "Streuen Sie Salz darauf.")
    chinese = ("请用三句话解释光合作用。", "光合作用是植物利用阳光制造糖和氧气的过程。")
    english = ("How do I boil an egg?", "Put it into boiling water for eight minutes.")
    rows = [
        row_of(
            1, *german, "Streuen Sie etwas Salz darauf.", system="Antworte kurz und freundlich."
        ),
        row_of(2, *german, "Sprinkle some salt on it, please.", system="Answer in a kind way."),
        row_of(3, *chinese),
        row_of(4, *english, "Eight minutes in boiling water.", system="Answer in one sentence."),
        row_of(5, "2 + 2", "4", "4", system="Answer in one sentence."),
    ]
    found = languages(rows, {1, 2, 4, 5})
    assert found["language_not_told"] == Share(1, 5)
    assert found["english"]["final_with_system_message_in_it"] == Share(1, 1)
    assert found["not_english"] == {
        "rows": 3,
        "final": Share(2, 3),
        "final_with_system_message_in_it": Share(1, 3),
        "of_final_system_message_in_it": Share(1, 2),
        "of_final_answer_in_it": Share(1, 2),
    }
    assert found["by_language"]["zh"]["final"] == Share(0, 1)
    assert found["by_language"]["de"]["of_final_answer_in_it"] == Share(1, 2)
