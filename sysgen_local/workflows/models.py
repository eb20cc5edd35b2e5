"""A name -> the model that every command means by it, and the facts that a recipe keeps of it."""

from __future__ import annotations

from sysgen_local.core.server import Server
from sysgen_local.engine.factory import identified, prompt_facts
from sysgen_local.models import (
    Model,
    adapter_license,
    check,
    identity,
    load_catalogue,
    place,
    resolve,
)


def find_model(name: str) -> Model:
    """A catalogue's name, a repository that was pulled (`OWNER/REPO[:QUANT]`), a path of a .gguf,
    an installed package's model, or the addresses of servers -> the model. A model that is here may
    have LoRA adapters behind its name. Of a server without a model the first that it lists.

    Raises UsageError or SysgenError for what cannot be found or does not answer.
    """
    model = resolve(name)
    return identified(model) if isinstance(model, Server) else model


def model_facts(model: Model) -> dict[str, str]:
    """`model`, `model_file` (a fingerprint, or what a server tells of its weights), `lora` where
    there are adapters, and how its prompts are rendered. Imports llama.cpp for a GGUF. Raises as
    `identity`."""
    return {**identity(model), **prompt_facts(place(model))}


def license_facts(model: Model) -> dict[str, str]:
    """`model_license`, and with LoRA adapters `lora_license`: that of each, with blanks between."""
    facts = {"model_license": license_name(model)}
    if not isinstance(model, Server) and model.adapters:
        stated = [adapter_license(of.path) for of in model.adapters]
        facts["lora_license"] = " ".join("-".join(of.split()) for of in stated)
    return facts


def license_name(model: Model) -> str:
    """The licence that the catalogue, the repository or else the GGUF gives for the model, without
    its adapters; "unknown" where none gives one."""
    if isinstance(model, Server):
        entry = load_catalogue().named(model.label) if model.label else None
        return entry.license if entry else "unknown"
    return model.terms or check(model.path).license or "unknown"
