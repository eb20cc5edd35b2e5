"""What one example is about: a topic, an instruction on it, and how it is to be answered."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from builtin_model.topics import Topics, capitalised
from builtin_model.words import WORDS, Action, Background, Domain, Format, Point, Style

_PROSE = ("bullet", "numbered", "paragraph", "heading")
"""Formats with room for an action, a tool or code."""

_NOT_IMPERATIVE = """
how what why who when where which is can could does do i my we should {t} quick any
everything someone every many tips if tl;dr key at there have
"""
"""First words of patterns that ask or tell."""


@dataclass(frozen=True, slots=True)
class Latent:
    """What one example is about. `instruction` is the finished text; `pattern` still has {t}."""

    domain: str
    topic: str
    second: str
    kind: str
    pattern: str
    task: str
    instruction: str
    role: str
    points: tuple[Point, ...]
    format: Format
    style: Style | None
    style_said: bool
    background: Background | None
    action: Action | None
    tool: str | None
    code: bool


def filled(pattern: str, topic: str, second: str = "") -> str:
    return capitalised(pattern.replace("{t}", topic).replace("{u}", second))


def _imperatives() -> frozenset[str]:
    """First words of instructions that are commands, in lower case."""
    patterns = [p for domain in WORDS.domains.values() for p in domain.patterns]
    patterns += [p for group in WORDS.general for p in group.patterns + group.held_out]
    first = {pattern.split(" ")[0].lower() for pattern in patterns}
    return frozenset(
        first - set(_NOT_IMPERATIVE.split()) | {verb.split(" ")[0] for verb in WORDS.verbs}
    )


_IMPERATIVES = _imperatives()


def latent(rng: Random, topics: Topics, telling: bool = False) -> Latent:
    """One example. With `telling` the instruction shows its domain, by pattern or by topic."""
    domain = WORDS.domains[rng.choice(tuple(WORDS.domains))]
    topic = topics.topic(rng, domain)
    second = _another(rng, topics, domain, topic)
    needs_pattern = telling and topic not in domain.train_topics
    kind, pattern, task = _pattern(rng, domain, needs_pattern, topics.held_out)
    background = rng.choice(WORDS.backgrounds) if rng.random() < 0.35 else None
    style = rng.choice(WORDS.styles) if rng.random() < 0.5 else None
    name = rng.choice(tuple(WORDS.formats)) if rng.random() < 0.75 else "paragraph"
    prose = name in _PROSE
    action = rng.choice(WORDS.actions) if rng.random() < 0.4 and prose else None
    tool = rng.choice(domain.tools) if rng.random() < 0.3 and prose else None
    code = domain.name == "code" and prose and rng.random() < 0.5
    pattern = _without_slots(rng, pattern)
    instruction = filled(pattern, topic, second)
    lower = rng.random() < 0.06
    if lower:
        instruction, topic, second = instruction.lower(), topic.lower(), second.lower()
    task = task.replace("{t}", topic) if task else _task(rng, instruction)
    instruction = _around(rng, topics, instruction)
    if background and rng.random() < 0.8:
        instruction = f"{background.said} {instruction}"
    style_said = style is not None and rng.random() < 0.25
    if style and style_said:
        instruction += " " + style.request
    if rng.random() < 0.2:
        instruction += " " + rng.choice(WORDS.formats[name].requests)
    instruction = _polite(rng, instruction)
    if lower:
        instruction = instruction[:1].lower() + instruction[1:]
    return Latent(
        domain=domain.name,
        topic=topic,
        second=second,
        kind=kind,
        pattern=pattern,
        task=task,
        instruction=instruction,
        role=rng.choice(domain.roles),
        points=some_points(rng, domain),
        format=WORDS.formats[name],
        style=style,
        style_said=style_said,
        background=background,
        action=action,
        tool=tool,
        code=code,
    )


def _around(rng: Random, topics: Topics, instruction: str) -> str:
    """The instruction, sometimes with a sentence before or behind it."""
    sort = rng.random()
    if sort < 0.12:
        before = topics.noise(rng) if rng.random() < 0.4 else rng.choice(WORDS.context)
        return f"{before} {instruction}"
    if sort < 0.18:
        return f"{instruction} {rng.choice(WORDS.context)}"
    if sort < 0.27:
        return f"{instruction}\n\n{pasted(rng, topics)}"
    return instruction


def pasted(rng: Random, topics: Topics) -> str:
    """What users paste under an instruction: prose, code, figures, a list, an address."""
    match rng.randrange(6):
        case 0 | 1:
            return " ".join(topics.noise(rng) for _ in range(rng.randint(1, 6)))
        case 2:
            name = topics.rare_word(rng).lower()
            return f"def {name}(x, y):\n    total = x + y * {rng.randint(2, 99)}\n    return total"
        case 3:
            return ", ".join(str(rng.randint(1, 999)) for _ in range(rng.randint(3, 9)))
        case 4:
            return "\n".join(f"- {topics.word_list(rng)}" for _ in range(rng.randint(2, 4)))
    return f"https://www.{topics.rare_word(rng).lower()}.com/{rng.randint(1, 9999)}"


def some_points(rng: Random, domain: Domain, count: int = 3) -> tuple[Point, ...]:
    """Points of a domain in the order of its list: the next is never one that was said before."""
    chosen = sorted(rng.sample(range(len(domain.points)), count))
    return tuple(domain.points[number] for number in chosen)


def _another(rng: Random, topics: Topics, domain: Domain, topic: str) -> str:
    """A second topic, not the first: a sentence that names one thing twice ends in a loop."""
    second = topics.topic(rng, domain)
    while second.lower() == topic.lower():
        second = topics.topic(rng, domain)
    return second


def _pattern(
    rng: Random, domain: Domain, from_domain: bool, held_out: bool
) -> tuple[str, str, str]:
    """Kind and pattern of an instruction, and its task phrase where the pattern tells it."""
    if rng.random() < 0.6 or from_domain:
        patterns = domain.held_out_patterns if held_out else domain.train_patterns
        return "domain", rng.choice(patterns), ""
    if held_out:
        group = rng.choice([group for group in WORDS.general if group.held_out])
        return group.kind, rng.choice(group.held_out), ""
    if rng.random() < 0.5:
        verb, middle, tail = (
            rng.choice(WORDS.verbs),
            rng.choice(WORDS.middles),
            rng.choice(WORDS.tails),
        )
        core = f"{verb}{middle} {{t}}{tail}"
        pattern = rng.choice(WORDS.leads) + core + rng.choice((".", ".", "?", ""))
        return "verb", pattern, capitalised(core) + "."
    group = rng.choice(WORDS.general)
    return group.kind, rng.choice(group.patterns), ""


def _without_slots(rng: Random, pattern: str) -> str:
    slots = (
        ("{L}", WORDS.languages),
        ("{k}", ("3", "5", "10", "four")),
        ("{a}", WORDS.adjectives),
        ("{n}", WORDS.nouns),
    )
    for slot, values in slots:
        pattern = pattern.replace(slot, rng.choice(values))
    return pattern


def _task(rng: Random, instruction: str) -> str:
    """The task phrase of an instruction: a command itself, or a command to answer the question."""
    core = instruction.rstrip(" .")
    if core.split(" ")[0].lower() in _IMPERATIVES:
        return capitalised(core) + "."
    lead = rng.choice(("Answer this: ", "Answer the question: "))
    return lead + core + ("" if core[-1] == "?" else ".")


def _polite(rng: Random, instruction: str) -> str:
    sort = rng.random()
    if sort < 0.08:
        greetings = ("Hi! ", "Hello, ", "Please help. ", "Hey, quick question. ")
        return rng.choice(greetings) + instruction
    if sort < 0.12:
        return instruction + rng.choice((" Thanks!", " Thank you.", " Please."))
    return instruction
