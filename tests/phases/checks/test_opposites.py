"""What a user asks for who wants the contrary of a demand, and whether an answer gave in."""

from __future__ import annotations

import pytest

from sysgen_local.core.language import language_of
from sysgen_local.phases.checks.countable import Demand, demands
from sysgen_local.phases.checks.opposite_words import LANGUAGE_NAMES, OPENINGS, SENTENCES
from sysgen_local.phases.checks.opposites import WORDINGS, Opposite, opposite

FOUR = "It is hot. It is wet. It is green. It is far."
LIST = "- rice\n- peas\n- salt"
TABLE = "| a | b |\n|---|---|\n| 1 | 2 |"

PAIRS = [
    # phrase, what is asked for instead, an answer that obeys, one that gives in
    ("Answer in one sentence.", "at least 3 sentences", "It is hot.", FOUR),
    ("Use at most 2 sentences.", "at least 4 sentences", "It is hot. It is wet.", FOUR),
    ("Write two to three sentences.", "at least 5 sentences", "It is hot. It is wet.", FOUR + FOUR),
    ("Use at least 4 sentences.", "at most 2 sentences", FOUR, "It is hot. It is wet."),
    ("Use at least 2 sentences.", "at most 1 sentence", FOUR, "It is hot."),
    ("Use at most 10 words.", "at least 20 words", "It is hot.", FOUR + " " + FOUR),
    ("Use at least 8 words.", "at most 4 words", FOUR, "It is hot."),
    ("Use at most 40 characters.", "at least 80 characters", "It is hot.", FOUR + FOUR),
    ("Write exactly one paragraph.", "at least 3 paragraphs", FOUR, "One.\n\nTwo.\n\nThree."),
    ("Write exactly two lines.", "at least 4 lines", "One\nTwo", "One\nTwo\nThree\nFour"),
    ("Answer in French.", "the answer is in English",
     "Le chat est assis sur la table et regarde par la fenêtre.",
     "The cat sits on the table and looks out of the window."),
    ("Answer in English.", "the answer is in Spanish",
     "The cat sits on the table and looks out of the window.",
     "El gato está sentado en la mesa y mira por la ventana."),
    ('Use the word "tea".', 'does not use "tea"', "Drink tea.", "Drink it."),
    ('Do not use the word "tea".', 'uses "tea"', "Drink it.", "Drink tea."),
    ('Begin with "Well".', 'does not begin with "Well"', "Well, no.", "No."),
    ('Do not begin with "Well".', 'begins with "Well"', "No.", "Well, no."),
    ('End with "Bye".', 'does not end with "Bye"', "No. Bye", "No."),
    ('Do not end with "Bye".', 'ends with "Bye"', "No.", "No. Bye"),
    ("Use bullet points.", "no lists", LIST, "Rice and peas."),
    ("Use a numbered list.", "no lists", "1. rice\n2. peas", "Rice and peas."),
    ("Do not use lists.", "a list with bullets", "Rice and peas.", LIST),
    ("Do not use bullet points.", "a list with bullets", "Rice and peas.", LIST),
    ("Use a table.", "no tables", TABLE, "Rice and peas."),
    ("Do not use tables.", "a table", "Rice and peas.", TABLE),
    ("Use headings.", "no headings", "# Rice\n\nIt is hot.", "It is hot."),
    ("Use emojis.", "no emojis", "Hot \U0001f525", "Hot"),
    ("Do not use emojis.", "emojis", "Hot", "Hot \U0001f525"),
    ("Do not use digits.", "digits", "Nine", "9"),
    ("Do not use exclamation marks.", "exclamation marks", "Hot.", "Hot!"),
    ("Do not ask questions.", "a question", "Hot.", "Hot?"),
    ("Write in capital letters only.", "upper and lower case", "HOT.", "Hot."),
    ("Write in lower case only.", "upper and lower case", "hot.", "Hot."),
    ("Answer in one word.", "at least 3 sentences", "Hot", FOUR),
    ("Answer in JSON.", "no JSON", '{"a": 1}', "It is hot."),
    ("End with a question.", "does not end with a question", "Hot. Is it?", "Hot."),
    ("Use Markdown.", "no Markdown", "**Hot**", "Hot"),
    ("Give it a title.", "no title in the first line", "# Rice\n\nIt is a hot dish.",
     "It is a hot dish."),
]  # fmt: skip


def of(phrase: str) -> tuple[Demand, Opposite]:
    [demand] = demands(phrase)
    found = opposite(demand)
    assert found is not None
    return demand, found


@pytest.mark.parametrize(("phrase", "text", "obeys", "gives_in"), PAIRS)
def test_no_answer_does_both(phrase: str, text: str, obeys: str, gives_in: str) -> None:
    demand, asked = of(phrase)
    assert asked.text == text
    assert demand.met(obeys)
    assert not asked.given_in(obeys)
    assert asked.given_in(gives_in)
    assert not demand.met(gives_in)
    assert not asked.given_in(" ")


def bare(asked: Opposite, language: str) -> str:
    """The sentence without a beginning."""
    values = asked.values
    if asked.name == "language":
        values = (LANGUAGE_NAMES[language][values[0]],)
    return SENTENCES[language][asked.name].format(*values)


@pytest.mark.parametrize("phrase", [phrase for phrase, *_ in PAIRS])
def test_the_sentence_asks_for_what_the_rule_tests(phrase: str) -> None:
    """The rules read the English sentence as a demand that is the same as the opposite's, or they
    cannot read it."""
    _, asked = of(phrase)
    read = [demand.text for demand in demands(bare(asked, "en"))]
    same = {"at most 1 sentence": "exactly 1 sentence"}
    assert read in ([], [asked.text], [same.get(asked.text)])


def test_most_english_sentences_can_be_read() -> None:
    read = [bool(demands(bare(of(phrase)[1], "en"))) for phrase, *_ in PAIRS]
    assert sum(read) >= 25


@pytest.mark.parametrize("language", WORDINGS)
def test_the_words_are_in_the_language(language: str) -> None:
    """One text of all sentences, since a single one is too short to tell."""
    sentences = [of.replace("{0}", "3") for of in SENTENCES[language].values()]
    assert language_of(" ".join(sentences)) == language
    assert language_of(" ".join(OPENINGS[language])) == language
    missing = set(SENTENCES["en"]) - set(SENTENCES[language])
    assert missing <= {"first person"}  # its rule reads English alone


@pytest.mark.parametrize("language", WORDINGS)
def test_the_wording_varies_and_is_the_same_again(language: str) -> None:
    _, asked = of("Answer in one sentence.")
    said = [asked.said(language, str(seed)) for seed in range(60)]
    assert len(set(said)) == len(OPENINGS[language])
    assert said == [asked.said(language, str(seed)) for seed in range(60)]
    assert all("3" in text for text in said)


def test_what_has_no_opposite_or_no_wording() -> None:
    for phrase in ("Do not use commas.", "Answer in complete sentences.", "Use at least 1 word.",
                   "Round to two decimals.", "Use at least one sentence."):  # fmt: skip
        for demand in demands(phrase):
            assert opposite(demand) is None, demand
    _, asked = of("Answer in one sentence.")
    assert asked.said("ja") is None
    assert asked.said(None) is None
    _, person = of("Do not use the first person.")
    assert person.said("en") is not None
    assert person.said("de") is None
