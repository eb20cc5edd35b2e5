"""AMX: tried where it is built in, left out where the trial dies, and answers come all the same."""

import subprocess
import sys
import tempfile

import llama_cpp
import pytest

from sysgen_local.engine.llama import amx
from sysgen_local.engine.llama.devices import cpu_features
from sysgen_local.engine.llama.engine import LlamaEngine
from sysgen_local.engine.options import Options
from sysgen_local.engine.request import Message, Request, Segment


@pytest.fixture
def fresh(monkeypatch):
    """As in a new process; afterwards as before."""
    monkeypatch.setattr(llama_cpp.llama_cpp, "llama_model_default_params", amx._default_params)
    amx.is_broken.cache_clear()
    yield monkeypatch
    amx.is_broken.cache_clear()


def python_that(says, tmp_path):
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\n{says}\n")
    script.chmod(0o755)
    return str(script)


def test_not_tried_where_it_is_not_built_in(fresh, tmp_path):
    fresh.setattr(amx, "cpu_features", lambda: ["AVX2"])
    fresh.setattr(sys, "executable", python_that("kill -ABRT $$", tmp_path))
    assert not amx.is_broken()


def test_left_out_where_the_trial_dies(fresh, builtin, tmp_path):
    fresh.setattr(amx, "cpu_features", lambda: ["AVX2", "AMX_INT8"])
    with fresh.context() as while_tried:
        while_tried.setattr(sys, "executable", python_that("kill -ABRT $$", tmp_path))
        assert amx.is_broken()
    engine = LlamaEngine(builtin, Options(slots=1))
    assert not llama_cpp.llama_cpp.llama_model_default_params().use_extra_bufts
    asked = Request("1", "", (Message("user", (Segment("What is tea?", trusted=False),)),), None)
    assert [completion.id for completion in engine.complete([asked])] == ["1"]
    engine.close()


@pytest.mark.parametrize("says", ["kill -ILL $$", "exit 1"])
def test_a_trial_that_does_not_come_through_has_failed(fresh, tmp_path, says):
    fresh.setattr(amx, "cpu_features", lambda: ["AVX2", "AMX_INT8"])
    fresh.setattr(sys, "executable", python_that(says, tmp_path))
    assert amx.is_broken()


def test_without_room_for_a_trial_it_is_left_out(fresh, tmp_path):
    fresh.setattr(amx, "cpu_features", lambda: ["AVX2", "AMX_INT8"])
    fresh.setattr(tempfile, "tempdir", str(tmp_path / "not there"))
    assert amx.is_broken()


def test_kept_where_the_trial_lives(fresh, tmp_path):
    fresh.setattr(amx, "cpu_features", lambda: ["AVX2", "AMX_INT8"])
    fresh.setattr(sys, "executable", python_that("exit 0", tmp_path))
    amx.disable_if_broken()
    assert llama_cpp.llama_cpp.llama_model_default_params().use_extra_bufts


def test_the_trial_decodes_a_batch_unless_amx_ends_it(tmp_path):
    tried = subprocess.run(
        [sys.executable, "-m", "sysgen_local.engine.llama.amx", tmp_path],
        capture_output=True, timeout=120,
    )  # fmt: skip
    assert tried.returncode == 0 or (tried.returncode < 0 and "AMX_INT8" in cpu_features())
