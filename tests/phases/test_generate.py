"""Phase 1 without a model: which demonstrations a row sees, and the language it is asked in."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest

from sysgen_local.core.records import Conversation, Phrase, Row, Turn
from sysgen_local.engine.request import Completion, Request
from sysgen_local.phases.generate import Generate, exchanges
from sysgen_local.phases.tags import LONGEST
from sysgen_local.prompts import PromptSet

DEFAULT = PromptSet.load("default")
COMPACT = PromptSet.load("compact")
ENGLISH = Conversation(
    (
        Turn("user", "How do I grow mint on a small balcony in the shade?"),
        Turn("assistant", "Plant it in a pot, keep the soil moist and cut it often."),
    ),
    1,
)
GERMAN = Conversation(
    (
        Turn("user", "Wie ziehe ich Minze auf einem kleinen Balkon im Schatten?"),
        Turn("assistant", "Pflanzen Sie sie in einen Topf und halten Sie die Erde feucht."),
    ),
    1,
)


def asked(stage: Generate, number: int = 1, conversation: Conversation = ENGLISH) -> Request:
    [request] = next(stage.work(Row(number, conversation)))
    return request


def test_each_row_draws_its_group_of_demonstrations():
    groups = DEFAULT.groups("generate")
    assert len(groups) > 2
    requests = [asked(Generate(DEFAULT, seed=1), number) for number in range(1, 201)]
    drawn = Counter(request.group for request in requests)
    assert set(drawn) == {f"generate:{group}" for group in groups}
    assert min(drawn.values()) >= 200 / len(groups) / 2
    turns = exchanges(ENGLISH)
    of_group = {
        f"generate:{group}": DEFAULT.messages("generate", group, turns=turns) for group in groups
    }
    assert [r.messages for r in requests] == [of_group[r.group] for r in requests]
    assert len({r.seed for r in requests}) == 200


def test_the_group_is_the_seeds_and_the_rows_alone():
    def drawn(seed: int) -> list[str]:
        stage = Generate(DEFAULT, seed=seed)
        return [asked(stage, number).group for number in range(1, 51)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    other = Conversation(
        (Turn("user", "What is the tallest tree in the world?"), ENGLISH.turns[1]), 9
    )
    one, two = (asked(Generate(DEFAULT), 7, row).group for row in (ENGLISH, other))
    assert one == two  # what the row says does not matter


def test_rows_in_other_languages_see_demonstrations_of_their_own():
    foreign = {f"generate:{group}" for group in DEFAULT.groups("generate", foreign=True)}

    def drawn(conversation: Conversation, language: str | None = None) -> set[str]:
        stage = Generate(DEFAULT, language=language)
        return {asked(stage, number, conversation).group for number in range(1, 51)}

    assert drawn(GERMAN) == drawn(ENGLISH, "fr") == foreign
    assert not drawn(ENGLISH) & foreign
    assert not drawn(GERMAN, "en") & foreign


def test_without_groups_all_rows_see_the_same():
    rows = [(number, row) for number in range(1, 20) for row in (ENGLISH, GERMAN)]
    assert {asked(Generate(COMPACT), *row).group for row in rows} == {"generate:0"}


@pytest.mark.parametrize(
    ("language", "letters"), [("de", None), ("ru", "\u0400"), ("zh", "\u3400"), ("el", "\u0370")]
)
def test_phrases_begin_in_the_script_of_their_language(language, letters):
    schema = asked(Generate(DEFAULT, language=language)).constraint.schema
    usual = Generate(DEFAULT).facts()["grammar"]
    if letters is None:
        assert schema == usual
        return
    pattern = json.loads(schema)["$defs"]["_Phrase"]["properties"]["text"]["pattern"]
    assert re.match(pattern, f"{chr(ord(letters) + 5)} and so on")
    assert not re.match(pattern, "Be brief.")
    assert not re.match(pattern, chr(ord(letters) + 5) * (LONGEST + 1))
    # A prompt that does not name the language is not held to it.
    assert asked(Generate(COMPACT, language=language)).constraint.schema == usual


@pytest.mark.parametrize(
    ("conversation", "language", "said"),
    [
        (ENGLISH, None, None),
        (GERMAN, None, "German"),
        (ENGLISH, "fr", "French"),
        (GERMAN, "fr", "French"),
        (GERMAN, "en", None),
    ],
)
def test_the_language_is_named_where_it_is_not_english(conversation, language, said):
    last = asked(Generate(DEFAULT, language=language), 1, conversation).messages[-1].text
    line = f"\nWrite the phrases in {said}."
    assert last.endswith(line) if said else "Write the phrases" not in last


def test_the_recipe_knows_the_language_only_where_it_was_given():
    assert "language" not in Generate(DEFAULT).facts()
    assert Generate(DEFAULT, language="fr").facts()["language"] == "fr"


def test_phrases_come_back():
    work = Generate(DEFAULT).work(Row(1, ENGLISH))
    [request] = next(work)
    text = '[{"tag":"role","text":"You are a gardener."}]'
    with pytest.raises(StopIteration) as end:
        work.send([Completion(request.id, text, "stop", 9, 5, 0.1)])
    assert end.value.value.phrases == (Phrase("role", "You are a gardener."),)
