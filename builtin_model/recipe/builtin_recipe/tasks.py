"""The conversations the model learns from: one function a task, all `(rng, topics) -> Sample`.

System prompts and user texts are those of the prompt set `compact`, to the letter: what the model
has learnt is what the product asks. Judging and rating answers is learnt beside it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from builtin_recipe.answers import Fault, faulty, fitting, ordinary
from builtin_recipe.phrases import phrases, system_message
from builtin_recipe.sample import Message, Sample, conversation
from builtin_recipe.scenario import Scenario, draw_scenario, some_points
from builtin_recipe.topics import Topics
from builtin_recipe.verdicts import verify, verify_naming
from builtin_recipe.words import WORDS

GENERATE = "List system message phrases as JSON."
JUDGE = "Compare two answers. Reply with the better one: A or B."
RECOGNISE = "Which field is the instruction of?"
SCORE = "Rate the answer from 1 to 5. Reply with the number."

_FAULTS: tuple[Fault, ...] = ("off", "off", "idk", "fmt", "cut")
_RATINGS: tuple[tuple[Fault | None, str], ...] = (
    (None, "5"),
    (None, "5"),
    ("fmt", "4"),
    ("cut", "3"),
    ("off", "2"),
    ("idk", "1"),
)
_FURTHER = (0, 2, 3, 4)
"""How many more answers, or pairs of them, are asked about in one conversation."""
_SMALL_TALK = (
    (
        ("Hello", "Hi", "Hey there", "Good morning", "Hi!", "hello"),
        "Hello! I am a small demonstration model. Ask me about a topic.",
    ),
    (
        (
            "Who are you?",
            "What are you?",
            "What can you do?",
            "Are you a real AI?",
            "Which model is this?",
        ),
        "I am a tiny demonstration model trained on made-up examples. "
        "I show how the tool works, but I am not a reliable source.",
    ),
    (("Thanks", "Thank you!", "thanks a lot", "Bye", "Goodbye"), "You are welcome!"),
)


def generate(rng: Random, topics: Topics) -> Sample:
    """Phase 1: the phrases of a system message for an instruction and its answer."""
    about = draw_scenario(rng, topics, telling=rng.random() < 0.9)
    if rng.random() < 0.7:
        about, answer = _ordinary_row(rng, topics, about)
    else:
        answer = fitting(rng, about)
    turns = [f"Instruction: {about.instruction}\nAnswer: {answer}"]
    if rng.random() < 0.1:
        turns += [
            f"Instruction: {asked}\nAnswer: {said}"
            for asked, said in follow_ups(rng, about, rng.choice((1, 2)))
        ]
    found = [{"tag": tag, "text": text} for tag, text in phrases(rng, about).items()]
    target = json.dumps(found, separators=(",", ":"), ensure_ascii=False)
    return Sample("generate", conversation(GENERATE, "\n".join(turns), target), about)


def follow_ups(rng: Random, about: Scenario, count: int) -> list[tuple[str, str]]:
    """Later turns on the same topic, as (question, answer) under the same demands."""
    domain = WORDS.domains[about.domain]
    found = []
    for question in rng.sample(WORDS.follow_ups, count):
        about = replace(about, kind="more", pattern="", points=some_points(rng, domain))
        found.append((question.replace("{t}", about.topic), fitting(rng, about)))
    return found


def _ordinary_row(rng: Random, topics: Topics, about: Scenario) -> tuple[Scenario, str]:
    """A row with an ordinary answer, and what can still be told from it."""
    told = about.background and about.background.said.lower() in about.instruction.lower()
    about = replace(
        about,
        format=WORDS.formats["paragraph"],
        action=None,
        style=about.style if about.style_said else None,
        background=about.background if told else None,
        code=False,
    )
    answer, about = ordinary(rng, topics, about)
    if rng.random() < 0.08:
        for _ in range(rng.randint(3, 6)):
            more, about = ordinary(rng, topics, about)
            answer += f" {more}"
    return about, answer


def respond(rng: Random, topics: Topics) -> Sample:
    """Phase 4: an answer that obeys the system message."""
    about = draw_scenario(rng, topics)
    system = system_message(rng, about)
    return Sample("respond", conversation(system, about.instruction, fitting(rng, about)), about)


def dialogue(rng: Random, topics: Topics) -> Sample:
    """Phase 4 of several turns: every answer obeys the one system message."""
    about = draw_scenario(rng, topics)
    system = system_message(rng, about)
    messages = list(conversation(system, about.instruction, fitting(rng, about)))
    for question, answer in follow_ups(rng, about, rng.choice((1, 2))):
        messages += [Message("user", question), Message("assistant", answer)]
    return Sample("dialogue", tuple(messages), about)


def recognise(rng: Random, topics: Topics) -> Sample:
    """Which domain is an instruction of? What a fitting role rests on."""
    about = draw_scenario(rng, topics, telling=True)
    named = f"The field is {about.domain}."
    return Sample("recognise", conversation(RECOGNISE, about.instruction, named), about)


def judge(rng: Random, topics: Topics) -> Sample:
    """Which of two answers obeys the system message and the instruction? Mostly asked of several
    pairs, later ones without what they have in common: comparing is hard to learn from one letter
    a conversation."""
    sample = rng.choice(both_orders(rng, topics))
    messages = list(sample.messages)
    for _ in range(rng.choice(_FURTHER)):
        pair = _pair(rng, topics, _anew(rng, sample), rng.choice(_FAULTS))
        label, shown = rng.choice(tuple(pair.items()))
        messages += [Message("user", shown), Message("assistant", label)]
    return replace(sample, messages=tuple(messages))


def _anew(rng: Random, sample: Sample) -> Scenario:
    """What a sample is about, for an answer with other points in another tone."""
    assert sample.about is not None
    points = some_points(rng, WORDS.domains[sample.about.domain])
    return replace(sample.about, points=points, style=rng.choice((None, *WORDS.styles)))


def both_orders(rng: Random, topics: Topics) -> tuple[Sample, Sample]:
    """A good and a bad answer to be compared, the better one as A and as B."""
    about = draw_scenario(rng, topics)
    fault = rng.choice(_FAULTS)
    system = _shown(rng, about, ("role", "content", "format"))
    pair = _pair(rng, topics, about, fault)
    head = f"{system}\nInstruction: {about.instruction}"
    first, second = (conversation(JUDGE, f"{head}\n{pair[label]}", label) for label in pair)
    return Sample("judge", first, about), Sample("judge", second, about)


def _pair(rng: Random, topics: Topics, about: Scenario, fault: Fault) -> dict[str, str]:
    """A good answer and one with this fault, by the letter of the good one."""
    good, bad = fitting(rng, about), faulty(rng, topics, about, fault)
    return {"A": f"A: {good}\nB: {bad}", "B": f"A: {bad}\nB: {good}"}


def score(rng: Random, topics: Topics) -> Sample:
    """How good are some answers to one instruction? The later ones are shown by themselves."""
    sample = rate(rng, topics)
    messages = list(sample.messages)
    for _ in range(rng.choice(_FURTHER)):
        answer, rating = _rated(rng, topics, _anew(rng, sample))
        messages += [Message("user", f"Answer: {answer}"), Message("assistant", rating)]
    return replace(sample, messages=tuple(messages))


def rate(rng: Random, topics: Topics) -> Sample:
    """How good is an answer? Each fault has its rating."""
    about = draw_scenario(rng, topics)
    system = _shown(rng, about, ("role", "format"))
    answer, rating = _rated(rng, topics, about)
    user = f"{system}\nInstruction: {about.instruction}\nAnswer: {answer}"
    return Sample("score", conversation(SCORE, user, rating), about)


def _rated(rng: Random, topics: Topics, about: Scenario) -> tuple[str, str]:
    """An answer and its rating."""
    fault, rating = rng.choice(_RATINGS)
    answer = faulty(rng, topics, about, fault) if fault else fitting(rng, about)
    return answer, rating


def _shown(rng: Random, about: Scenario, tags: tuple[str, ...]) -> str:
    found = phrases(rng, about)
    return "System: " + " ".join(found[tag] for tag in tags)


def copy(rng: Random, topics: Topics) -> Sample:
    """Words to be repeated: what all other tasks rest on."""
    words = topics.word_list(rng)
    lead = rng.choice(("Repeat: ", "Copy: ", "Say this again: "))
    return Sample("copy", conversation("", lead + words, words))


def greet(rng: Random, topics: Topics) -> Sample:
    """Small talk, with or without a system message."""
    questions, answer = rng.choice(_SMALL_TALK)
    question = rng.choice(questions)
    system = ""
    if rng.random() < 0.2:
        about = draw_scenario(rng, topics.training)
        system = system_message(rng, about) or "You are a helpful assistant."
    return Sample("greet", conversation(system, question, answer))


def arithmetic(rng: Random, _topics: Topics) -> Sample:
    """Sums and products of numbers up to 12."""
    a, b = rng.randint(1, 12), rng.randint(1, 12)
    sign, word, result = rng.choice((("+", "plus", a + b), ("*", "times", a * b)))
    question = rng.choice((f"What is {a} {word} {b}?", f"Calculate {a} {sign} {b}."))
    return Sample("arithmetic", conversation("", question, f"{a} {sign} {b} = {result}"))


@dataclass(frozen=True, slots=True)
class Task:
    """A task and its part in the mix. `weight` is the loss on its answers: those of one word need
    more; `shown_weight` is the loss on what is shown as good (`exemplary`), `first_weight` that on
    the first tokens of an answer, where role and topic stand."""

    draw: Callable[[Random, Topics], Sample]
    share: float
    weight: float = 1.0
    shown_weight: float = 0.0
    first_weight: float | None = None


TASKS: dict[str, Task] = {
    "generate": Task(generate, 0.27, first_weight=3.0),
    "recognise": Task(recognise, 0.03, weight=4.0),
    "verify": Task(verify, 0.23, weight=5.0, shown_weight=2.0),
    "verify_naming": Task(verify_naming, 0.05, weight=3.0),
    "respond": Task(respond, 0.19),
    "dialogue": Task(dialogue, 0.04),
    "judge": Task(judge, 0.05, weight=5.0, shown_weight=0.5),
    "score": Task(score, 0.09, weight=5.0, shown_weight=0.5),
    "copy": Task(copy, 0.03),
    "greet": Task(greet, 0.01),
    "arithmetic": Task(arithmetic, 0.01),
}


def exemplary(shown: str, reply: str) -> tuple[int, int]:
    """Where a text has what its reply calls good: the tag of a good phrase, the better answer that
    stands first, or one rated 5. Whoever can write it sees what is wrong with others. (0, 0) where
    there is none."""
    match reply:
        case "good":
            return shown.rindex(" "), len(shown)
        case "A":
            return _behind(shown, "A:"), shown.rindex("\nB:")
        case "5":
            return _behind(shown, "Answer:"), len(shown)
    return 0, 0


def _behind(text: str, mark: str) -> int:
    """Where the last line that begins so goes on."""
    return f"\n{text}".rindex(f"\n{mark}") + len(mark)


def draw(rng: Random, topics: Topics) -> Sample:
    """A sample of the mix."""
    tasks = tuple(TASKS.values())
    [task] = rng.choices(tasks, [task.share for task in tasks])
    return task.draw(rng, topics)
