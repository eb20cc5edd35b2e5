"""The corpus of the built-in model: the same under a seed, sound, and free of held-out topics."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from builtin_recipe.answers import faulty, fitting
from builtin_recipe.figures import Figures, calibration_error
from builtin_recipe.reading import format_of, is_broken, role_domains, says_twice
from builtin_recipe.rows import for_choosing, labels, read, written
from builtin_recipe.scenario import draw_scenario, filled, some_points, story
from builtin_recipe.tasks import TASKS, draw, exemplary, generate
from builtin_recipe.topics import Topics, vocabulary_pieces
from builtin_recipe.verdicts import draw_verdict, far_from
from builtin_recipe.words import WORDS
from sysgen_local.core.records import LABELS, TAGS
from sysgen_local.phases.tags import parse_json

ROOT = Path(__file__).resolve().parent.parent
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
        "from builtin_recipe.tasks import draw\n"
        "from builtin_recipe.topics import Topics, vocabulary_pieces\n"
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
    drawn = {draw_scenario(rng, TRAINING).topic.casefold() for _ in range(3000)}
    assert not drawn & held_out
    held = {draw_scenario(rng, HELD_OUT).topic.casefold().strip("'\"") for _ in range(300)}
    assert held <= held_out


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


def test_a_story_is_of_two_people_and_of_those_that_the_question_names():
    told = [story(Random(seed), "How many juices does Ines have left?") for seed in range(100)]
    people = [{name for name in WORDS.names if name in text} for text in told]
    assert max(map(len, people)) == 2
    assert sum("Ines" in text for text in told) > 30
    assert sum("juice" in text for text in told) > 30


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
        about = draw_scenario(rng, TRAINING)
        assert format_of(fitting(rng, about)) == about.format.name


def test_a_faulty_answer_is_another_one():
    rng = Random(8)
    for fault in ("off", "idk", "fmt", "cut"):
        for _ in range(50):
            about = draw_scenario(rng, TRAINING)
            answer = faulty(rng, TRAINING, about, fault)
            assert answer
            if fault == "fmt":
                assert format_of(answer) != about.format.name
            if fault == "idk":
                assert about.topic not in answer


def bare_pattern(pattern: str) -> str:
    """Whatever stands in its slots, and with or without the marks of a topic."""
    return re.sub(r"\{[twpv]\}", "{}", re.sub(r"[\[\]]", "", pattern))


def test_held_out_patterns_are_no_training_patterns():
    train = {p for domain in WORDS.domains.values() for p in domain.train_patterns}
    train |= {p for group in WORDS.general for p in group.patterns}
    held_out = {p for domain in WORDS.domains.values() for p in domain.held_out_patterns}
    held_out |= {p for group in WORDS.general for p in group.held_out}
    assert not {bare_pattern(p) for p in train} & {bare_pattern(p) for p in held_out}
    rng = Random(10)
    told = {draw_scenario(rng, TRAINING).pattern for _ in range(3000)}
    assert not told & held_out
    assert {draw_scenario(rng, HELD_OUT).kind for _ in range(300)} <= {
        "domain", "explain", "advise", "list", "compare", "write"
    }  # fmt: skip


def test_no_word_of_a_domain_is_a_held_out_topic():
    held_out = {
        topic.casefold() for domain in WORDS.domains.values() for topic in domain.held_out_topics
    }
    words = {
        word.casefold()
        for domain in WORDS.domains.values()
        for word in domain.things + domain.known
    }
    assert not words & held_out
    assert not {f"{word}s" for word in words} & held_out


def test_an_instruction_that_is_measured_can_hardly_be_drawn(shared_data):
    rows = [*written(), *read(shared_data / "sft" / "lfs_instruction_data.json"), *for_choosing()]
    measured = {row.instruction.casefold() for row in rows}
    rng = Random(14)
    drawn = {draw_scenario(rng, TRAINING).instruction.casefold() for _ in range(20_000)}
    assert not drawn & measured


def test_there_are_thirty_domains_and_more():
    assert len(WORDS.domains) >= 30
    rng = Random(11)
    assert {draw_scenario(rng, TRAINING).domain for _ in range(3000)} == set(WORDS.domains)


def test_no_sentence_of_a_fitting_answer_comes_twice():
    rng = Random(12)
    answers = [fitting(rng, draw_scenario(rng, TRAINING)) for _ in range(500)]
    assert not [answer for answer in answers if says_twice(answer)]
    assert says_twice("- Wash: use soap.\n- Wash: use soap.")


def test_each_point_tells_which_may_come_next():
    rng = Random(15)
    domain = WORDS.domains["cooking"]
    drawn = {some_points(rng, domain) for _ in range(200)}
    assert len(drawn) == 8
    for points in drawn:
        assert [domain.points.index(point) // 2 for point in points] == [0, 1, 2]


def test_no_title_stands_at_another_place_in_another_domain():
    places: dict[str, int] = {}
    for domain in WORDS.domains.values():
        for number, point in enumerate(domain.points):
            assert places.setdefault(point.title, number // 2) == number // 2


def test_what_is_quoted_is_the_topic_with_its_quotes():
    rng = Random(16)
    quoted = [
        about for about in (draw_scenario(rng, TRAINING) for _ in range(2000)) if "'" in about.topic
    ]
    assert len(quoted) > 50
    assert all(about.topic.lower() in about.instruction.lower() for about in quoted)


def test_an_article_of_a_topic_takes_the_place_of_one_before_it():
    assert filled("The {t} fell.", "a green lamp") == "A green lamp fell."
    assert filled("See the {t}.", "lamp") == "See the lamp."


def test_what_is_shown_as_good_can_be_learnt():
    def good(shown: str, reply: str) -> str:
        start, end = exemplary(shown, reply)
        return shown[start:end]

    assert good("Phrase: Use a map.\nTag: tool", "good") == " tool"
    assert good("System: A: no.\nInstruction: x\nA: Yes.\n- One\nB: No.", "A") == " Yes.\n- One"
    assert good("A: Yes.\nB: No.", "A") == " Yes."
    assert good("Instruction: x\nAnswer: # About x\nText.", "5") == " # About x\nText."
    assert good("Answer: No.", "1") == ""


def test_a_bad_role_is_of_a_domain_far_from_the_instruction():
    rng = Random(13)
    seen = 0
    for _ in range(2000):
        about = draw_scenario(rng, TRAINING, telling=True)
        verdict = draw_verdict(rng, TRAINING, about)
        if verdict.case == "role of another instruction":
            seen += 1
            assert about.domain not in role_domains(verdict.phrase)
    assert seen > 150
    assert "chemistry" not in far_from(["science"])


def test_a_role_is_known_by_its_longest_name():
    assert role_domains("You are a math tutor.") == {"math"}
    assert role_domains("Act as a tutor.") == {"education"}
    assert role_domains("You are a unicorn.") == frozenset()


def test_a_word_from_nowhere_is_broken():
    assert not is_broken("You are a chef. Focus on basil.", "my basil droops")
    assert is_broken("You are a chef. Focus on basilil.", "my basil droops")


def test_calibration_is_the_distance_of_confidence_and_accuracy():
    assert calibration_error([(1.0, True), (1.0, True)]) == 0
    assert calibration_error([(0.9, False)]) == pytest.approx(0.9)
    assert calibration_error([(0.75, True), (0.75, True), (0.75, True), (0.75, False)]) == 0


def test_the_table_shows_shares_and_numbers():
    figures = Figures(numbers={"bias": 1.5})
    figures.count("hits", True)
    figures.count("hits", False)
    assert "| hits | 50% | 1 of 2 |" in figures.table()
    assert "| bias | 1.50 | |" in figures.table()


def test_what_is_labelled_by_hand_names_domains_and_formats_that_there_are():
    by_hand = written()
    assert len(by_hand) == len({entry.instruction for entry in by_hand}) == 100
    assert {name for entry in by_hand for name in entry.domains} <= set(WORDS.domains)
    assert {entry.format for entry in by_hand} <= set(WORDS.formats)
    for entry in by_hand:
        assert any(word in entry.instruction.lower() for word in entry.topic), entry
    assert len(labels()) == 100
    assert {name for names in labels().values() for name in names} <= set(WORDS.domains)


def test_models_are_chosen_by_other_instructions_than_they_are_measured_by():
    rows = for_choosing()
    assert {name for row in rows for name in row.domains} == set(WORDS.domains)
    assert not {row.instruction for row in rows} & {row.instruction for row in written()}


def test_labelled_rows_are_read_from_the_data_set(shared_data):
    rows = read(shared_data / "sft" / "lfs_instruction_data.json")
    assert len(rows) == 100
    assert all(row.topic and row.domains and row.answer for row in rows)


def test_another_data_set_is_refused(tmp_path):
    path = tmp_path / "other.json"
    path.write_text("[]")
    with pytest.raises(ValueError, match="another data set"):
        read(path)
