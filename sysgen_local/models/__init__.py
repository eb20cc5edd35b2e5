"""Models: the catalogue `models.toml`, the download of GGUF files, and their check.

`resolve` turns `NAME[:QUANT]`, `OWNER/REPO[:QUANT]` or a path into a GGUF file on this machine: in
the Hugging Face cache, at a path, or in an installed Python package. LoRA adapters may stand behind
it. An address becomes a server.
`pull` downloads what is not here. `measured` keeps the speed of models on this machine. No weights
are loaded here; the engine does that.
"""

from __future__ import annotations

from sysgen_local.models.adapter_file import adapter_license
from sysgen_local.models.catalogue import (
    Catalogue,
    CatalogueEntry,
    File,
    RecommendedSampling,
    load_catalogue,
)
from sysgen_local.models.gguf_file import GgufInfo, check, fingerprint, read_info
from sysgen_local.models.hub import local_path
from sysgen_local.models.package import installed
from sysgen_local.models.pull import Offer, pull
from sysgen_local.models.resolve import (
    Model,
    ResolvedModel,
    check_files,
    identity,
    place,
    pulled,
    resolve,
    resolve_file,
)

__all__ = [
    "Catalogue",
    "CatalogueEntry",
    "File",
    "GgufInfo",
    "Model",
    "Offer",
    "RecommendedSampling",
    "ResolvedModel",
    "adapter_license",
    "check",
    "check_files",
    "fingerprint",
    "identity",
    "installed",
    "load_catalogue",
    "local_path",
    "place",
    "pull",
    "pulled",
    "read_info",
    "resolve",
    "resolve_file",
]
