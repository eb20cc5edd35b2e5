"""`sysgen models`: what each command prints, and that errors reach the one who prints them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tiny import make

from sysgen_local.cli.models import models
from sysgen_local.core.errors import UsageError
from sysgen_local.core.resources import resource
from sysgen_local.models import fingerprint, load_catalogue

BUILTIN = resource("builtin_model/builtin.gguf")


@pytest.fixture(autouse=True)
def _no_user_catalogue(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SYSGEN_MODELS", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def run(*args: str) -> Result:
    return CliRunner().invoke(models, args, catch_exceptions=False)


def test_list_shows_every_model_and_what_is_here() -> None:
    lines = run("list").stdout.splitlines()
    names = [line.split()[0] for line in lines[1:]]
    assert names == list(load_catalogue().entries)
    assert next(line for line in lines if line.startswith("builtin")).split()[-1] == "yes"


def test_show_says_what_is_known() -> None:
    shown = run("show", "gemma-2-9b").stdout
    for fact in ("bartowski/gemma-2-9b-it-GGUF", "8,192 tokens", "before the user's text"):
        assert fact in shown
    assert "q4_k_m" in shown
    assert "(default)" in shown
    assert "a switch, left off" in run("show", "qwen3-8b").stdout
    assert str(BUILTIN) in run("show", "builtin").stdout


def test_path_prints_the_path_alone() -> None:
    assert run("path", "builtin").stdout == f"{BUILTIN}\n"
    assert run("path", str(BUILTIN)).stdout == f"{BUILTIN}\n"


def test_check_looks_into_a_file() -> None:
    shown = run("check", "builtin").stdout
    for fact in ("whole", "llama", "q8_0", "10,240 tokens", "chat template yes"):
        assert fact in shown
    assert fingerprint(BUILTIN) in shown


def test_check_tells_how_a_model_is_spoken_to(tmp_path: Path) -> None:
    shown = run("check", "builtin").stdout
    assert "system        in its own role" in shown
    assert "answers begin behind '<|im_end|>\\n<|im_start|>assistant\\n'" in shown
    assert "<|im_end|>" in next(x for x in shown.splitlines() if x.startswith("answers end"))
    assert "good/bad/none, yes/no, A/B, 1/2/3/4/5 by their first token" in shown
    odd = (
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}"
        "<|im_start|>{{ m.role }}\n{% generation %}{{ m.content }}{% endgeneration %}<|eot_id|>\n"
        "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n"
        "{{ '<think>' if thinking_budget != 0 else '<think></think>' }}{% endif %}"
    )
    control = ["<|bos|>", "<|im_start|>", "<|eot_id|>", "<|eos|>"]
    path = make(tmp_path / "odd.gguf", "llama", template=odd, control=control)
    shown = run("check", str(path)).stdout
    assert "system        in the user turn" in shown
    assert "thinking      switched off by thinking_budget=0" in shown
    assert "{% generation %}, for training" in shown
    refuses = make(tmp_path / "refuses.gguf", "llama", template="{{ functions + 1 }}")
    with pytest.raises(UsageError, match="'functions' is undefined"):
        run("check", str(refuses))


def test_pull_of_what_is_here_says_where() -> None:
    assert run("pull", "builtin").stdout == f"{BUILTIN}\n"


def test_errors_are_left_to_whoever_prints_them() -> None:
    with pytest.raises(UsageError, match="no model is called bultin") as raised:
        run("check", "bultin")
    assert raised.value.hint == "did you mean builtin?"


@pytest.mark.parametrize("command", ["list", "show", "pull", "check", "path"])
def test_every_help_text_has_an_example(command: str) -> None:
    shown = run(command, "--help").stdout
    assert "Example" in shown
    assert f"sysgen models {command}" in shown


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys; from sysgen_local.cli.models import models\n"
        "try: models(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'pydantic', 'rich', 'huggingface_hub', 'gguf', 'numpy', 'llama_cpp'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
