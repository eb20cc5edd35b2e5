"""Where the extra `train` is not installed, the command says so before it does anything."""

import subprocess
import sys
from importlib.util import find_spec

import pytest
from filled import fill


@pytest.mark.skipif(find_spec("torch") is not None, reason="torch is installed")
def test_the_extra_is_named(tmp_path):
    fill(tmp_path / "s.duckdb", 5)
    done = subprocess.run(
        [sys.executable, "-m", "sysgen_local.cli.main", "train", "--db", "s.duckdb", "--base",
         "builtin", "-o", "out"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == (
        "sysgen: training needs the library torch, which is not installed\n"
        "  -> pip install 'sysgen-local[train]'\n"
    )
    assert not (tmp_path / "out").exists()
