"""How two recipes differ, in words: names and values that a person chose, without digests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from sysgen_local.core.adapters import split_last
from sysgen_local.running.executor import LATER, NAMES

Facts = Mapping[str, str]

_OF_THE_MODEL = ("chat", "model_file", "model_parameters", "model_license", "thinking")
"""Facts that follow from the model."""

_OF_THE_PROMPTS = ("prompts", "grammar", "scripts", "rewrite", "agree", "follow", "respond")
"""Facts that follow from the prompt set."""

_WORDS = {
    "max_tokens": "longest answer in tokens",
    "min_p_good": "min_p_good",
    "keep_truncated": "keep cut answers",
    "shown": "when the original answer is shown",
    "rules": "version of the rules",
    "turns": "turns",
    "by_model": "checks by the model",
    "existing_system": "existing system message",
}
"""Fact -> what it is called here, where that is not its name."""


_USUAL = {"existing_system": "replace"}
"""Fact -> its value where a recipe does not have it."""


def difference(before: Facts, now: Facts) -> str:
    """What differs between the recipe of stored results and that of a run, in one line. Facts that
    the older recipe does not have cannot be compared."""
    now = {name: of for name, of in now.items() if name in before or name not in LATER}
    return "; ".join(_parts(before, now))


def _parts(before: Facts, now: Facts) -> Iterator[str]:
    other_model = before.get("model_file") != now.get("model_file")
    other_prompts = any(before.get(name) != now.get(name) for name in _OF_THE_PROMPTS)
    (model_before, lora_before), (model_now, lora_now) = _model(before), _model(now)
    if other_model:
        yield _named("model", model_before, model_now)
    if before.get("lora") != now.get("lora"):
        yield _named("LoRA adapter", lora_before, lora_now)
    if other_prompts:
        yield _named("prompt set", _file(before.get("prompt_set")), _file(now.get("prompt_set")))
    old, new = _spread(before), _spread(now)
    for name in sorted({*old, *new}):
        fact = name.partition(" ")[0]
        follows = (other_model and fact in _OF_THE_MODEL) or fact in ("lora", *_OF_THE_PROMPTS)
        if old.get(name) != new.get(name) and not follows and name not in NAMES:
            usual = _USUAL.get(name)
            yield _named(_word(name), old.get(name, usual), new.get(name, usual))


def _named(what: str, before: str | None, now: str | None) -> str:
    """One difference. Values that no person could read are left out."""
    if before == now:
        return f"{what} {now} has other contents now"
    if not (_readable(before) and _readable(now)):
        return f"{what} changed"
    return f"{what} was {before or 'nothing'}, now {now or 'nothing'}"


def _readable(value: str | None) -> bool:
    digest = value is not None and re.fullmatch(r"[0-9a-f]{16,}", value)
    return value is None or (len(value) <= 60 and not digest and value[:1] not in ("{", "["))


def _model(facts: Facts) -> tuple[str | None, str | None]:
    """The names of the model and of its LoRA adapters, without folders; None for none."""
    name, number = facts.get("model"), len(facts.get("lora", "").split())
    base, adapters = split_last(name or "", number)
    return _file(base or None), ", ".join(Path(of).name for of in adapters) or None


def _file(name: str | None) -> str | None:
    """A path by its last part, any other name as it is."""
    return Path(name).name if name and "://" not in name else name


def _word(name: str) -> str:
    fact = name.removeprefix("again_")
    return _WORDS.get(fact, fact.removeprefix("sampling ").replace("_", " "))


def _spread(facts: Facts) -> dict[str, str]:
    """The facts, with those that are JSON objects (sampling, chat) as one fact for each key."""
    spread: dict[str, str] = {}
    for name, fact in facts.items():
        if name.endswith("sampling") or name == "chat":
            spread |= {f"{name} {of}": str(value) for of, value in json.loads(fact).items()}
        else:
            spread[name] = fact
    return spread
