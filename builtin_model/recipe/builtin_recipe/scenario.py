"""What one example is about: a topic, an instruction on it, and how it is to be answered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from builtin_recipe.topics import Topics, capitalised
from builtin_recipe.words import WORDS, Action, Background, Domain, Format, Point, Style

_PROSE = ("bullet", "numbered", "paragraph", "heading")
"""Formats with room for an action, a tool or code."""


_ON_TEXTS = ("language", "literature", "summary", "translation", "writing")
_ANY_FIELD = 0.5
"""Domains whose instructions are about texts of any field, and how many of their topics are."""

_THING = re.compile(r"\{p\}|\{w\}s?")
_DOING = re.compile(r"\{v\}")
_ARTICLES = ("a ", "an ", "the ")

_UNENDED = 0.15
"""How many instructions lack the full stop."""

_TOLD_FIRST, _WORD_PROBLEMS = 0.08, 0.25
"""How many instructions come behind facts, of any domain and of math."""

_ODD_START = 0.3
"""How many loose instructions begin with an invented word."""

_DOUBLE, _SAID, _QUOTED = 0.35, 0.3, 0.05
"""How many of the quoted topics have double quotes, how many are a whole sentence, and how many
topics are quoted for no reason."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What one example is about. `instruction` is the finished text; `pattern` is what it was made
    from, with {t} where the topic stands."""

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
    """A pattern with its topics; an article of a topic takes the place of one before it."""
    if topic.startswith(_ARTICLES):
        pattern = re.sub(r"\b[Tt]he \{t\}", "{t}", pattern)
    return capitalised(pattern.replace("{t}", topic).replace("{u}", second))


_COMMANDS = frozenset(WORDS.commands) | {verb.split(" ")[0] for verb in WORDS.verbs}
"""First words of instructions that are commands, in lower case."""


def draw_scenario(rng: Random, topics: Topics, telling: bool = False) -> Scenario:
    """One example. With `telling` the instruction shows its domain, by pattern or by topic."""
    domain = WORDS.domains[rng.choice(tuple(WORDS.domains))]
    kind, pattern, task, topic, second = _subject(rng, topics, domain)
    while telling and kind != "domain" and not tells(domain, filled(pattern, topic, second)):
        kind, pattern, task, topic, second = _subject(rng, topics, domain)
    background = rng.choice(WORDS.backgrounds) if rng.random() < 0.35 else None
    style = rng.choice(WORDS.styles) if rng.random() < 0.5 else None
    name = rng.choice(tuple(WORDS.formats)) if rng.random() < 0.75 else "paragraph"
    prose = name in _PROSE
    action = rng.choice(WORDS.actions) if rng.random() < 0.4 and prose else None
    tool = rng.choice(domain.tools) if rng.random() < 0.3 and prose else None
    code = domain.name == "code" and prose and rng.random() < 0.5
    instruction = filled(pattern, topic, second)
    if rng.random() < _UNENDED:
        instruction = instruction.removesuffix(".")
    lower = rng.random() < 0.06
    if lower:
        instruction, topic, second = instruction.lower(), topic.lower(), second.lower()
    task = task.replace("{t}", topic) if task else _task(instruction)
    instruction = _around(rng, topics, domain, instruction)
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
    return Scenario(
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


def _around(rng: Random, topics: Topics, domain: Domain, instruction: str) -> str:
    """The instruction, sometimes with sentences before or behind it."""
    if rng.random() < (_WORD_PROBLEMS if domain.name == "math" else _TOLD_FIRST):
        return f"{story(rng, instruction)} {instruction}"
    sort = rng.random()
    if sort < 0.12:
        before = topics.noise(rng) if rng.random() < 0.4 else rng.choice(WORDS.context)
        return f"{before} {instruction}"
    if sort < 0.18:
        return f"{instruction} {rng.choice(WORDS.context)}"
    if sort < 0.27:
        return f"{instruction}\n\n{pasted(rng, topics)}"
    return instruction


def story(rng: Random, instruction: str) -> str:
    """Facts on two people and a few things. Those that the instruction names are among them: it is
    to be copied though its words have stood before, and went on in another way."""
    words = re.findall(r"\w+", instruction)
    named = [word for word in words if word in WORDS.names]
    counted = [word.removesuffix("s") for word in words if word.removesuffix("s") in WORDS.nouns]
    names = list(dict.fromkeys([*named, *rng.sample(WORDS.names, 2)]))[:2]
    things = [*counted, *rng.sample(WORDS.nouns, 3)][:3]
    facts = rng.sample(WORDS.facts, rng.randint(1, 4))
    return " ".join(spoken(rng, fact, things, names) for fact in facts)


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


def some_points(rng: Random, domain: Domain) -> tuple[Point, ...]:
    """Three points of a domain: one of the first two of its list, one of the next two, and one of
    the last. So each tells which may come next, and none comes twice."""
    pairs = zip(domain.points[::2], domain.points[1::2], strict=True)
    return tuple(rng.choice(pair) for pair in pairs)


def tells(domain: Domain, text: str) -> bool:
    """Whether a text has a word by which the domain can be known."""
    return not domain.telling.isdisjoint(re.findall(r"\w+", text.lower()))


def _subject(rng: Random, topics: Topics, domain: Domain) -> tuple[str, str, str, str, str]:
    """Kind and pattern of an instruction, its task phrase where the pattern tells it, and what {t}
    and {u} stand for."""
    topic = topics.topic(rng, domain)
    kind, pattern, task, named = _pattern_and_topic(rng, topics, domain)
    while topics.keeps_back(named):
        kind, pattern, task, named = _pattern_and_topic(rng, topics, domain)
    topic = named or topic
    second = topics.topic(rng, domain)
    while second.lower() == topic.lower():  # naming one thing twice ends in a loop
        second = topics.topic(rng, domain)
    on_texts = kind == "domain" and domain.name in _ON_TEXTS and not topics.held_out
    if on_texts and ("{t}" not in pattern or rng.random() < _ANY_FIELD):
        any_field = WORDS.domains[rng.choice(tuple(WORDS.domains))]
        topic = named or topics.topic(rng, any_field)
    if "{t}" not in pattern:
        pattern = _with_text(rng, pattern)
    elif "'{t}'" in pattern or rng.random() < _QUOTED:
        if not topics.held_out and rng.random() < _SAID:
            topic = filled(spoken(rng, rng.choice(WORDS.statements)), topic)
        quote = '"' if rng.random() < _DOUBLE else "'"
        pattern, topic = pattern.replace("'{t}'", "{t}"), f"{quote}{topic}{quote}"
    return kind, pattern, task, topic, second


def _pattern_and_topic(rng: Random, topics: Topics, domain: Domain) -> tuple[str, str, str, str]:
    """Kind, pattern with no slots but {t} and {u}, task phrase or nothing, and the topic where the
    pattern has one of its own."""
    kind, pattern, task = _pattern(rng, topics, domain)
    pattern, named = _marked(_without_slots(rng, domain, pattern))
    return kind, pattern, task, named


def _pattern(rng: Random, topics: Topics, domain: Domain) -> tuple[str, str, str]:
    """Kind, pattern with all its slots, task phrase or nothing."""
    if rng.random() < (0.6 if topics.held_out else 0.4):
        patterns = domain.held_out_patterns if topics.held_out else domain.train_patterns
        return "domain", rng.choice(patterns), ""
    if topics.held_out:
        group = rng.choice([group for group in WORDS.general if group.held_out])
        return group.kind, rng.choice(group.held_out), ""
    if rng.random() < 0.4:
        return "loose", _loose(rng, topics), ""
    if rng.random() < 0.25:
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


def _loose(rng: Random, topics: Topics) -> str:
    """Everyday words in any order with a few of a domain's among them: where no pattern helps, the
    words have to tell. Some begin with a word that nobody knows, which is to be copied all the
    same."""
    words = [rng.choice(WORDS.small) for _ in range(rng.randint(2, 10))]
    slots = ("{w}", "{w}s", "{v}", "{p}", "{a}", "{s}", "{s}", "{s}")
    for slot in ("{w}", *rng.choices(slots, k=rng.randint(0, 4))):
        words.insert(rng.randint(0, len(words)), slot)
    if rng.random() < _ODD_START:
        words.insert(0, topics.rare_word(rng))
    return capitalised(" ".join(words)) + rng.choice((".", "?", "?", "", "!"))


def _without_slots(rng: Random, domain: Domain, pattern: str) -> str:
    """Only {t} and {u} are left. Where nothing else is the topic, the first thing named becomes
    it, in brackets."""
    if "{t}" not in pattern and "[" not in pattern:
        slot = _THING.search(pattern) or _DOING.search(pattern)
        pattern = pattern.replace(slot[0], f"[{slot[0]}]", 1) if slot else pattern
    slots = (
        ("{L}", WORDS.languages),
        ("{N}", WORDS.names),
        ("{k}", ("3", "5", "10", "four", "two")),
        ("{a}", WORDS.adjectives),
        ("{n}", WORDS.nouns),
        ("{w}s", tuple(thing.rstrip("s") + "s" for thing in domain.things)),
        ("{w}", domain.things),
        ("{v}", domain.doings),
        ("{s}", domain.said),
        ("{p}", domain.known or domain.things),
    )
    for slot, values in slots:
        while slot in pattern:
            pattern = pattern.replace(slot, rng.choice(values), 1)
    while "{x}" in pattern:
        pattern = pattern.replace("{x}", str(rng.randint(2, rng.choice((12, 99, 999)))), 1)
    return pattern


def _marked(pattern: str) -> tuple[str, str]:
    """A pattern whose topic stands in brackets -> the same with {t}, and that topic."""
    found = re.search(r"\[(.+?)\]", pattern)
    return (pattern.replace(found[0], "{t}"), found[1]) if found else (pattern, "")


def _with_text(rng: Random, pattern: str) -> str:
    """A pattern that speaks of a text, with sentences about the topic to work on."""
    sentences = rng.sample(WORDS.statements, rng.choice((1, 1, 1, 2, 4)))
    text = " ".join(spoken(rng, sentence) for sentence in sentences)
    if len(sentences) > 1 or rng.random() < 0.5:
        return f"{pattern}\n\n{text}"
    if rng.random() < 0.5:
        return f"{pattern.rstrip('.')}: {text}"
    quote = rng.choice("'\"")
    return f"{pattern} {quote}{text}{quote}"


def spoken(
    rng: Random, sentence: str, things: Sequence[str] = (), names: Sequence[str] = WORDS.names
) -> str:
    """A statement with some of these names, numbers, and these things or those of any domain; {t}
    is left."""
    for name in rng.sample(names, sentence.count("{N}")):
        sentence = sentence.replace("{N}", name, 1)
    while "{n}" in sentence:
        any_domain = WORDS.domains[rng.choice(tuple(WORDS.domains))]
        named = things or rng.choice((WORDS.nouns, any_domain.things))
        sentence = sentence.replace("{n}", rng.choice(named), 1)
    while "{x}" in sentence:
        sentence = sentence.replace("{x}", str(rng.randint(2, rng.choice((12, 99, 999)))), 1)
    return sentence.replace("{a}", rng.choice(WORDS.adjectives))


def _task(instruction: str) -> str:
    """The task phrase of an instruction: a command itself, or a command to answer the question."""
    core = instruction.split("\n")[0].rstrip(" .")
    if core.split(" ")[0].lower().rstrip(",:") in _COMMANDS:
        return capitalised(core) + "."
    if core.endswith("?"):
        return f"Answer the question: {core}"
    return f"Answer this: {core}" + ("" if core.endswith("!") else ".")


def _polite(rng: Random, instruction: str) -> str:
    sort = rng.random()
    if sort < 0.08:
        greetings = ("Hi! ", "Hello, ", "Please help. ", "Hey, quick question. ")
        return rng.choice(greetings) + instruction
    if sort < 0.12:
        return instruction + rng.choice((" Thanks!", " Thank you.", " Please."))
    return instruction
