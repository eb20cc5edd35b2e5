"""`sysgen models`: what each command prints, and that errors reach the one who prints them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tiny import make

from sysgen_local.cli.models import models
from sysgen_local.core.errors import UsageError
from sysgen_local.core.resources import resource
from sysgen_local.models import fingerprint, load_catalogue, measured

BUILTIN = resource("builtin_model/builtin.gguf")


@pytest.fixture(autouse=True)
def _no_user_catalogue(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SYSGEN_MODELS", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("SYSGEN_MEASURED", str(tmp_path / "measured.json"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


def run(*args: str) -> Result:
    return CliRunner().invoke(models, args, catch_exceptions=False)


def test_list_shows_every_model_and_what_is_here() -> None:
    lines = run("list").stdout.splitlines()
    names = [line.split()[0] for line in lines[1:]]
    assert names == list(load_catalogue().entries)
    [line] = [line for line in lines if line.startswith("builtin ")]
    assert line.split() == ["builtin", "0.01", "GB", "yes", "yes", "apache-2.0"]


def cache(folder: Path, repo: str, file: str, content: bytes) -> Path:
    """A file of a repository in the Hugging Face cache of the test."""
    snapshot = folder / "hub" / f"models--{repo.replace('/', '--')}" / "snapshots" / ("c" * 40)
    path = snapshot / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def note(path: Path, **values: object) -> None:
    usual = {"by": "run", "checked": True, "rows_an_hour": 1234.5, "rows": 40}
    measured.note(
        file=path.name, fingerprint=fingerprint(path), read=1, written=1, load_seconds=1,
        device="cpu", **(usual | values),
    )  # fmt: skip


def test_list_never_breaks_at_80_columns(tmp_path: Path) -> None:
    repo = "an-owner-with-a-rather-long-name/A-Model-With-An-Even-Longer-Name-Instruct-v2-GGUF"
    path = cache(tmp_path, repo, "m-Q4_K_M.gguf", BUILTIN.read_bytes())
    path.parent.joinpath("README.md").write_text("---\nlicense: a-licence-with-a-long-name\n---\n")
    cache(tmp_path, repo, "m-Q8_0.gguf", b"GGUF")
    note(path, checked=False)
    listed = run("list")
    lines = listed.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[-1] for line in lines if "1,234" in line] == ["~1,234"]
    assert "~: without checks" in listed.stderr
    models = {model["name"]: model for model in json.loads(run("list", "--json").stdout)["models"]}
    pulled = models[f"{repo}:q4_k_m"]
    assert pulled["license"] == "a-licence-with-a-long-name"
    assert pulled["here"] == {"q4_k_m": str(path)}
    assert pulled["measured"]["run"]["rows_an_hour"] == 1234.5
    assert models["phi-4"]["here"] == {}
    assert models["phi-4"]["measured"] is None
    assert models["phi-4"]["size"] == 9_050_000_000
    assert models["phi-4"]["fits"] in ("yes", "part", "no")


def test_list_has_rows_an_hour_with_checks_where_they_were_measured(tmp_path: Path) -> None:
    assert "`sysgen bench --model NAME` measures rows/h" in run("list").stderr
    note(BUILTIN, by="bench", checked=False, rows_an_hour=900, rows=0)
    note(BUILTIN, rows_an_hour=600)
    [line] = [x for x in run("list").stdout.splitlines() if x.startswith("builtin ")]
    assert line.split()[-1] == "600"
    shown = run("show", "builtin").stdout
    assert "rows/h       600 with checks (a run of 40 rows, " in shown
    assert "rows/h       900 without checks (sysgen bench, " in shown


def test_a_damaged_file_of_measurements_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "measured.json").write_text("{")
    listed = run("list")
    assert listed.exit_code == 0
    assert listed.stderr.count("are left out: it is damaged") == 1
    assert run("show", "builtin").stderr.count("are left out: it is damaged") == 1


def test_show_of_a_file_says_what_is_in_it(tmp_path: Path) -> None:
    shown = run("show", str(BUILTIN)).stdout
    for fact in (
        f"file         {BUILTIN}", "architecture llama", "parameters   13.8 million",
        "quantisation q8_0", "context      1,024 tokens", "template     yes, with a system role",
        "size         0.01 GB", "fits here    yes (", f"fingerprint  {fingerprint(BUILTIN)}",
        "prompts      default", "rows/h       not measured: `sysgen bench --model ",
    ):  # fmt: skip
        assert fact in shown
    no_role = (
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}"
        "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    for template, says in (
        (no_role, "no system role: it goes to the user's text"),
        (None, "none: this is no chat model"),
        ("{{ functions + 1 }}", "yes, but it cannot be used: "),
    ):
        path = make(tmp_path / "a model.gguf", "llama", template=template)
        shown = run("show", str(path)).stdout
        assert says in next(x for x in shown.splitlines() if x.startswith("template"))
        assert f"`sysgen bench --model '{path}'`" in shown


def test_what_a_file_says_cannot_act_on_the_terminal(tmp_path: Path) -> None:
    content = BUILTIN.read_bytes()
    name = b"SysGen tiny demo"
    assert content.count(name) == 1
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(content.replace(name, b"\x1b]0;hi\x07\nfile /et"))
    for command in ("show", "check"):
        shown = run(command, str(bad)).stdout
        assert "\x1b" not in shown
        assert "\\x1b]0;hi\\x07 file /et" in shown
    path = cache(tmp_path, "me/mine", "m-Q4_K_M.gguf", content)
    path.parent.joinpath("README.md").write_text('---\nlicense: "\\e[2J\\nmit"\n---\n')
    listed = run("list").stdout
    assert "\x1b" not in listed
    assert "\\x1b[2J" in listed


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
