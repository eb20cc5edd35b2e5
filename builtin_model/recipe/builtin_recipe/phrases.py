"""The phrases of a system message for a scenario, in the canonical order of their tags."""

from __future__ import annotations

from random import Random

from builtin_recipe.scenario import Scenario
from builtin_recipe.topics import with_article

ROLES = ("You are {r}.", "Act as {r}.", "You are a helpful {x}.")
CONTENTS = ("The topic is {t}.", "Focus on {t}.", "The conversation is about {t}.")
TOOLS = ("Use {x}.", "Use {x} if needed.")

PLAIN = (
    "You are a helpful assistant.",
    "You are a helpful guide.",
    "Be helpful.",
    "Help the user.",
)

_PLAIN_ROLES = 0.15
"""Part of the system messages whose role is that of anybody, where the instruction tells its
domain."""

_ALWAYS_KEPT = ("style", "background", "action", "tool", "format")
"""Phrases that an answer shows; without them it could not be learnt from the system message."""


def phrases(rng: Random, about: Scenario) -> dict[str, str]:
    """Tag -> phrase. Role, content, task and format are always there."""
    found = {
        "role": role_phrase(rng, about.role),
        "content": rng.choice(CONTENTS).replace("{t}", _subject(about)),
        "task": about.task,
    }
    if about.action:
        found["action"] = about.action.phrase
    if about.style:
        found["style"] = rng.choice(about.style.phrases)
    if about.background:
        found["background"] = about.background.phrase
    tool = "Python" if about.code else about.tool
    if tool:
        found["tool"] = rng.choice(TOOLS).replace("{x}", tool)
    found["format"] = rng.choice(about.format.phrases)
    return found


def role_phrase(rng: Random, role: str) -> str:
    """A role without its article -> the phrase that names it."""
    return rng.choice(ROLES).replace("{r}", with_article(role)).replace("{x}", role)


def _subject(about: Scenario) -> str:
    return f"{about.topic} and {about.second}" if about.kind == "compare" else about.topic


def system_message(rng: Random, about: Scenario) -> str:
    """A system message with some of the phrases; it may be empty. Some name no role that helps."""
    found = phrases(rng, about)
    if about.kind == "domain" and rng.random() < _PLAIN_ROLES:
        found["role"] = rng.choice(PLAIN)
    plain = about.format.name == "paragraph" and not about.code
    if plain and rng.random() < 0.4:
        del found["format"]
    kept = [text for tag, text in found.items() if _keep(rng, tag, about)]
    return rng.choice((" ", "\n")).join(kept)


def _keep(rng: Random, tag: str, about: Scenario) -> bool:
    if rng.random() < 0.75 or tag in _ALWAYS_KEPT:
        return True
    return tag == "role" and about.kind != "domain"
