"""Phase 5 without a model: the test answers its requests."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace

import pytest

from sysgen_local.core.records import (
    Attempt,
    Check,
    Checked,
    Conversation,
    Phrase,
    Responded,
    Row,
    Turn,
    Verdict,
    Verified,
)
from sysgen_local.core.resources import resource
from sysgen_local.engine.request import GREEDY, Choice, Completion, Request, Sampling
from sysgen_local.phases.answer_checks import AnswerChecks
from sysgen_local.phases.check import CheckAnswers
from sysgen_local.phases.respond import ANEW, Respond
from sysgen_local.prompts import PromptSet
from sysgen_local.running.stage import seed_of

DEFAULT = PromptSet.load("default")
COMPACT = PromptSet.load("compact")
EGGS = "Janet's ducks lay 16 eggs a day. She eats 3. How many are left?"
LEFT = "She has 16 - 3 = <<16-3=13>>13 left.\n#### 13"
RIGHT = "Janet keeps 13 eggs."
WRONG = "Janet keeps 12 eggs."
RAIN = "Why does it rain?"
DROPS = "Water falls down as drops from clouds."
ROLE = Phrase("role", "You are a cook.")
WARM = Phrase("style", "Be friendly and warm.")
SHORT = Phrase("format", "Answer in at most ten words.")
LONG = "Clouds are full of it, and so it all falls down on every one of us."


def row(*exchanges: tuple[str, str, str], phrases: tuple[Phrase, ...] = (ROLE,)) -> Row:
    """Exchanges are question, original answer, and what phase 4 made of it."""
    old = [t for q, a, _ in exchanges for t in (Turn("user", q), Turn("assistant", a))]
    new = [t for q, _, a in exchanges for t in (Turn("user", q), Turn("assistant", a))]
    return answered(old, new, phrases)


def answered(old: list[Turn], new: list[Turn], phrases: tuple[Phrase, ...] = (ROLE,)) -> Row:
    verdicts = tuple(Verdict(p.tag, p.text, "good", 0.9, 0.1, 0.0) for p in phrases)
    return Row(
        7,
        Conversation(tuple(old), 1),
        verified=Verified(verdicts, " ".join(p.text for p in phrases)),
        responded=Responded(tuple(new)),
    )


def stage(prompts: PromptSet = DEFAULT, **more) -> CheckAnswers:
    """As `more` says; its fields of `Respond` are taken by that."""
    fields = {n: more.pop(n) for n in ("sampling", "turns", "shown", "seed") if n in more}
    respond = Respond(prompts, **{"shown": "exact", "sampling": Sampling(0.7), **fields})
    return CheckAnswers(prompts, respond, **more)


def drive(
    stage: CheckAnswers, row: Row, answer: Callable[[Request], str | float | Completion]
) -> tuple[Checked, list[Request]]:
    """The result, and the requests made. `answer` gives a text, or the probability of yes."""
    work, requests = stage.work(row), []
    try:
        [request] = next(work)
        while True:
            requests.append(request)
            said = answer(request)
            if isinstance(said, float):
                assert request.constraint == Choice(("yes", "no"))
                shares = {"yes": said, "no": 1 - said}
                said = Completion(request.id, "", "stop", 10, 0, 0.1, shares)
            elif isinstance(said, str):
                assert request.constraint is None
                said = Completion(request.id, said, "stop", 10, 5, 0.1)
            [request] = work.send([said])
    except StopIteration as end:
        return end.value, requests


def nothing(request: Request) -> str:
    pytest.fail(f"{request.id} should not be asked")


def in_turn(*said: str | float | Completion) -> Callable[[Request], str | float | Completion]:
    """Answers one after the other; too few of them fail the test."""
    left = list(said)
    return lambda request: left.pop(0) if left else nothing(request)


def cut_off(text: str) -> Completion:
    return Completion("", text, "length", 10, 5, 0.1)


def shows_original(request: Request) -> bool:
    return "written without your instructions" in request.messages[-1].text


def test_a_first_answer_that_passes_is_the_only_one():
    result, _ = drive(stage(), row((EGGS, LEFT, RIGHT)), nothing)
    assert result == Checked((), (Check(1, "result", "13", "rule", 1.0, "number"),), (), True)


def test_an_answer_of_which_nothing_can_be_told_passes():
    result, _ = drive(stage(COMPACT), row((RAIN, DROPS, "Wet.")), nothing)
    assert result == Checked()
    assert (result.agrees, result.obeys, result.tries) == (None, None, 1)


@pytest.mark.parametrize("shown", ["never", "exact"])
def test_what_disagrees_is_written_again_with_the_original_in_view(shown):
    result, requests = drive(
        stage(shown=shown, seed=3), row((EGGS, LEFT, WRONG)), in_turn("She has 11.", RIGHT)
    )
    first = shown == "exact"
    assert [shows_original(r) for r in requests] == [True, True]
    assert [r.id for r in requests] == ["7:check:1", "7:check:2"]
    seeds = [seed_of(3, 7, "respond", 0), *(r.seed for r in requests)]
    assert len(set(seeds)) == 3
    assert {r.group for r in requests} == {"respond"}
    assert result.turns == (Turn("user", EGGS), Turn("assistant", RIGHT))
    assert result.attempts == (
        Attempt(1, WRONG, first, 0.0, None, "disagrees"),
        Attempt(1, "She has 11.", True, 0.0, None, "disagrees"),
    )
    assert [c.p for c in result.checks] == [1.0]
    assert (result.agrees, result.dropped, result.tries) == (True, None, 3)
    assert result.cost.tokens_out == 10


@pytest.mark.parametrize("shown", ["never", "always"])
def test_what_disobeys_is_written_again_the_other_way(shown):
    rows = row((RAIN, DROPS, LONG), phrases=(SHORT,))
    result, requests = drive(stage(shown=shown, by_model=False), rows, in_turn(LONG, "Wet."))
    assert [shows_original(r) for r in requests] == [shown == "never", shown == "always"]
    assert [a.shown for a in result.attempts] == [shown == "always", shown == "never"]
    assert result.dropped is None


def test_what_does_not_fit_with_the_original_in_view_is_written_without_it():
    def answer(request):
        if shows_original(request):
            return Completion(request.id, "", "too_long")
        return RIGHT

    result, requests = drive(stage(), row((EGGS, LEFT, WRONG)), answer)
    assert [shows_original(r) for r in requests] == [True, False]
    assert (result.dropped, result.tries) == (None, 3)


def test_an_answer_that_repeats_how_it_was_asked_for_is_none():
    [*_, asked] = DEFAULT.messages("rewrite", system="Be kind.", instruction=RAIN, answer=DROPS)
    result, _ = drive(stage(by_model=False), row((RAIN, DROPS, asked.text)), in_turn("Wet."))
    [attempt] = result.attempts
    assert attempt.fault == "disobeys"
    assert result.turns[-1].content == "Wet."
    # What the row itself says is no repetition.
    result, _ = drive(stage(by_model=False), row((RAIN, DROPS, f"{RAIN} {DROPS} {DROPS}")), nothing)
    assert result.dropped is None


def test_tries_end_with_the_first_answer_that_passes():
    result, requests = drive(stage(tries=9), row((EGGS, LEFT, WRONG)), in_turn(RIGHT))
    assert len(requests) == 1
    assert result.tries == 2


def test_a_row_of_which_no_answer_agrees_is_dropped():
    result, requests = drive(stage(), row((EGGS, LEFT, WRONG)), in_turn("11.", "10."))
    assert (result.dropped, result.agrees, result.tries) == ("disagrees", False, 3)
    assert result.turns == ()  # the first is as good as any
    assert [a.content for a in result.attempts] == ["11.", "10."]
    assert len(requests) == 2
    result, requests = drive(stage(tries=1), row((EGGS, LEFT, WRONG)), nothing)
    assert (result.dropped, result.tries) == ("disagrees", 1)


def test_a_row_of_which_no_answer_obeys_is_dropped():
    result, _ = drive(
        stage(by_model=False), row((RAIN, DROPS, LONG), phrases=(SHORT,)), in_turn(LONG, LONG)
    )
    assert (result.dropped, result.agrees, result.obeys) == ("disobeys", None, 0.0)
    assert {a.fault for a in result.attempts} == {"disobeys"}


def test_of_answers_that_fail_the_best_is_kept():
    said = in_turn(0.9, 0.1, "Second.", 0.9, 0.35, "Third.", 0.9, 0.2)
    result, _ = drive(stage(), row((RAIN, DROPS, "First."), phrases=(WARM,)), said)
    assert result.dropped == "disobeys"
    assert result.turns[-1].content == "Second."
    assert result.obeys == pytest.approx(0.35)
    assert [(a.content, a.agrees, a.obeys) for a in result.attempts] == [
        ("First.", 0.9, 0.1), ("Third.", 0.9, 0.2),
    ]  # fmt: skip


def test_an_answer_that_was_cut_off_never_wins_over_one_that_disagrees():
    said = in_turn(cut_off("She has"), cut_off("Of the"))
    result, _ = drive(stage(), row((EGGS, LEFT, WRONG)), said)
    assert result.dropped == "disagrees"
    assert result.turns == ()
    assert [a.fault for a in result.attempts] == ["cut_off", "cut_off"]


def test_what_is_no_answer_is_not_looked_at_and_asked_again():
    said = in_turn(cut_off("She has 13"), RIGHT)
    result, requests = drive(stage(), row((EGGS, LEFT, WRONG)), said)
    assert result.dropped is None
    assert [a.agrees for a in result.attempts] == [0.0, None]
    assert len(requests) == 2


def test_after_a_replaced_answer_the_next_is_written_anew():
    more = ("And why is that so?", "Because of the three that she eats at breakfast.", "Old news.")
    said = in_turn(RIGHT, "Breakfast!", 0.9)
    result, requests = drive(stage(), row((EGGS, LEFT, WRONG), more), said)
    again, anew, agree = requests
    assert (again.id, anew.id, agree.id) == ("7:check:1", "7:check:1000", "7:agree:1000000")
    assert [m.text for m in anew.messages[1:]] == [EGGS, RIGHT, more[0]]
    assert [t.content for t in result.turns] == [EGGS, RIGHT, more[0], "Breakfast!"]
    assert [(a.turn, a.content) for a in result.attempts] == [(1, WRONG)]
    assert [(c.turn, c.kind) for c in result.checks] == [(1, "result"), (2, "agrees")]
    assert result.tries == 2


def test_where_the_first_answer_stays_so_does_the_second():
    more = (EGGS, LEFT, RIGHT)
    result, _ = drive(stage(), row((EGGS, LEFT, RIGHT), more), nothing)
    assert result.turns == ()
    assert [c.turn for c in result.checks] == [1, 2]


def test_a_later_turn_that_cannot_be_answered_drops_the_row():
    rows = row((EGGS, LEFT, RIGHT), (EGGS, LEFT, WRONG), (EGGS, LEFT, RIGHT))
    result, requests = drive(stage(), rows, in_turn("11.", "10."))
    assert result.dropped == "disagrees"
    assert {r.id for r in requests} == {"7:check:1001", "7:check:1002"}
    assert [c.turn for c in result.checks] == [1, 2]  # the third is not looked at
    rows = row((EGGS, LEFT, WRONG), (RAIN, DROPS, "Wet."))
    endless = [cut_off("And so on")] * 3
    result, _ = drive(stage(), rows, in_turn(RIGHT, *endless))
    assert result.dropped == "cut_off"


def test_only_the_first_turn():
    rows = row((EGGS, LEFT, WRONG), (RAIN, DROPS, DROPS))
    result, requests = drive(stage(turns="first"), rows, in_turn(RIGHT))
    assert len(requests) == 1
    assert [t.content for t in result.turns] == [EGGS, RIGHT, RAIN, DROPS]
    assert [c.turn for c in result.checks] == [1]


def test_the_model_is_asked_only_where_no_rule_can_tell():
    every = (ROLE, WARM, SHORT)
    result, requests = drive(
        stage(), row((RAIN, DROPS, "Wet."), phrases=every), in_turn(0.75, 0.875)
    )
    assert [r.group for r in requests] == ["agree", "follow"]
    assert [(c.kind, c.by, c.p) for c in result.checks] == [
        ("phrase", "rule", 1.0), ("agrees", "model", 0.75), ("follows", "model", 0.875),
    ]  # fmt: skip
    assert (result.agrees, result.obeys) == (True, (1.0 + 0.875) / 2)
    _, requests = drive(stage(), row((EGGS, LEFT, RIGHT), phrases=every), in_turn(0.9))
    assert [r.group for r in requests] == ["follow"]
    # What a rule refuses needs no question.
    _, requests = drive(stage(tries=1), row((RAIN, DROPS, LONG), phrases=every), nothing)
    assert requests == []


@pytest.mark.parametrize(
    ("agrees", "follows", "dropped"),
    [(0.4, 0.4, None), (0.39, 0.4, "disagrees"), (0.4, 0.39, "disobeys")],
)
def test_from_its_limit_on_the_models_word_is_yes(agrees, follows, dropped):
    said = in_turn(agrees, follows) if dropped != "disagrees" else in_turn(agrees)
    result, _ = drive(stage(tries=1), row((RAIN, DROPS, "Wet."), phrases=(WARM,)), said)
    assert result.dropped == dropped


def test_a_question_that_does_not_fit_settles_nothing():
    too_long = Completion("", "", "too_long")
    result, requests = drive(stage(), row((RAIN, DROPS, "Wet.")), in_turn(too_long))
    assert (result.dropped, result.agrees, result.checks) == (None, None, ())
    assert len(requests) == 1


@pytest.mark.parametrize(
    ("usual", "again"), [(GREEDY, ANEW), (Sampling(0.3, top_p=0.5), Sampling(0.3, top_p=0.5))]
)
def test_what_was_greedy_is_answered_again_by_chance(usual, again):
    rows = row((EGGS, LEFT, WRONG))
    _, [request] = drive(stage(sampling=usual), rows, in_turn(RIGHT))
    assert request.sampling == again
    [first] = next(Respond(DEFAULT, sampling=usual).work(rows))
    assert first.sampling == usual
    # A turn that is only now answered under a replaced answer was not answered before.
    rows = row((EGGS, LEFT, WRONG), (EGGS, LEFT, RIGHT))
    _, [_, later] = drive(stage(sampling=usual), rows, in_turn(RIGHT, RIGHT))
    assert (later.id, later.sampling) == ("7:check:1000", usual)


def test_tool_turns_stay():
    call, output = Turn("function_call", '{"name":"eggs"}'), Turn("observation", "13")
    old = [Turn("user", EGGS), call, output, Turn("assistant", LEFT)]
    rows = answered(old, [*old[:3], Turn("assistant", WRONG)])
    result, requests = drive(stage(), rows, in_turn("11.", RIGHT))
    assert result.turns == (*old[:3], Turn("assistant", RIGHT))
    # Behind a tool's output the original is never shown.
    assert [shows_original(r) for r in requests] == [False, False]
    assert [m.role for m in requests[0].messages] == ["system", "user", "assistant", "user"]


def test_a_set_without_such_prompts_asks_the_model_nothing_but_answers():
    rows = row((EGGS, LEFT, WRONG), (RAIN, DROPS, "Wet."), phrases=(WARM,))
    result, requests = drive(stage(COMPACT), rows, in_turn("11.", RIGHT, "Drip."))
    assert {r.group for r in requests} == {"respond"}
    assert not any(shows_original(r) for r in requests)
    assert [t.content for t in result.turns if t.role == "assistant"] == [RIGHT, "Drip."]
    assert [c.by for c in result.checks] == ["rule"]


def test_the_model_may_be_left_out():
    rows = row((RAIN, DROPS, "Wet."), phrases=(WARM, SHORT))
    result, _ = drive(stage(by_model=False), rows, nothing)
    assert [(c.kind, c.by) for c in result.checks] == [("phrase", "rule")]
    assert (result.agrees, result.obeys) == (None, 1.0)


def test_whatever_a_result_depends_on_is_in_the_recipe(tmp_path):
    before = stage().facts()
    changed = [
        stage(**{name: value}).facts()
        for name, value in {
            "tries": 4, "min_agrees": 0.6, "min_follows": 0.6, "by_model": False, "seed": 1,
            "turns": "first", "shown": "always", "sampling": GREEDY,
        }.items()
    ]  # fmt: skip
    respond = stage().respond
    for more in ({"max_tokens": 9}, {"keep_truncated": True}):
        changed.append(replace(stage(), respond=replace(respond, **more)).facts())
    for name in ("agree", "follow", "rewrite", "respond"):
        own = tmp_path / name
        shutil.copytree(resource("prompts") / "default", own)
        with (own / f"{name}.md").open("a") as file:
            file.write("\n")
        for shown in ("never", "exact"):
            prompts = PromptSet.load(str(own))
            assert stage(prompts, shown=shown).facts() != stage(shown=shown).facts(), name
    assert before not in changed
    assert len({tuple(facts.items()) for facts in changed}) == len(changed) == 10
    assert before["rules"] == AnswerChecks.VERSION
    assert stage().facts() == before
