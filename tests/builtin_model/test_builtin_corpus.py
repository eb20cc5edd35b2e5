"""The corpus of the built-in model: the same under a seed, sound, and free of held-out topics."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from builtin_model.answers import faulty, fitting
from builtin_model.evaluate import instructions
from builtin_model.reading import format_of
from builtin_model.tasks import TASKS, draw, generate
from builtin_model.topics import Topics, vocabulary_pieces
from builtin_model.words import WORDS
from builtin_model.world import latent
from sysgen_local.phases.tags import parse_json
from sysgen_local.records import LABELS, TAGS

ROOT = Path(__file__).resolve().parent.parent.parent
TRAINING = Topics(pieces=vocabulary_pieces())
HELD_OUT = Topics(held_out=True, pieces=vocabulary_pieces())


def texts(seed: int) -> list[str]:
    rng = Random(seed)
    return [repr(draw(rng, TRAINING)) for _ in range(300)]


def test_a_seed_gives_the_same_text_and_another_seed_another():
    assert texts(1) == texts(1)
    assert texts(1) != texts(2)


def test_a_seed_gives_the_same_text_in_every_process():
    code = (
        "import hashlib\nfrom random import Random\n"
        "from builtin_model.tasks import draw\n"
        "from builtin_model.topics import Topics, vocabulary_pieces\n"
        "rng, topics = Random(1), Topics(pieces=vocabulary_pieces())\n"
        "text = ''.join(repr(draw(rng, topics)) for _ in range(300))\n"
        "print(hashlib.sha256(text.encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_held_out_topics_are_no_training_topics():
    domains = WORDS.domains.values()
    training = {topic.casefold() for domain in domains for topic in domain.train_topics}
    held_out = {topic.casefold() for domain in domains for topic in domain.held_out_topics}
    assert len(held_out) == 5 * len(WORDS.domains)
    assert not training & held_out
    rng = Random(3)
    drawn = {latent(rng, TRAINING).topic.casefold() for _ in range(3000)}
    assert not drawn & held_out
    assert {latent(rng, HELD_OUT).topic.casefold() for _ in range(300)} <= held_out


def test_phrases_parse_in_canonical_order_and_show_all_eight_tags():
    rng = Random(4)
    seen = set()
    for _ in range(500):
        target = generate(rng, TRAINING).target
        tags = [phrase.tag for phrase in parse_json(target)]
        assert tags == [tag for tag in TAGS if tag in tags]
        assert target == json.dumps(
            json.loads(target), separators=(",", ":"), ensure_ascii=False
        )  # as the grammar lets it be written
        seen |= set(tags)
    assert seen == set(TAGS)


@pytest.mark.parametrize("task", TASKS)
def test_every_task_ends_with_what_is_to_be_learnt(task):
    rng = Random(5)
    for _ in range(100):
        sample = TASKS[task].draw(rng, TRAINING)
        assert sample.task == task
        turns = [message.role for message in sample.messages if message.role != "system"]
        assert turns == ["user", "assistant"] * (len(turns) // 2)
        assert sample.target
        for message in sample.messages:
            assert not any(slot in message.content for slot in ("{t}", "{u}", "{x}", "{r}", "{n}"))


def test_the_shares_are_a_whole():
    assert sum(task.share for task in TASKS.values()) == pytest.approx(1)


def test_verdicts_are_the_labels_of_phase_3():
    rng = Random(6)
    samples = [TASKS["verify"].draw(rng, TRAINING) for _ in range(200)]
    said = {m.content for sample in samples for m in sample.messages if m.role == "assistant"}
    assert said == set(LABELS)


def test_a_fitting_answer_has_the_format_it_is_asked_for():
    rng = Random(7)
    for _ in range(300):
        about = latent(rng, TRAINING)
        assert format_of(fitting(rng, about)) == about.format.name


def test_a_faulty_answer_is_another_one():
    rng = Random(8)
    for fault in ("off", "idk", "fmt", "cut"):
        for _ in range(50):
            about = latent(rng, TRAINING)
            answer = faulty(rng, TRAINING, about, fault)
            assert answer
            if fault == "fmt":
                assert format_of(answer) != about.format.name
            if fault == "idk":
                assert about.topic not in answer


def test_the_instructions_by_hand_name_domains_and_formats_that_there_are():
    written = instructions()
    assert len(written) == 20
    assert {name for entry in written for name in entry.domains} <= set(WORDS.domains)
    assert {entry.format for entry in written} <= set(WORDS.formats)
