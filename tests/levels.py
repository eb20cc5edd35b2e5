"""What a test needs to run decides its level: nothing, a model in llama.cpp, or whole programs."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

LEVELS = ("unit", "model", "e2e")

PROGRAMS = {
    "ChatTemplate", "CliRunner", "Popen", "TemplateSandbox", "ThreadingHTTPServer", "cli",
    "fork", "serve_forever", "subprocess",
}  # fmt: skip
"""Names that run a command or a server, or start a process (each chat template has one)."""

ENGINES = {"Embedder", "Llama", "LlamaEngine", "TextEngine", "llama_cpp", "weights"}
"""Names that load a GGUF."""

FIXTURES = {
    "browser": "e2e", "cluster": "e2e", "local_ray": "e2e", "server": "e2e",
    "builtin": "model", "engine": "model", "smollm2": "model",
}  # fmt: skip
"""Fixtures whose level does not show in their own lines."""

COLLECTED = pytest.StashKey[list[pytest.Item]]()
"""Every test that was collected, before `-m` and `-k` leave any out."""

_TESTS = str(Path(__file__).resolve().parent)


def marks(item: pytest.Item) -> list[str]:
    """The levels that a test is marked with."""
    return [mark.name for mark in item.iter_markers() if mark.name in LEVELS]


def level(item: Any) -> str:
    """The level of a test by what it uses: `e2e` before `model` before `unit`."""
    known: dict[str, Any] = item._fixtureinfo.name2fixturedefs
    functions = [one.func for found in known.values() for one in found]
    return level_of([item.obj, *functions], known)


def level_of(functions: Iterable[object], fixtures: Iterable[str] = ()) -> str:
    """The level of what runs these functions of the tests, and has these fixtures."""
    names = set(_names(functions))
    found = {FIXTURES[name] for name in fixtures if name in FIXTURES}
    if names & PROGRAMS or "e2e" in found:
        return "e2e"
    return "model" if names & ENGINES or "model" in found else "unit"


def _names(functions: Iterable[object]) -> Iterator[str]:
    """The names in these functions, and in the functions and classes of the tests they use."""
    seen: set[CodeType] = set()
    waiting = list(functions)
    while waiting:
        used = waiting.pop()
        used = getattr(getattr(used, "hypothesis", None), "inner_test", used)
        used = getattr(used, "__func__", used)  # of a method
        if isinstance(used, type):
            waiting += [value for value in vars(used).values() if isinstance(value, FunctionType)]
        elif isinstance(used, FunctionType):
            used = inspect.unwrap(used)
        if isinstance(used, FunctionType) and used.__code__ not in seen and _ours(used.__code__):
            seen.add(used.__code__)
            for code in _codes(used.__code__):
                yield from code.co_names
                waiting += _values(code.co_names, used.__globals__)


def _ours(code: CodeType) -> bool:
    return code.co_filename.startswith(_TESTS)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _values(names: Iterable[str], known: dict[str, Any]) -> Iterator[object]:
    """What the names stand for, alone or as names in a module."""
    modules = [known[name] for name in names if isinstance(known.get(name), ModuleType)]
    for name in names:
        yield known.get(name)
        yield from (vars(module).get(name) for module in modules)
