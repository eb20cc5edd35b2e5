"""The same model on another machine: found there by its name, or pulled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from sysgen_local.core.adapters import Adapter
from sysgen_local.core.errors import UsageError
from sysgen_local.core.model_files import ModelFiles
from sysgen_local.models.adapter_file import require_adapter_file
from sysgen_local.models.gguf_file import fingerprint
from sysgen_local.models.pull import pull
from sysgen_local.models.resolve import ResolvedModel


def finder(model: ResolvedModel) -> Callable[[], ModelFiles]:
    """A function that can be pickled and returns this model's files on the machine where it is
    called. It raises as `find_copy`."""
    adapters = [
        (replace(of, path=of.path.absolute()), fingerprint(of.path)) for of in model.adapters
    ]
    return partial(find_copy, model.base_spelling, fingerprint(model.path), adapters)


def find_copy(name: str, expected: str, adapters: Sequence[tuple[Adapter, str]] = ()) -> ModelFiles:
    """The files of the model `name` on this machine, pulled where it is missing: once, also if
    several processes ask at the same time, since huggingface_hub locks what it downloads. The
    adapters, each with its fingerprint, must be at the same paths as on the driver's machine.

    Raises as `pull`, and UsageError where an adapter is missing, or a file has another fingerprint
    than the one that is expected.
    """
    path = pull(name).path
    _require_same(path, expected, name)
    for adapter, of_adapter in adapters:
        require_adapter_file(adapter.path)
        _require_same(adapter.path, of_adapter, adapter.path.name)
    return ModelFiles(path, tuple(adapter for adapter, _ in adapters))


def _require_same(path: Path, expected: str, name: str) -> None:
    if fingerprint(path) != expected:
        raise UsageError(
            f"{path} is another file than the {name} of the machine that the run was started on",
            hint="the same file must be on all machines: remove it there, or copy it again",
        )
