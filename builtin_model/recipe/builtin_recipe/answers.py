"""The answers of the corpus: one that obeys everything it is asked, and ones with a fault."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random
from typing import Literal

from builtin_recipe.scenario import Scenario, draw_scenario, filled, some_points, spoken
from builtin_recipe.topics import Topics, capitalised
from builtin_recipe.words import WORDS, Format, Point

_RESTATING = 0.4
"""Part of the ordinary answers that take up words of the instruction."""

Fault = Literal["off", "idk", "fmt", "cut"]
"""off: of another topic and domain; idk: says nothing; fmt: another format; cut: stops early."""

_REFUSALS = ("I do not know.", "No.", "Sorry.", "Maybe.", "I cannot help with that.")
_INTROS = (
    "Here are some points about {t}.",
    "These are the main ideas on {t}.",
    "Here is some help with {t}.",
)
_TOOL_SENTENCES = (
    "You can use {x} for this.",
    "{x} is useful here.",
    "It is a good idea to take {x}.",
)


def fitting(rng: Random, about: Scenario) -> str:
    """An answer with the format, style, action, background and tool that `about` asks for."""
    topic, form = about.topic, about.format.name
    points = [Point(p.title, p.sentence.replace("{t}", topic)) for p in about.points]
    titles = [point.title for point in points]
    opening = rng.choice(about.style.openings) if about.style else ""
    if form == "json":
        return json.dumps(
            {"title": f"About {topic}", "points": titles}, separators=(",", ":"), ensure_ascii=False
        )
    if form == "sentence":
        return _joined(" ", opening, capitalised(f"for {topic}, {points[0].sentence}"))
    if form == "table":
        return _joined("\n", opening, _table(topic, titles))
    intro = rng.choice(_INTROS).replace("{t}", topic)
    title = f"# About {topic}" if form == "heading" else ""
    if form in ("paragraph", "heading") and not about.code:
        text = _piece_of_writing(rng, about, points)
        if text:
            return _joined("\n", opening, title, text)
    if about.kind == "compare":
        intro = f"Both {topic} and {about.second} have good sides."
    first = _joined("\n", title, _joined(" ", opening, intro))
    plain = form == "paragraph" and not about.code
    return _joined(" " if plain else "\n", first, _body(about, points), _ending(about))


def _joined(separator: str, *parts: str) -> str:
    return separator.join(part for part in parts if part)


def _table(topic: str, titles: list[str]) -> str:
    rows = [f"| {number} | {title} |" for number, title in enumerate(titles, start=1)]
    return "\n".join([f"| Point | {topic} |", "| --- | --- |", *rows])


def _piece_of_writing(rng: Random, about: Scenario, points: list[Point]) -> str:
    """A story, a poem or an email where the instruction asks for one, else nothing."""
    topic, pattern = about.topic, about.pattern.lower()
    if any(word in pattern for word in ("story", "novel", "tale")):
        name = rng.choice(WORDS.names)
        lines = [
            filled(rng.choice(choices), topic)
            .replace("{n}", name)
            .replace("{a}", rng.choice(WORDS.nouns))
            .replace("{b}", rng.choice(WORDS.nouns))
            for choices in WORDS.story
        ]
        return " ".join(lines)
    if any(word in pattern for word in ("poem", "haiku", "song about")):
        lines = [line for couplet in rng.sample(WORDS.poem, 2) for line in couplet]
        return "\n".join(lines).replace("{t}", topic)
    if "email" in pattern:
        subject = f"Subject: some words on {topic}"
        text = f"I am writing about {topic}. {capitalised(points[0].sentence)}"
        return f"{subject}\n\nDear team,\n{text}\nBest regards"
    return ""


def _body(about: Scenario, points: list[Point]) -> str:
    if about.format.name == "bullet":
        text = "\n".join(f"- {p.title}: {p.sentence}" for p in points)
    elif about.format.name == "numbered":
        text = "\n".join(f"{n}. {p.title}: {p.sentence}" for n, p in enumerate(points, start=1))
    else:
        text = " ".join(capitalised(p.sentence) for p in points)
    return _joined("\n", _code(about.topic) if about.code else "", text)


def _code(topic: str) -> str:
    return f"```python\ndef work(data):\n    # about {topic}\n    return data\n```"


def _ending(about: Scenario) -> str:
    tool = f"{capitalised(about.tool)} will help you here." if about.tool else ""
    action = filled(about.action.sentence, about.topic) if about.action else ""
    return _joined(" ", tool, action, about.background.sentence if about.background else "")


def faulty(rng: Random, topics: Topics, about: Scenario, fault: Fault) -> str:
    """An answer with one fault."""
    match fault:
        case "off":
            return _off_topic(rng, about, draw_scenario(rng, topics.training))
        case "idk":
            return rng.choice(_REFUSALS)
        case "fmt":
            return fitting(rng, replace(about, format=_other_format(rng, about.format)))
        case "cut":
            words = fitting(rng, about).split(" ")
            return " ".join(words[: max(2, len(words) // 4)])


def _off_topic(rng: Random, about: Scenario, other: Scenario) -> str:
    """A plain answer in the right format on the topic of another scenario."""
    domain = other.domain
    if domain == about.domain:
        domain = rng.choice([name for name in WORDS.domains if name != about.domain])
    strayed = replace(
        about,
        topic=other.topic,
        points=some_points(rng, WORDS.domains[domain]),
        kind="",
        pattern="",
        style=None,
        background=None,
        action=None,
        tool=None,
        code=False,
    )
    return fitting(rng, strayed)


def _other_format(rng: Random, form: Format) -> Format:
    others = [f for f in WORDS.formats.values() if f.name not in (form.name, "heading")]
    return rng.choice(others)


def ordinary(rng: Random, topics: Topics, about: Scenario) -> tuple[str, Scenario]:
    """An answer as other people write it, cut anywhere and without a tidy format. Mostly it has
    nothing but a few words by which its domain could be known.

    `about` comes back without its tool where the answer does not name it.
    """
    filler = rng.sample(WORDS.filler, rng.choice((1, 2, 3, 5)))
    domain = WORDS.domains[about.domain]
    points = rng.sample(domain.points, rng.choice((1, 2, 4)) if rng.random() < 0.3 else 0)
    sentences = filler + [_part(rng, point, about.topic) for point in points]
    if rng.random() < _RESTATING:
        sentences.append(_restated(rng, topics, about.instruction))
    for statement in rng.sample(WORDS.statements, rng.choice((0, 1, 2, 3))):
        sentences.append(filled(spoken(rng, statement, domain.things), about.topic))
    names_tool = about.tool is not None and rng.random() < 0.5
    if about.tool and names_tool:
        sentences.append(rng.choice(_TOOL_SENTENCES).replace("{x}", about.tool))
    if rng.random() < 0.6:
        start = rng.randint(0, len(sentences) - 1)
        sentences = sentences[start:] + [topics.noise(rng) for _ in range(rng.randint(1, 4))]
    rng.shuffle(sentences)
    answer = " ".join(capitalised(sentence) for sentence in sentences)
    if rng.random() < 0.3 and not names_tool:
        words = answer.split(" ")
        answer = " ".join(words[: max(3, int(len(words) * rng.random()))]) + rng.choice(("", "..."))
    return answer, about if names_tool else replace(about, tool=None)


def _restated(rng: Random, topics: Topics, instruction: str) -> str:
    """Some words of the instruction again, as answers begin: what follows them there and here
    differs, and copying has to keep to where it was."""
    words = instruction.split()
    start = rng.randrange(len(words))
    again = " ".join(words[start : start + rng.randint(2, 9)]).rstrip(".?!:,")
    lead = rng.choice(("", "", "The ", "A ", "Well, "))
    link = rng.choice(("is", "is", "are", "was", "means", "of"))
    return f"{lead}{again} {link} {topics.noise(rng).lower()}"


def _part(rng: Random, point: Point, topic: str) -> str:
    part = rng.choice((point.title, point.sentence, point.sentence))
    return filled(part, topic).rstrip(".") + "."
