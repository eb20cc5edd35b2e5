"""Models: the catalogue `models.toml`, the download of GGUF files, and their check.

`resolve` turns a name, `NAME:QUANT` or a path into a GGUF file on this machine: in the Hugging Face
cache, at a path, or in an installed Python package. An address becomes a server. This package never
loads weights; the engine does that.
"""

from __future__ import annotations

from sysgen_local.models.catalogue import (
    Catalogue,
    CatalogueEntry,
    File,
    RecommendedSampling,
    load_catalogue,
)
from sysgen_local.models.gguf_file import GgufInfo, check, fingerprint
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
    "CatalogueEntry",
    "File",
    "GgufInfo",
    "Model",
    "RecommendedSampling",
    "ResolvedModel",
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
