"""sysgen-local: system messages and aligned answers for any SFT dataset, on one's own machine.

    import sysgen_local as sysgen

    with sysgen.open("rows.duckdb") as store:
        done = sysgen.run(store, "rows.jsonl", model="qwen2.5-7b", limit=100)
        print(done.counts)
        sysgen.export(store, "out.jsonl")

Everything in `__all__` is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sysgen_local import models as models
    from sysgen_local.core.errors import RecipeError as RecipeError
    from sysgen_local.core.errors import SysgenError as SysgenError
    from sysgen_local.core.errors import UsageError as UsageError
    from sysgen_local.running.updates import Update as Update
    from sysgen_local.store import Store as Store
    from sysgen_local.workflows.benchmark import evaluate as evaluate
    from sysgen_local.workflows.dataset import RunResult as RunResult
    from sysgen_local.workflows.dataset import check as check
    from sysgen_local.workflows.dataset import filter as filter  # noqa: A004
    from sysgen_local.workflows.dataset import generate as generate
    from sysgen_local.workflows.dataset import open as open  # noqa: A004
    from sysgen_local.workflows.dataset import respond as respond
    from sysgen_local.workflows.dataset import run as run
    from sysgen_local.workflows.dataset import verify as verify
    from sysgen_local.workflows.export import export as export
    from sysgen_local.workflows.export import to_dataset as to_dataset
    from sysgen_local.workflows.merge import MergeResult as MergeResult
    from sysgen_local.workflows.merge import merge as merge
    from sysgen_local.workflows.preference import judge as judge
    from sysgen_local.workflows.similarity import compare as compare
    from sysgen_local.workflows.testset import write_testset as write_testset
    from sysgen_local.workflows.train import TrainResult as TrainResult
    from sysgen_local.workflows.train import train as train
    from sysgen_local.workflows.trust import trust as trust

__version__ = "0.1.0"

_MODULES = {
    "MergeResult": "workflows.merge",
    "RecipeError": "core.errors",
    "RunResult": "workflows.dataset",
    "Store": "store",
    "SysgenError": "core.errors",
    "TrainResult": "workflows.train",
    "Update": "running.updates",
    "UsageError": "core.errors",
    "check": "workflows.dataset",
    "compare": "workflows.similarity",
    "evaluate": "workflows.benchmark",
    "export": "workflows.export",
    "filter": "workflows.dataset",
    "generate": "workflows.dataset",
    "judge": "workflows.preference",
    "merge": "workflows.merge",
    "open": "workflows.dataset",
    "respond": "workflows.dataset",
    "run": "workflows.dataset",
    "to_dataset": "workflows.export",
    "train": "workflows.train",
    "trust": "workflows.trust",
    "verify": "workflows.dataset",
    "write_testset": "workflows.testset",
}
"""Public name -> the module that it comes from."""

__all__ = [*_MODULES, "__version__", "models"]


def __getattr__(name: str) -> Any:
    if name == "models":
        return import_module("sysgen_local.models")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    found = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
