"""AMX: tried where it is built in, left out where the trial dies, and answers come all the same."""

import subprocess
import sys

import llama_cpp
import pytest

from sysgen_local.engine import amx
from sysgen_local.engine.devices import cpu_features
from sysgen_local.engine.llama import LlamaEngine
from sysgen_local.engine.plan import Options
from sysgen_local.engine.request import Message, Request, Segment

ABORTS = "import os; os.abort()"


@pytest.fixture
def fresh(monkeypatch):
    """As in a new process; afterwards as before."""
    monkeypatch.setattr(llama_cpp.llama_cpp, "llama_model_default_params", amx._defaults)
    amx.fails.cache_clear()
    yield monkeypatch
    amx.fails.cache_clear()


def test_not_tried_where_it_is_not_built_in(fresh):
    fresh.setattr(amx, "cpu_features", lambda: ["AVX2"])
    fresh.setattr(amx, "_TRIAL", ABORTS)
    assert not amx.fails()


def test_left_out_where_the_trial_dies(fresh, builtin):
    fresh.setattr(amx, "cpu_features", lambda: ["AVX2", "AMX_INT8"])
    fresh.setattr(amx, "_TRIAL", ABORTS)
    assert amx.fails()
    engine = LlamaEngine(builtin, Options(slots=1))
    assert not llama_cpp.llama_cpp.llama_model_default_params().use_extra_bufts
    asked = Request("1", "", (Message("user", (Segment("What is tea?", trusted=False),)),), None)
    assert [completion.id for completion in engine.complete([asked])] == ["1"]
    engine.close()


def test_kept_where_the_trial_lives(fresh):
    fresh.setattr(amx, "cpu_features", lambda: ["AVX2", "AMX_INT8"])
    fresh.setattr(amx, "_TRIAL", "")
    amx.leave_out_if_it_fails()
    assert llama_cpp.llama_cpp.llama_model_default_params().use_extra_bufts


def test_the_trial_decides_as_the_machine_does(fresh, builtin):
    """Where AMX is not built in the trial has to live; where it is, either is an answer."""
    tried = subprocess.run([sys.executable, "-c", amx._TRIAL, builtin], capture_output=True)
    assert tried.returncode == 0 or (tried.returncode < 0 and "AMX_INT8" in cpu_features())
