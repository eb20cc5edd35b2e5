"""A name -> the model that every command means by it, and the facts that a recipe keeps of it."""

from __future__ import annotations

from sysgen_local.core.server import Server
from sysgen_local.engine.factory import first_listed, prompt_facts
from sysgen_local.models import Model, identity, place, resolve


def find_model(name: str) -> Model:
    """A catalogue's name, a path of a .gguf, an installed package's model, or a server's address
    -> the model. Of a server without a model the first that it lists.

    Raises UsageError or SysgenError for what cannot be found or does not answer.
    """
    model = resolve(name)
    return first_listed(model) if isinstance(model, Server) else model


def model_facts(model: Model) -> dict[str, str]:
    """`model`, `model_file` (a fingerprint, or the server's name), and how its prompts are
    rendered. Imports llama.cpp for a GGUF. Raises SysgenError for a file that is not whole."""
    return {**identity(model), **prompt_facts(place(model))}
