"""Facts that a short answer states, and whether another answer states them too."""

import pytest

from sysgen_local.evaluation.benchmarks.by_rule import agreement_check
from sysgen_local.evaluation.benchmarks.facts import stated_fact, states


@pytest.mark.parametrize(
    ("question", "answer", "fact"),
    [
        ("What is the capital of France?", "The capital of France is Paris.", "Paris"),
        ("What is the sum of 7 and 8?", "The sum of 7 and 8 is 15.", "15"),
        ("What is the square root of 169?", "The square root of 169 is 13.", "13"),
        ("Convert 45 kilometers to meters.", "45 kilometers is 45,000 meters.", "45,000 meters"),
        ("Translate 'peace' into French.", "The French word for 'peace' is 'paix'.", "paix"),
        ("What is the pH of vinegar?", "The pH of vinegar is typically around 2.5.", "2.5"),
        ("Name the process by which water melts.", "The process by which water melts is called "
         "melting.", "melting"),
    ],
)  # fmt: skip
def test_what_a_sentence_says_of_the_question_is_its_fact(question, answer, fact):
    assert stated_fact(question, answer) == fact
    assert agreement_check(question, answer).kind == "fact"
    assert states(fact, answer)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What is a synonym of 'lazy'?", "A synonym for 'lazy' is 'indolent'."),  # others are right
        ("Name a fruit.", "A fruit is an apple."),
        ("What is rain?", "Rain is water that falls from the clouds in drops."),  # too much
        ("What is the capital of France?", "Paris is lovely. It is the capital."),
        ("Where is Paris?", "The weather today is fine."),  # it speaks of something else
        ("Is the sky blue or red?", "The sky is blue."),  # the question has the words
        ("What is the capital of France?", "The capital of France is"),
        ("What is the capital of France?", ""),
        ("What is 1 + 1?", "The sum is ."),
    ],
)
def test_what_cannot_be_read_reliably_is_no_fact(question, answer):
    assert stated_fact(question, answer) is None


def test_a_fact_is_found_however_it_is_said():
    assert states("45,000 meters", "That makes 45000 meters, or 45 km.")
    assert states("Paris", "It's **Paris**!")
    assert states("13", "√169 = 13.")
    assert not states("13", "It is 131 or 1.13.")
    assert not states("Paris", "Parisian food")
    assert not states("45,000 meters", "45 meters")
