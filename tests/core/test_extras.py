"""What only some commands need is an extra; where it is missing, one sentence says which."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import import_module

import pytest
from filled import fill
from places import ROOT

from sysgen_local.core.errors import UsageError
from sysgen_local.core.extras import needs

EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]

COMMANDS = {
    "compare": (["nltk", "rouge_score"], ["compare"]),
    "dedupe": (["datasketch"], ["export", "-o", "out.jsonl", "--dedupe"]),
    "ray": (["ray"], ["judge", "--judge", "builtin", "--ray", "auto"]),
    "report": (["vl_convert"], ["report", "-o", "page.html"]),
    "server": (["openai"], ["judge", "--judge", "http://localhost:1/v1"]),
    "bertscore": (["bert_score"], ["compare", "--bertscore", "m"]),
}
"""Extra -> its libraries, and a command that needs them."""


@pytest.mark.parametrize("extra", COMMANDS)
def test_a_missing_library_is_one_sentence(tmp_path, extra):
    libraries, command = COMMANDS[extra]
    fill(tmp_path / "sysgen.duckdb", 2)
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({libraries!r}))\n"
        f"sys.argv = {['sysgen', *command]!r}\n"
        "from sysgen_local.cli.main import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "is not installed" in done.stderr
    assert f"pip install 'sysgen-local[{extra}]'" in done.stderr
    assert extra in EXTRAS


def test_a_run_needs_no_extra(tmp_path):
    libraries = [name for names, _ in COMMANDS.values() for name in names]
    (tmp_path / "a.jsonl").write_text('{"instruction": "Explain rain.", "output": "Water falls."}')
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({libraries!r}))\n"
        "sys.argv = ['sysgen', 'run', 'a.jsonl', '-o', 'out.jsonl', '--quiet']\n"
        "from sysgen_local.cli.main import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "1 row:" in done.stderr


def test_all_takes_the_light_ones_and_dev_takes_all():
    assert set(EXTRAS["all"][0].partition("[")[2].rstrip("]").split(",")) == {
        "compare", "dedupe", "ray", "report", "server",
    }  # fmt: skip
    assert "sysgen-local[all]" in EXTRAS["dev"]


def test_another_error_of_an_import_passes():
    with pytest.raises(ZeroDivisionError), needs("compare", "this"):
        _ = 1 / 0
    with (
        pytest.raises(UsageError, match="this needs the library nothing_of_this_name"),
        needs("compare", "this"),
    ):
        import_module("nothing_of_this_name")
