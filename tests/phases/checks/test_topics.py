"""Words of a format that name a subject, or a type of data, demand nothing; their neighbours do."""

from __future__ import annotations

import pytest

from sysgen_local.phases.checks.countable import demands
from sysgen_local.phases.checks.topics import asks_for_code, is_of_result

SUBJECTS = [
    # a list of a program
    "Create a list and append the items.",
    "Create a list in Python.",
    "Create a list named fruits.",
    "Make a list object with ten integers.",
    "Give a list as an argument.",
    "Find the largest number in a list.",
    "Sort the numbers in a list.",
    "Iterate over the items in a list.",
    "Store the results in a list.",
    "Implement a stack as a list.",
    "Write the values in a list called result.",
    "Return a list of even integers.",
    "Do not use lists, use tuples.",
    # a table of a database, in a kitchen, of a program
    "Create a table with columns id and name in the database.",
    "Create a table for users in SQL.",
    "Create a users table with a primary key.",
    "Select all rows in a table.",
    "Use a hash table.",
    "Use a pivot table.",
    "Describe how to set a table for dinner.",
    "Use a wooden table.",
    "Put the vase on a table.",
    "Make a table reservation.",
    "Erstelle eine Tabelle in der Datenbank.",
    # a format of data that is talked about, or that a program reads and writes
    "Explain how to convert a dictionary to JSON.",
    "Return JSON from the endpoint.",
    "Save the results as JSON.",
    "Log the events as JSON.",
    "Explain how links work in HTML.",
    "Explain how to export data in CSV.",
    "Read data in CSV format.",
    "Store the settings in YAML.",
    "Explain how elements nest in XML.",
    "Explain how to use Markdown.",
    "Explain how to write a docstring.",
    "Explain what bullet points are.",
    "Use an unordered list tag.",
    "Use headers in the HTTP request.",
    # a language that is talked about, a text that a program tests
    "Explain how to say hello in French.",
    "Explain the grammar of verbs in German.",
    "Give a word in Spanish.",
    "Check that the string has exactly 5 words.",
]

FORMATS = {
    "Return a list of the ingredients.": "a list",
    "Give the answer as a list.": "a list",
    "Present the methods of the class as a list.": "a list",
    "Compare the two algorithms in a table.": "a table",
    "Summarize the functions in a table.": "a table",
    "Use a table to compare the arrays and the loops.": "a table",
    "Return the result as JSON.": "JSON",
    "Convert the table to JSON.": "JSON",
    "Write the page in HTML.": "HTML",
    "Answer in CSV.": "CSV",
    "Explain how it works with bullet points.": "a list with bullets",
    "Describe what happens in a numbered list.": "a numbered list",
    "Use headings and short paragraphs.": "headings",
    "Explain photosynthesis in French.": "the answer is in French",
    "Explain it in English, using simple words.": "the answer is in English",
    "Write exactly 5 words.": "exactly 5 words",
    "Do not use lists, use sentences.": "no lists",
}


@pytest.mark.parametrize("phrase", SUBJECTS)
def test_a_subject_is_no_format(phrase: str) -> None:
    assert demands(phrase) == ()


@pytest.mark.parametrize(("phrase", "text"), FORMATS.items())
def test_a_format_beside_the_same_words_is_one(phrase: str, text: str) -> None:
    assert [demand.text for demand in demands(phrase)] == [text]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Write the function in Python.", True),
        ("Write a SQL query for all users.", True),
        ("Implement a queue with two stacks in C++", True),
        ("Fix the code below", True),
        ("How do I reverse a list in Python?", True),
        ("Given a set of numbers, find all subsets with a sum.", False),
        ("Write about the function of the heart.", False),
        ("Provide the zip code.", False),
        ("Write a code of conduct.", False),
        ("Design a training program for runners.", False),
        ("Describe life on the Java island.", False),
        ("Make a list of tools for the garden.", False),
    ],
)
def test_which_texts_ask_for_a_program(text: str, code: bool) -> None:
    assert asks_for_code([text]) is code
    assert asks_for_code(["Be friendly.", text]) is code
    assert not asks_for_code([])


def test_what_may_be_the_result_of_a_program() -> None:
    assert is_of_result("list", "Return a list of all subsets.")
    assert is_of_result("number only", "Return only the number.")
    assert not is_of_result("list", "Explain the parts in a list.")
    assert not is_of_result("bullets", "Use bullet points.")
    assert not is_of_result("sentences", "Answer in two sentences.")
