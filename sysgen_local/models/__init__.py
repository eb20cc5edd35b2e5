"""Models by name: what `models.toml` knows, how a GGUF comes here, and whether it is sound.

A name, `NAME:QUANT` or a path becomes a GGUF on this machine (`resolve`): in the Hugging Face
cache, at a path, or in an installed Python package; an address becomes a server. Weights are never
loaded here; the engine does that.
"""

from __future__ import annotations

from sysgen_local.models.catalogue import Catalogue, Entry, File, Sampling, load_catalogue
from sysgen_local.models.gguf_file import Report, check, fingerprint
from sysgen_local.models.hub import local_path
from sysgen_local.models.package import installed
from sysgen_local.models.resolve import (
    Model,
    ResolvedModel,
    identity,
    place,
    pull,
    resolve,
    resolve_file,
)

__all__ = [
    "Catalogue",
    "Entry",
    "File",
    "Model",
    "Report",
    "ResolvedModel",
    "Sampling",
    "check",
    "fingerprint",
    "identity",
    "installed",
    "load_catalogue",
    "local_path",
    "place",
    "pull",
    "resolve",
    "resolve_file",
]
