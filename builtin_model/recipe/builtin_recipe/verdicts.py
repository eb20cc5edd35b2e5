"""Phase 3: does a phrase fit its tag and the instruction?"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from builtin_recipe.phrases import phrases, role_phrase
from builtin_recipe.sample import Message, Sample
from builtin_recipe.scenario import Scenario, draw_scenario
from builtin_recipe.topics import Topics
from builtin_recipe.words import WORDS
from sysgen_local.core.records import TAGS

SYSTEM = "Does the phrase fit its tag and the instruction? Reply good, bad or none."
SYSTEM_NAMING = "Which tag does the phrase fit? Reply with that tag, then good, bad or none."

_EMPTY = ("", "-", "none", "N/A", "n/a", "None.", '""', "...", "null", "empty")
_EXCHANGES = (1, 2, 4)
_DEPENDENT = ("role", "content", "task")
"""Tags whose phrases fit one instruction and not another."""

_ROLES = 0.35
"""Part of the cases that are about a role: the instruction's own, or one of another domain. They
are the hardest to learn."""

_NEIGHBOURS = (
    {"science", "chemistry", "physics", "geography", "astronomy", "environment"},
    {"writing", "literature", "language", "summary", "translation", "film"},
    {"math", "physics", "data", "code", "technology"},
    {"health", "psychology", "sports", "parenting"},
    {"business", "finance", "career", "law"},
    {"art", "photography"},
    {"home", "cars"},
    {"education", "math", "science", "language", "parenting"},
)
"""Domains whose roles could each pass for the other: never called wrong."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A phrase under a tag, how it is to be judged, and the tag it fits ('' where it fits none)."""

    tag: str
    phrase: str
    label: str
    fits: str

    @property
    def case(self) -> str:
        """What is wrong with it, for the figures."""
        if self.label != "bad":
            return self.label
        return "wrong tag" if self.fits != self.tag else f"{self.tag} of another instruction"


def question(instruction: str, verdict: Verdict) -> str:
    """The user text; later questions on the same instruction leave it out."""
    about = f"Instruction: {instruction}\n" if instruction else ""
    return f"{about}Phrase: {verdict.phrase}\nTag: {verdict.tag}"


def verify(rng: Random, topics: Topics) -> Sample:
    """Verdicts on up to four phrases of one instruction."""
    return _verify(rng, topics, naming=False)


def verify_naming(rng: Random, topics: Topics) -> Sample:
    """The same, where the reply first names the tag that the phrase fits."""
    return _verify(rng, topics, naming=True)


def _verify(rng: Random, topics: Topics, naming: bool) -> Sample:
    about = draw_scenario(rng, topics, telling=True)
    messages = [Message("system", SYSTEM_NAMING if naming else SYSTEM)]
    previous: Verdict | None = None
    for number in range(rng.choice(_EXCHANGES)):
        verdict = draw_verdict(rng, topics, about)
        if previous and rng.random() < 0.35:
            verdict = _retagged(rng, previous)
        previous = verdict if verdict.label == "good" else None
        user = question(about.instruction if number == 0 else "", verdict)
        named = f"{verdict.fits} " if naming and verdict.fits else ""
        messages += [Message("user", user), Message("assistant", named + verdict.label)]
    return Sample("verify_naming" if naming else "verify", tuple(messages), about)


def _retagged(rng: Random, verdict: Verdict) -> Verdict:
    """The same phrase again, under the right or a wrong tag: it is the tag that decides."""
    others = [tag for tag in TAGS if tag != verdict.fits and not _alike(tag, verdict.fits)]
    wrong = rng.choice(others)
    tag, label = rng.choice(((verdict.fits, "good"), (wrong, "bad")))
    return Verdict(tag, verdict.phrase, label, verdict.fits)


def draw_verdict(rng: Random, topics: Topics, about: Scenario) -> Verdict:
    """A phrase that fits (45 %), one that does not (45 %), or one that says nothing."""
    own = phrases(rng, about)
    if rng.random() < _ROLES:
        if rng.random() < 0.5:
            return Verdict("role", own["role"], "good", "role")
        return _role_of_another(rng, about)
    sort = rng.random()
    tag = rng.choice(tuple(own))
    if sort < 0.44:
        return Verdict(tag, own[tag], "good", tag)
    if sort < 0.88:
        if rng.random() < 0.2:
            tag = rng.choice([other for other in TAGS if other != "format"])
        return _bad(rng, topics, about, tag)
    return Verdict(rng.choice(TAGS), rng.choice(_EMPTY), "none", "")


def _bad(rng: Random, topics: Topics, about: Scenario, tag: str) -> Verdict:
    """Another tag's phrase under this tag, or the right kind of phrase for another instruction."""
    own = phrases(rng, about)
    for _ in range(50):
        other = draw_scenario(rng, topics.training)
        foreign = phrases(rng, other)
        if tag in _DEPENDENT and rng.random() < 0.5:
            same = other.domain == about.domain if tag == "role" else other.topic == about.topic
            if not same:
                return Verdict(tag, foreign[tag], "bad", tag)
            continue
        source = own if rng.random() < 0.6 else foreign
        fits = rng.choice([other_tag for other_tag in source if other_tag != tag])
        if not _alike(fits, tag):
            return Verdict(tag, source[fits], "bad", fits)
    return Verdict(tag, own["format"], "bad", "format")


def _role_of_another(rng: Random, about: Scenario) -> Verdict:
    """The role of a domain that has nothing to do with the instruction's."""
    role = rng.choice(WORDS.domains[rng.choice(far_from([about.domain]))].roles)
    return Verdict("role", role_phrase(rng, role), "bad", "role")


def far_from(domains: list[str]) -> list[str]:
    """The domains that are neither these nor neighbours of them."""
    near = set(domains).union(*(g for g in _NEIGHBOURS if not g.isdisjoint(domains)))
    return [name for name in WORDS.domains if name not in near]


def _alike(one: str, other: str) -> bool:
    """Content and task phrases could each pass for the other."""
    return {one, other} == {"content", "task"}
