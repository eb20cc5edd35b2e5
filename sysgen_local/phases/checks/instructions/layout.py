"""Rules about the layout of an answer: placeholders, postscripts, lists, sections, titles, JSON."""

from __future__ import annotations

import json
import re

CHOICES = ("My answer is yes.", "My answer is no.", "My answer is maybe.")


def number_placeholders(answer: str, *, num_placeholders: int) -> bool:
    """At least so many placeholders in square brackets.

    Known fault: whatever is in square brackets counts, links and array indices too.
    """
    return len(re.findall(r"\[[^\]\n]*\]", answer)) >= num_placeholders


def postscript(answer: str, *, postscript_marker: str) -> bool:
    """A postscript begins with the marker.

    Known fault: the marker may stand anywhere, in the first line or inside a word. "P.P.S" is also
    found in "p. p. s", and another marker is read as a regular expression.
    """
    known = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}
    return bool(re.search(known.get(postscript_marker, postscript_marker.lower()), answer.lower()))


def number_bullet_lists(answer: str, *, num_bullets: int) -> bool:
    """Exactly so many bullet points, "*" or "-" at the beginning of a line.

    Known fault: every line that begins with "-" counts, a rule such as "---" too, and so does a
    line that begins with emphasis ("*so*").
    """
    stars = re.findall(r"^\s*\*[^*].*$", answer, re.MULTILINE)
    dashes = re.findall(r"^\s*-.*$", answer, re.MULTILINE)
    return len(stars) + len(dashes) == num_bullets


def constrained_response(answer: str) -> bool:
    """One of three fixed answers.

    Known fault: the fixed answer may stand anywhere in a longer one, also beside another.
    """
    return any(choice in answer for choice in CHOICES)


def number_highlighted_sections(answer: str, *, num_highlights: int) -> bool:
    """At least so many passages in asterisks.

    Known fault: **bold** counts twice, once as bold and once as a part of it in single asterisks if
    two bold passages stand in one line; bullet points in one line look like emphasis.
    """
    single = re.findall(r"\*[^*\n]*\*", answer)
    double = re.findall(r"\*\*([^*\n]*)\*\*", answer)
    said = [text for text in (*(of.strip("*") for of in single), *double) if text.strip()]
    return len(said) >= num_highlights


def multiple_sections(answer: str, *, section_spliter: str, num_sections: int) -> bool:
    """At least so many sections, each of which begins with the word and a number.

    Known fault: "at least", where the prompt says "must have"; a reference to a section ("see
    Section 2") counts, and the word is read as a regular expression.
    """
    pattern = re.compile(rf"\s?{section_spliter}\s?\d+\s?")
    # The reference counts the parts of re.split, which has each group of the pattern too.
    return len(pattern.findall(answer)) * (1 + pattern.groups) >= num_sections


def json_format(answer: str) -> bool:
    """The whole answer is JSON, with or without a code fence.

    Known fault: a bare number, or a text in quotation marks, is JSON.
    """
    text = answer.strip()
    for fence in ("```json", "```Json", "```JSON", "```"):
        text = text.removeprefix(fence)
    try:
        json.loads(text.removesuffix("```").strip())
    except (ValueError, RecursionError):
        return False
    return True


def title(answer: str) -> bool:
    """A title in double angular brackets.

    Known fault: it may stand anywhere, and code with "<<" and ">>" in one line has one.
    """
    found = re.findall(r"<<[^\n]+>>", answer)
    return any(text.lstrip("<").rstrip(">").strip() for text in found)
