"""Which pair a row makes by rule, and why it makes none."""

from __future__ import annotations

import pytest

from sysgen_local.core.pairs import PAIR_RULES, PairRule, RulePair
from sysgen_local.core.records import (
    Attempt,
    Checked,
    Conversation,
    Phrase,
    Responded,
    Row,
    Turn,
    Verdict,
    Verified,
)
from sysgen_local.phases import pairs
from sysgen_local.phases.pairs import pair_of

ONE = Phrase("format", "Answer in one sentence.")
BULLETS = Phrase("format", "Use bullet points.")
UPPER = Phrase("format", "Write in capital letters only.")
LIST = "- Rinse the rice\n- Boil the rice"
WARM = Phrase("style", "Be friendly.")
FRENCH = Phrase("format", "Answer in French.")
ASK = "How do I cook rice for two people?"
LONG = "Rinse it. Boil it in water. Let it rest. Then eat it."
TWO = "Rinse the rice. Boil the rice."
SHORT = "Boil the rice in water."
ONE_BROKEN = "sentences: exactly 1 sentence"


def attempt(text: str, fault: str = "disobeys", *, turn: int = 1, agrees=None, obeys=None):
    return Attempt(turn, text, False, agrees, obeys, fault)


def row(
    *phrases: Phrase, new: str = SHORT, old: str = LONG, ask: str = ASK, attempts=(), more=()
) -> Row:
    """A finished row; `more` are further turns, (original, new) for those of the assistant."""
    turns = [Turn("user", ask), Turn("assistant", old)]
    answers = [Turn("user", ask), Turn("assistant", new)]
    for of in more:
        both = of if type(of) is tuple else (of, of)
        turns.append(both[0])
        answers.append(both[1])
    verdicts = tuple(Verdict(p.tag, p.text, "good", 0.9, 0.1, 0.0) for p in phrases)
    system = " ".join(phrase.text for phrase in phrases)
    return Row(
        1, Conversation(tuple(turns), 1), verified=Verified(verdicts, system),
        responded=Responded(tuple(answers)), checked=Checked(attempts=tuple(attempts)),
    )  # fmt: skip


def test_the_worst_answer_breaks_most() -> None:
    both = f"{LONG} As the saying goes."
    found = pair_of(
        row(UPPER, BULLETS, new=LIST.upper(), attempts=[
            attempt(LIST, obeys=0.1), attempt(both, obeys=0.9),
        ]), "best-worst",
    )  # fmt: skip
    assert isinstance(found, RulePair)
    assert (found.at, found.chosen, found.rejected, found.asks) == (
        2, LIST.upper(), both, "",
    )  # fmt: skip
    assert found.broken == ("upper case: all capital letters", "bullets: a list with bullets")


def test_among_several_that_break_as_much_the_checks_decide() -> None:
    tries = [attempt(LONG, obeys=0.4), attempt(TWO, obeys=0.2), attempt(LONG + " So.", obeys=0.3)]
    found = pair_of(row(ONE, attempts=tries), "best-worst")
    assert isinstance(found, RulePair)
    assert (found.rejected, found.broken) == (TWO, (ONE_BROKEN,))


def test_what_the_model_found_is_said_to_be_by_the_model() -> None:
    found = pair_of(row(WARM, attempts=[attempt("Boil it.", obeys=0.1)]), "best-worst")
    assert isinstance(found, RulePair)
    assert found.broken == ("follows: what a phrase asks, by the model",)
    found = pair_of(row(WARM, attempts=[attempt("Boil it.", "disagrees")]), "best-worst")
    assert isinstance(found, RulePair)
    assert found.broken == ("agrees: with the original answer, by the model",)


@pytest.mark.parametrize("rule", ["best-worst", "obey-violate"])
def test_a_result_that_is_not_kept_is_broken(rule: PairRule) -> None:
    sums = row(
        Phrase("role", "You are a clerk."), ask="What is 7 times 8?", old="56",
        new="It is 56.", attempts=[attempt("It is 54.", "disagrees", agrees=0.0)],
    )  # fmt: skip
    found = pair_of(sums, rule)
    assert found == RulePair(2, "It is 56.", "It is 54.", "", ("result: 56",))


def test_an_answer_of_the_row_comes_before_the_original_one() -> None:
    found = pair_of(row(ONE, attempts=[attempt(TWO)]), "obey-violate")
    assert found == RulePair(2, SHORT, TWO, "", (ONE_BROKEN,))
    found = pair_of(row(ONE, attempts=[attempt("Boil it.", "disagrees")]), "obey-violate")
    assert found == RulePair(2, SHORT, LONG, "", (ONE_BROKEN,))


def test_conflict_asks_for_what_the_rejected_answer_does() -> None:
    found = pair_of(row(ONE, attempts=[attempt(TWO)]), "conflict")
    assert isinstance(found, RulePair)
    # Two sentences break the demand, and are not the three that the user asks for.
    assert (found.chosen, found.rejected, found.broken) == (SHORT, LONG, (ONE_BROKEN,))
    assert found.asks.startswith(" ")
    assert "at least 3 sentences" in found.asks
    assert pair_of(row(ONE, attempts=[attempt(TWO)]), "conflict") == found
    code = row(ONE, ask="How do I cook this rice?\nrice = 1")
    found = pair_of(code, "conflict")
    assert isinstance(found, RulePair)
    assert found.asks.startswith("\n\n")


def test_the_user_asks_in_the_language_of_the_row() -> None:
    german = row(
        ONE, ask="Wie koche ich Reis für zwei Personen am schnellsten?", new="Koch den Reis.",
        old="Wasch ihn. Koch ihn. Lass ihn ruhen. Iss ihn.",
    )  # fmt: skip
    found = pair_of(german, "conflict")
    assert isinstance(found, RulePair)
    assert "mindestens 3 Sätze" in found.asks


PEAS = "Boil them in water for some minutes. Then eat them with a little salt."


def test_later_turns_have_their_own_answers() -> None:
    again = (Turn("user", "And how do I cook peas?"),
             (Turn("assistant", PEAS), Turn("assistant", "Boil the peas.")))  # fmt: skip
    rejected = "Wash the peas. Boil the peas. Eat the peas. Enjoy the peas."
    base = row(ONE, old=SHORT, more=again, attempts=[attempt(rejected, turn=2)])
    for rule in PAIR_RULES:
        found = pair_of(base, rule)
        assert isinstance(found, RulePair), rule
        assert (found.at, found.chosen, found.rejected) == (4, "Boil the peas.", rejected)
    # The original answer of a later turn was written to another prompt.
    alone = row(ONE, old=SHORT, more=again)
    assert pair_of(alone, "obey-violate") == pairs.NO_VIOLATION
    assert pair_of(alone, "conflict") == pairs.NOT_GIVEN_IN


CALLED = (
    Turn("user", "And now?"), Turn("function_call", '{"name": "f", "arguments": {}}'),
    Turn("observation", "4"), (Turn("assistant", "a"), Turn("assistant", "It is 4.")),
)  # fmt: skip
JAPANESE = "私は毎日学校へ行きます。楽しいです。はい。ええ。"


@pytest.mark.parametrize(
    ("of", "rule", "why"),
    [
        (row(ONE), "best-worst", pairs.NO_CANDIDATE),
        (row(ONE, attempts=[attempt(TWO, "cut_off"), attempt(" ")]), "best-worst", pairs.UNUSABLE),
        (row(ONE, attempts=[attempt("HTTP error 500", "failed")]), "best-worst", pairs.UNUSABLE),
        (row(ONE, attempts=[attempt(SHORT)]), "best-worst", pairs.UNUSABLE),
        (row(ONE, new=SHORT, attempts=[attempt(TWO, turn=2)], more=CALLED), "best-worst",
         pairs.UNUSABLE),
        (row(ONE, new=TWO, attempts=[attempt(LONG)]), "best-worst", pairs.BREAKS),
        (row(ONE, new=TWO), "obey-violate", pairs.BREAKS),
        (row(ONE, new=TWO), "conflict", pairs.BREAKS),
        (row(ONE, attempts=[attempt("Boil it.", "")]), "best-worst", pairs.NOTHING_BROKEN),
        (row(WARM), "obey-violate", pairs.NO_DEMAND),
        (row(ONE, old="Boil the rice in a pot with water until it is soft."), "obey-violate",
         pairs.NO_VIOLATION),
        (row(ONE, attempts=[attempt(LONG, "looping")], old=SHORT), "obey-violate",
         pairs.NO_VIOLATION),
        (row(WARM), "conflict", pairs.NO_DEMAND),
        (row(Phrase("format", "Do not use commas.")), "conflict", pairs.NO_OPPOSITE),
        (row(ONE, old=TWO), "conflict", pairs.NOT_GIVEN_IN),
        (row(ONE, ask=JAPANESE, old=JAPANESE, new="学校へ行きます。"), "conflict",
         pairs.NO_WORDING),
    ],
)  # fmt: skip
def test_why_a_row_makes_no_pair(of: Row, rule: PairRule, why: str) -> None:
    assert pair_of(of, rule) == why


def test_both_answers_of_every_pair_are_confirmed_by_rule() -> None:
    """Over many rows: the chosen one breaks nothing, the rejected one breaks all that is said."""
    from sysgen_local.phases.answer_checks import AnswerChecks, phrases_of

    texts = [SHORT, TWO, LONG, "- Boil it", "- Boil it\n- Eat it", "Faites bouillir le riz.",
             "BOIL THE RICE.", "# Rice\n\nBoil it."]  # fmt: skip
    systems = [(ONE,), (BULLETS,), (ONE, WARM), (Phrase("format", "Use at least 3 sentences."),),
               (FRENCH,), (UPPER,)]  # fmt: skip
    made = 0
    for phrases in systems:
        for new in texts:
            for old in texts:
                of = row(*phrases, new=new, old=old, attempts=[attempt(t) for t in texts])
                checks = AnswerChecks(1, ASK, old, phrases_of(of))

                def broken(text: str, checks: AnswerChecks = checks) -> set[str]:
                    failed = [c for c in checks.by_rule(text) if c.p < 0.5]
                    return {c.text if c.kind == "result" else c.detail for c in failed}

                for rule in PAIR_RULES:
                    found = pair_of(of, rule)
                    if isinstance(found, str):
                        continue
                    made += 1
                    assert not broken(found.chosen)
                    assert found.chosen != found.rejected
                    said = {text.split(": ", 1)[1] for text in found.broken}
                    by_model = {"what a phrase asks, by the model"}
                    assert said <= broken(found.rejected) | by_model
                    assert said
    assert made > 200
