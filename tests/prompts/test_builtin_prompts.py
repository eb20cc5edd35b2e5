"""The built-in model is trained on exactly what the phases ask with the prompt set `compact`."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

import pytest

from builtin_recipe.sample import Message
from builtin_recipe.scenario import draw_scenario
from builtin_recipe.tasks import generate, respond
from builtin_recipe.topics import Topics, vocabulary_pieces
from builtin_recipe.verdicts import SYSTEM, draw_verdict, question, verify
from sysgen_local.core.records import Conversation, Filtered, Phrase, Row, Turn, Verified
from sysgen_local.engine import request
from sysgen_local.phases.generate import Generate
from sysgen_local.phases.respond import Respond
from sysgen_local.phases.verify import Verify
from sysgen_local.prompts import PromptSet

CASES = 150
TOPICS = Topics(pieces=vocabulary_pieces())


@pytest.fixture(scope="module")
def compact() -> PromptSet:
    return PromptSet.load("compact")


def plain(messages: Iterable[request.Message]) -> list[Message]:
    return [Message(message.role, message.text) for message in messages]


def row(instruction: str, answer: str, **results: Filtered | Verified) -> Row:
    turns = (Turn("user", instruction), Turn("assistant", answer))
    return Row(1, Conversation(turns, line=1), **results)


def test_phase_1_asks_what_was_learnt(compact):
    rng = Random(1)
    for _ in range(CASES):
        sample = generate(rng, TOPICS)
        instruction = sample.about.instruction
        answer = sample.prompt[-1].content.removeprefix(f"Instruction: {instruction}\nAnswer: ")
        [asked] = next(Generate(compact).work(row(instruction, answer)))
        assert plain(asked.messages) == list(sample.prompt)
        assert plain(
            compact.messages("generate", turns=[{"instruction": instruction, "answer": answer}])
        ) == list(sample.prompt)


def test_phase_3_asks_what_was_learnt(compact):
    rng = Random(2)
    for _ in range(CASES):
        about = draw_scenario(rng, TOPICS, telling=True)
        verdict = draw_verdict(rng, TOPICS, about)
        learnt = [Message("system", SYSTEM), Message("user", question(about.instruction, verdict))]
        filtered = Filtered((Phrase(verdict.tag, verdict.phrase),))
        [asked] = next(Verify(compact).work(row(about.instruction, "", filtered=filtered)))
        assert plain(asked.messages) == learnt


def test_the_first_question_of_a_training_sample_is_such_a_question(compact):
    rng = Random(3)
    for _ in range(CASES):
        sample = verify(rng, TOPICS)
        head, tag = sample.messages[1].content.rsplit("\nTag: ", 1)
        instruction, phrase = head.removeprefix("Instruction: ").rsplit("\nPhrase: ", 1)
        values = {"instruction": instruction, "phrase": phrase, "tag": tag}
        assert plain(compact.messages("verify", **values)) == list(sample.messages[:2])


def test_phase_4_asks_what_was_learnt(compact):
    rng = Random(4)
    samples = [respond(rng, TOPICS) for _ in range(CASES)]
    told = [sample for sample in samples if sample.messages[0].role == "system"]
    assert told
    for sample in told:
        verified = Verified(system=sample.messages[0].content)
        about = sample.about
        [asked] = next(Respond(compact).work(row(about.instruction, "", verified=verified)))
        assert plain(asked.messages) == list(sample.prompt)
