"""The shipped model asked through the engine, as its figures are measured."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from builtin_recipe.chat import Chat
from builtin_recipe.reading import role_domains
from builtin_recipe.sample import Message, conversation
from builtin_recipe.tasks import GENERATE
from builtin_recipe.verdicts import SYSTEM, Verdict, question
from sysgen_local.core.records import LABELS
from sysgen_local.phases.tags import parse_json


@pytest.fixture(scope="module")
def chat(builtin: Path) -> Iterator[Chat]:
    chat = Chat(builtin)
    yield chat
    chat.close()


def prompt(system: str, user: str) -> tuple[Message, ...]:
    return conversation(system, user, "")[:-1]


def test_replies_come_in_the_order_of_asking(chat):
    topics = ("fractions", "prime numbers", "derivatives", "geometry")
    asked = [
        prompt(GENERATE, f"Instruction: Help me with my math homework on {topic}.\nAnswer: Yes.")
        for topic in topics
    ]
    for topic, reply in zip(topics, chat.ask(asked), strict=True):
        found = {phrase.tag: phrase.text for phrase in parse_json(reply)}
        assert topic in found["task"]
        assert role_domains(found["role"]) == {"math"}


def test_probabilities_are_of_every_label_and_sum_to_one(chat):
    instruction = "Help me with my math homework on fractions."
    cases = [Verdict("format", "Use bullet points.", "good", "format")]
    cases += [
        Verdict("format", "N/A", "none", ""),
        Verdict("role", "Use bullet points.", "bad", ""),
    ]
    asked = [prompt(SYSTEM, question(instruction, case)) for case in cases]
    for case, shares in zip(cases, chat.choose(asked, LABELS), strict=True):
        assert set(shares) == set(LABELS)
        assert sum(shares.values()) == pytest.approx(1)
        assert max(shares, key=shares.__getitem__) == case.label


def test_nothing_asked_is_nothing_answered(chat):
    assert chat.ask([]) == []
    assert chat.choose([], LABELS) == []
