"""What `sysgen models list` and `show` say of models: here or not, whether they fit, how fast."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sysgen_local.core.errors import UsageError
from sysgen_local.core.gguf_parts import size_of
from sysgen_local.engine.llama.fits import Fit, FreeMemory, fit, free_memory
from sysgen_local.models import (
    Catalogue,
    CatalogueEntry,
    fingerprint,
    load_catalogue,
    local_path,
    pulled,
)
from sysgen_local.models.measured import Measured, all_noted

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ListedModel:
    """One model of the list. `size`: bytes of the file that plain `name` means, None where nobody
    says. `here`: quantisation ("" for the only file) -> path on this machine. `package`: the Python
    package that brings it and is not installed. `fits`: None where the size is not known.
    `measured`: of the file that plain `name` means, else of the first one that is here. `servers`:
    addresses where it is served."""

    name: str
    title: str
    parameters: str
    size: int | None
    context: int | None
    license: str | None
    here: Mapping[str, Path]
    package: str | None
    fits: Fit | None
    measured: Measured | None
    servers: tuple[str, ...] = ()


def list_models(say: Say = lambda line: None) -> list[ListedModel]:
    """The models of the catalogue, and behind them those that were pulled from other repositories.
    `say` is given a line where the file of measurements cannot be read."""
    catalogue, free, noted = load_catalogue(), free_memory(), all_noted(say)
    found = [_of_entry(entry, free, noted) for entry in catalogue.entries.values()]
    return [*found, *_pulled(catalogue, free, noted)]


def measured_of(path: Path, noted: Mapping[str, Measured]) -> Measured | None:
    """What was measured of this file. Its fingerprint is computed only where a file with its name
    was measured."""
    if not any(path.name == of.newest.file for of in noted.values()):
        return None
    return noted.get(fingerprint(path))


def _of_entry(
    entry: CatalogueEntry, free: FreeMemory, noted: Mapping[str, Measured]
) -> ListedModel:
    quants = [entry.default, *(quant for quant in entry.files if quant != entry.default)]
    here = {quant: path for quant in quants if (path := local_path(entry, quant or None))}
    stated = entry.files[entry.default].gb if entry.files else None
    size = int(stated * 1e9) if stated else None
    if entry.default in here:
        size = size_of(here[entry.default])
    return ListedModel(
        name=entry.name,
        title=entry.title,
        parameters=entry.params,
        size=size,
        context=entry.context,
        license=entry.license,
        here=here,
        package=entry.package if not here else None,
        fits=fit(size, free) if size else None,
        measured=measured_of(next(iter(here.values())), noted) if here else None,
        servers=entry.servers,
    )


def _pulled(
    catalogue: Catalogue, free: FreeMemory, noted: Mapping[str, Measured]
) -> Iterator[ListedModel]:
    for model in pulled(catalogue):
        with suppress(UsageError, OSError):  # a file that went away meanwhile
            size = size_of(model.path)
            yield ListedModel(
                name=model.spelling,
                title="",
                parameters="",
                size=size,
                context=model.entry.context if model.entry else None,
                license=model.terms,
                here={model.quant or "": model.path},
                package=None,
                fits=fit(size, free),
                measured=measured_of(model.path, noted),
            )
