"""What phrases demand: what the table takes, what it must not take, and what meets a demand."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phases.checks.refused import NO_DEMAND
from phases.checks.taken import TAKEN
from places import SHARED

from sysgen_local.phases.checks.countable import demands
from sysgen_local.phases.checks.table import TABLE

REAL = SHARED / "quality" / "phrases.jsonl"

SHORT = "Rain falls from clouds."
THREE = "Rain falls from clouds. Mr. Lee measured 3.5 mm, e.g. on Monday. It was wet!"
LIST = "Take these:\n\n- bread\n- milk\n- eggs"
STEPS = "1. Boil water.\n2. Add rice.\n3. Wait."
TABLE_TEXT = "| a | b |\n|---|---|\n| 1 | 2 |"
CODE = (
    "Here it is:\n\n```python\ndef f(x):\n    '''Doubles.'''\n    return 2 * x  # twice\n```\nDone."
)
FRENCH = "La pluie tombe des nuages quand l'air humide se refroidit assez vite."
ENGLISH = "Rain falls from the clouds when humid air cools down fast enough."

CASES: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = [
    # phrase, answers that meet it, answers that do not
    ("Answer in three sentences.", (THREE,), (SHORT, THREE + " And so on.")),
    ("Answer in one sentence.", (SHORT, "Dr. Smith lives in St. Louis."), (THREE,)),
    (
        "Answer in one sentence.",
        ("光合作用是植物制造食物的过程。",),
        ("光合作用是过程。它很重要。",),
    ),
    (
        "Answer in two sentences.",
        ("यह पानी है। वह दूध है।", "یہ پانی ہے۔ وہ دودھ ہے۔"),
        ("यह पानी है।",),
    ),
    ("Use at most two sentences.", (SHORT, CODE), (THREE,)),
    ("Use at least three sentences.", (THREE,), (SHORT,)),
    ("Keep the response under 10 words.", (SHORT,), (THREE,)),
    ("Write at least 5 words.", (THREE, "光合作用是植物的过程。"), (SHORT,)),
    ("Keep it under 60 characters.", (SHORT,), (THREE,)),
    ("Write a single paragraph.", (THREE,), (THREE + "\n\n" + THREE,)),
    (
        "Write in three paragraphs.",
        (f"{THREE}\n\n{SHORT}\n\n{THREE}",),
        (THREE, "\n\n".join([THREE] * 4)),
    ),
    (
        "Write a four-line poem.",
        ("Roses are red,\nviolets are blue,\nsugar is sweet,\nand so are you.",),
        (THREE,),
    ),
    ("Use bullet points.", (LIST, "* a\n* b"), (STEPS, THREE)),
    ("Use exactly three bullet points.", (LIST,), ("- a\n- b", THREE)),
    (
        "Give the steps as a numbered list.",
        (STEPS, "**Step 1:** Boil.\n\n**Step 2:** Wait."),
        (LIST, THREE),
    ),
    ("Use bullet points or numbered list.", (LIST, STEPS), (THREE,)),
    ("Present the answer as a list.", (LIST, STEPS, "apples, pears, plums"), (SHORT,)),
    ("Give three tips.", (LIST, "Sleep well. Eat well. Move."), ("- a\n- b\n- c\n- d\n- e",)),
    ("Write a list of five items.", ("1. a\n2. b\n3. c\n4. d\n5. e",), (LIST, STEPS)),
    ("Present the comparison in a table.", (TABLE_TEXT,), (LIST, SHORT)),
    ("Respond in JSON.", ('{"a": 1}', 'Here:\n```json\n{"a": [1, 2]}\n```'), ("{'a': 1}", SHORT)),
    ("Return only valid JSON.", ('{"a": 1}', '```json\n{"a": 1}\n```'), ('Here: {"a": 1}', SHORT)),
    (
        'Return a JSON object with the keys "name" and "age".',
        ('{"name": "Bo", "age": 3}',),
        ('{"name": "Bo"}',),
    ),
    ("Output the data in CSV format.", ("a,b\n1,2\n3,4",), (SHORT,)),
    ("Answer in YAML.", ("name: Bo\nage: 3",), (SHORT,)),
    ("Return the result as XML.", ("<a><b>1</b></a>",), (SHORT, "<a><b>1</a>")),
    ("Put the code in a code block.", (CODE,), ("def f(x):\n    y = 2\n    return y",)),
    ("Provide the solution as a Python code snippet.", (CODE,), (SHORT,)),
    ("Answer with a Python code block.", (CODE,), ("```java\nint a;\n```", SHORT)),
    ("Include a docstring.", (CODE,), ("```python\ndef f(x):\n    return x\n```",)),
    ("Add comments to the code.", (CODE,), ("```python\ndef f(x):\n    return x\n```",)),
    ("Use headings.", ("# Rain\n\nIt falls.", "**Rain**\n\nIt falls."), (THREE,)),
    ("Organize the answer into three sections.", ("## A\nx\n## B\ny\n## C\nz",), (SHORT,)),
    ("Write the answer in French.", (FRENCH, "72"), (ENGLISH,)),
    ("Answer in English.", (ENGLISH,), (FRENCH,)),
    (
        "Antworte auf Deutsch.",
        ("Der Regen fällt aus den Wolken, wenn die Luft abkühlt.",),
        (ENGLISH,),
    ),
    (
        'Begin with "Dear customer".',
        ("Dear Customer, hello.", "**Dear customer**"),
        ("Hello, dear customer.",),
    ),
    ("Begin with a question.", ("Do you know rain? " + THREE,), (THREE,)),
    ("End with a question.", (SHORT + " Do you like it?",), (SHORT, "Why? Because.")),
    (
        "Finish with 'Good luck!'.",
        (SHORT + " Good luck!", SHORT + "\n\n**Good luck!**"),
        ("Good luck! " + SHORT,),
    ),
    ('End with "The answer is X."', ("3 + 4 = 7\nThe answer is 7.",), ("The sum is 7.",)),
    (
        "End with the final number.",
        ("3 + 4 = 7", "So it is seven."),
        ("3 + 4 = 7. That is all there is.",),
    ),
    (
        "End with the result in a full sentence.",
        ("3 + 4 = 7\nThe sum is 7.",),
        ("3 + 4 = 7", "#### 7"),
    ),
    (
        "Start with the title and then give a short account.",
        ("# Rain\nIt falls.", "Rain\n\nIt falls."),
        (THREE,),
    ),
    ('Do not use the word "very".', (SHORT, "Every cloud."), ("It is very wet.",)),
    ("Do not use commas.", (SHORT,), ("Well, rain.",)),
    ("Avoid bullet points.", (THREE, STEPS), (LIST,)),
    ("No emojis.", (SHORT, "Rain → wet ✓"), ("Rain 🌧",)),
    ("Answer without code.", (THREE,), (CODE,)),
    ("Do not use Markdown.", (THREE,), ("**Rain** falls.", LIST)),
    ("Avoid contractions.", ("It is wet. Bob's hat.",), ("It's wet.", "I don’t know.")),
    ('Do not start with "Sure".', (SHORT,), ("Sure, here it is.",)),
    (
        'Use the word "cloud" at least 2 times.',
        ("A cloud met a cloud.",),
        ("A cloud.", "clouds clouds"),
    ),
    ('Include the phrase "at your service".', ("I am at  your service!",), (SHORT,)),
    ("Use emojis.", ("Rain 🌧",), (SHORT,)),
    ("Write in all lowercase letters.", ("rain falls.",), (SHORT,)),
    ("Answer in capital letters only.", ("RAIN FALLS 3 TIMES.",), (SHORT,)),
    ("Answer with yes or no.", ("Yes, it does.", "No"), (SHORT,)),
    ('Answer only with "Yes" or "No".', ("Yes.", "**No**"), ("Yes, it does.",)),
    ("Answer in one word.", ("Rain.",), (SHORT,)),
    ("Answer only with the letter of the correct option.", ("B", "(C)"), ("B, because it rains.",)),
    ("Give only the final number.", ("72", "72 km"), ("The final number is 72 for sure.",)),
    ("Give the result in numerical form.", ("It is 7.",), ("It is seven.",)),
    ("Round to two decimal places.", ("It is 3.14.", "It is 3."), ("It is 3.1416.",)),
    ("Answer in full sentences.", (SHORT,), ("rain, clouds", "72")),
    ("Put the final answer in \\boxed{}.", ("So \\boxed{7}.",), ("So 7.",)),
    ("Write the final answer after ####.", ("3 + 4 = 7\n#### 7",), ("3 + 4 = 7",)),
    ("Use LaTeX for the formulas.", ("\\(3 + 4\\)", "No formula here."), ("x = 3 + 4",)),
    ("Put the key terms in bold.", ("**Rain** falls.",), (SHORT,)),
    ("Write in the first person.", ("I love rain.", FRENCH), (ENGLISH,)),
    ("Give the list as comma-separated values.", ("a, b, c",), (SHORT,)),
    (
        "Wrap your entire response in double quotation marks.",
        ('"Rain."', "“Rain.”"),
        (SHORT, '"Rain." it said'),
    ),
    ("Add a postscript at the end of the letter.", ("Dear Bo,\nrain.\nP.S. Wet.",), (SHORT,)),
    ("Return the page as HTML.", ("```html\n<p>a</p>\n```",), (SHORT, "2 < 3")),
    ("Put the names of the ships in italics.", ("*Titanic* sank.",), (SHORT, "2 * 3 * 4")),
    ("用三句话回答。", ("光合作用是过程。它很重要。它产生氧气。",), ("光合作用是过程。",)),
    ("回复不超过10字", ("光合作用很重要。",), ("光合作用是植物利用阳光制造食物的过程。",)),
    ("箇条書きで答えてください。", ("- 水\n- 光", "・水\n・光"), ("水と光です。",)),
]


@pytest.mark.parametrize(("phrase", "understood"), TAKEN)
def test_what_is_understood_of_a_phrase(phrase: str, understood: tuple[str, ...]) -> None:
    assert sorted(demand.text for demand in demands(phrase)) == sorted(understood)


@pytest.mark.parametrize("phrase", NO_DEMAND)
def test_vague_conditional_and_partial_phrases_demand_nothing(phrase: str) -> None:
    assert demands(phrase) == ()


@pytest.mark.parametrize(("phrase", "right", "wrong"), CASES)
def test_what_meets_a_demand(phrase: str, right: tuple[str, ...], wrong: tuple[str, ...]) -> None:
    (demand,) = demands(phrase)
    assert [demand.met(answer) for answer in right] == [True] * len(right)
    assert [demand.met(answer) for answer in wrong] == [False] * len(wrong)
    assert not demand.met("  \n")


def test_the_language_of_the_question_is_the_language_of_the_answer() -> None:
    (demand,) = demands("Respond in the same language as the user.")
    assert demand.met(FRENCH, "Pourquoi la pluie tombe-t-elle des nuages en automne ?")
    assert not demand.met(ENGLISH, "Pourquoi la pluie tombe-t-elle des nuages en automne ?")


def test_every_row_of_the_table_reads_a_phrase_of_the_tests() -> None:
    phrases = [phrase for phrase, _ in TAKEN] + [phrase for phrase, _, _ in CASES]
    kinds = {demand.kind for phrase in phrases for demand in demands(phrase)}
    assert {row.kind for row in TABLE} <= kinds


def test_real_phrases() -> None:
    """Of 217 phrases that models wrote, those with a demand were read one by one: none is false."""
    if not REAL.exists():
        pytest.skip("no ../shared/data/quality")
    rows = [json.loads(line) for line in REAL.read_text().splitlines()]
    found = {row["text"]: demands(row["text"]) for row in rows}
    understood = sorted({demand.text for read in found.values() for demand in read})
    assert understood == [
        "a C++ code block",
        "a docstring",
        "a full sentence",
        "a list with bullets or a numbered list",
        "a number in digits",
        "a title in the first line",
        "comments in the code",
        "ends with a full sentence",
        "ends with a number",
        "one word",
        "some code",
    ]
    formats = [row for row in rows if row["tag"] == "format"]
    assert sum(bool(found[row["text"]]) for row in formats) == 10
    assert len(formats) == 32


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200), st.text(max_size=400))
def test_nothing_raises_on_odd_text(phrase: str, answer: str) -> None:
    demands(phrase)
    for read in (demands("Answer in three sentences."), demands("Respond in JSON.")):
        assert read
        for demand in read:
            assert demand.met(answer, phrase) in (True, False)


_WORDS = st.sampled_from(
    "answer respond in use with do not avoid end begin start the a an word "
    "sentence sentences two three list"
    ' bullet points json table french "x" at most least 50 words paragraph '
    "bold code or and , . if : ⟦0⟧ 三句话".split()
)


@pytest.mark.e2e  # hundreds of examples take seconds
@settings(max_examples=500, deadline=None)
@given(st.lists(_WORDS, max_size=14), st.text(max_size=100))
def test_whatever_is_read_can_be_tested(words: list[str], answer: str) -> None:
    for demand in demands(" ".join(words)):
        assert demand.kind
        assert demand.text
        assert demand.met(answer, answer) in (True, False)
