"""Which model a server has, as far as it tells. Its address is no part of that."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

FACTS = ("n_params", "n_vocab", "n_embd", "n_ctx_train", "size", "vocab_type", "ftype", "root")
"""What servers tell of the weights. llama-server: sizes of model and vocabulary (in `meta`). vLLM:
the repository or folder that the model was loaded from (`root`)."""


def of_model(listed: Mapping[str, Any], props: Mapping[str, Any]) -> str:
    """One line of text: the name of the model, and the facts that the server tells of its weights.

    `listed`: the server's entry in /v1/models. `props`: what llama-server gives at /props. A file's
    name is taken without its folder, which may be another one on the next machine.
    """
    told = {**(listed.get("meta") or {}), **listed}
    facts = {fact: told[fact] for fact in FACTS if told.get(fact) not in (None, "")}
    if "root" in facts:
        facts["root"] = _file_name(str(facts["root"]))
    if path := props.get("model_path"):
        facts["file"] = _file_name(str(path))
    called = _file_name(str(listed["id"]))
    return f"{called} {json.dumps(facts, sort_keys=True)}" if facts else called


def name(line: str) -> str:
    """The name of the model in a line of `of_model`."""
    return _parts(line)[0]


def difference(before: str, now: str) -> str:
    """What differs between two lines of `of_model`, in words."""
    (called, facts), (other, others) = _parts(before), _parts(now)
    if called != other:
        return f"{other} instead of {called}"
    changed = [
        f"{key} {others.get(key)} instead of {facts.get(key)}"
        for key in sorted({*facts, *others})
        if facts.get(key) != others.get(key)
    ]
    return f"{called} with {', '.join(changed)}"


def _parts(line: str) -> tuple[str, dict[str, Any]]:
    called, brace, facts = line.partition(" {")
    return called, json.loads(brace.strip() + facts) if brace else {}


def _file_name(name: str) -> str:
    """A path without its folder; a name that is no path of a file as it is."""
    if name.lower().endswith(".gguf") or name.startswith("/"):
        return PurePosixPath(PureWindowsPath(name).name).name
    return name
