"""The catalogue of models, and the way from a name to a file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sysgen_local.core.errors import UsageError
from sysgen_local.core.resources import resource
from sysgen_local.models import check, load_catalogue, resolve

BUILTIN = resource("builtin_model/builtin.gguf")


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_catalogue_is_sound() -> None:
    entries = load_catalogue().entries
    for paper in ("llama-3.1-8b", "qwen2.5-14b", "phi-4", "solar-10.7b", "gemma-2-9b"):
        assert entries[paper].repo
        assert entries[paper].files
    assert not entries["solar-10.7b"].system_role
    assert not entries["gemma-2-9b"].system_role
    for entry in entries.values():
        assert entry.title, entry.name
        assert entry.context, entry.name
        assert entry.license != "unknown"
        for quant, file in entry.files.items():
            assert file.gb is not None
            assert quant in file.file.lower()


def test_the_entry_of_the_builtin_model_says_what_its_file_says() -> None:
    entry = load_catalogue().entries["builtin"]
    model = resolve("builtin")
    assert model.path.samefile(BUILTIN)
    report = check(model.path)
    assert entry.prompts == "compact"
    assert entry.context == report.context
    assert entry.thinking == report.thinking


def test_a_users_file_adds_and_overrides_key_by_key(tmp_path: Path) -> None:
    mine = write(
        tmp_path / "mine.toml",
        f"""
        [models."mine"]
        path = "{os.path.relpath(BUILTIN, tmp_path)}"
        prompts = "compact"
        [models."phi-4"]
        default = "Q8_0"
        sampling = {{ temperature = 0.5 }}
        [models."phi-4".files]
        Q6_K = {{ file = "phi-4-Q6_K.gguf" }}
        """,
    )
    shipped, catalogue = load_catalogue(), load_catalogue(mine)
    assert set(catalogue.entries) == {*shipped.entries, "mine"}
    assert resolve("mine", catalogue).path.samefile(BUILTIN)
    phi = catalogue.entries["phi-4"]
    assert phi.default == "q8_0"
    assert phi.sampling.temperature == 0.5
    assert phi.license == "mit"
    assert set(phi.files) == {"q4_k_m", "q6_k", "q8_0"}
    assert catalogue.find("phi-4:Q6_K") == (phi, "q6_k")


def test_a_new_place_replaces_the_old_one(tmp_path: Path) -> None:
    mine = write(tmp_path / "mine.toml", f'[models."phi-4"]\npath = "{BUILTIN}"\n')
    entry = load_catalogue(mine).entries["phi-4"]
    assert entry.repo is None
    assert not entry.files
    assert entry.license == "mit"


def test_a_package_replaces_a_repository_and_a_path_replaces_a_package(tmp_path: Path) -> None:
    mine = write(
        tmp_path / "mine.toml",
        f"""
        [models."phi-4"]
        package = "phi-in-a-package"
        file = "phi/*.gguf"
        [models."smollm2-135m"]
        path = "{BUILTIN}"
        [models."smollm2-1.7b"]
        default = "q8_0"
        """,
    )
    entries = load_catalogue(mine).entries
    phi, smol = entries["phi-4"], entries["smollm2-135m"]
    assert (phi.package, phi.file, phi.repo, phi.files) == (
        "phi-in-a-package", "phi/*.gguf", None, {},
    )  # fmt: skip
    assert phi.license == "mit"
    assert (smol.path, smol.package, smol.file) == (BUILTIN, None, None)
    assert smol.sampling.temperature == 0.2


def test_where_the_users_file_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = '[models."{}"]\nrepo = "me/mine"\nfiles.q8_0.file = "mine.gguf"\n'
    write(tmp_path / "config/sysgen/models.toml", text.format("usual"))
    assert load_catalogue().entries["usual"].default == "q8_0"
    monkeypatch.setenv("SYSGEN_MODELS", str(write(tmp_path / "named.toml", text.format("named"))))
    names = load_catalogue().entries
    assert "named" in names
    assert "usual" not in names


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[models", "is not valid TOML", ""),
        ('[model."x"]\npath = "a.gguf"', 'model: only tables [models."NAME"]', ""),
        ("models = 1", "models: only tables", ""),
        ('[models."x y"]\npath = "a.gguf"', "a name has letters", ""),
        ("[models]\nx = 1", "models.x: must be a table", ""),
        ('[models."x"]\nlicense = "mit"', 'models."x": give either repo and files, or path', ""),
        ('[models."x"]\nrepo = "a/b"', "repo needs files", ""),
        (
            '[models."x"]\nrepo = "ab"\nfiles.q.file = "b.gguf"',
            'models."x".repo: is not the name',
            "",
        ),
        ('[models."x"]\nrepo = "a/b--c"\nfiles.q.file = "b.gguf"', "OWNER/NAME", ""),
        ('[models."x"]\nrepo = "a/b"\nfiles.q.file = "../b.gguf"', "inside the repository", ""),
        (
            '[models."x"]\npath = "a.gguf"\nlicence = "mit"',
            "licence: there is no such key",
            "did you mean license? The keys are title, params, repo",
        ),
        (
            '[models."x"]\npath = "a.gguf"\nsampling.temp = 1',
            "sampling.temp: there is no such key",
            "the keys are temperature",
        ),
        (
            '[models."x"]\npath = "a.gguf"\nsampling.top_p = 1.5',
            'models."x".sampling.top_p: input should be less than or equal to 1',
            "",
        ),
        (
            '[models."x"]\nrepo = "a/b"\nfiles.q.file = "b-00001-of-00003.gguf"',
            "files.q.file: is one part of a split GGUF",
            "",
        ),
        (
            '[models."x"]\nrepo = "a/b"\nfiles.q.fil = "b.gguf"',
            "files.q.fil: there is no such key",
            "did you mean file? The keys are file, gb, sha256",
        ),
        (
            '[models."x"]\nrepo = "a/b"\ndefault = "q9"\nfiles.q8.file = "b.gguf"',
            "default must be one of its files: q8",
            "",
        ),
        ('[models."x"]\npackage = "a"', "package needs file: the path of the GGUF inside", ""),
        ('[models."x"]\npath = "a.gguf"\nfile = "b.gguf"', "file needs package", ""),
        ('[models."phi-4"]\nfile = "b.gguf"', "file needs package", ""),
        (
            '[models."x"]\npackage = "a"\nfile = "b.gguf"\nrepo = "a/b"',
            "give either repo and files, or path, or package and file",
            "",
        ),
        (
            '[models."x"]\npackage = "a"\nfile = "b.gguf"\npath = "b.gguf"',
            "give either repo and files, or path, or package and file",
            "",
        ),
        (
            '[models."x"]\npackage = "a"\nfile = "b.gguf"\nfiles.q8.file = "b.gguf"',
            "files goes with repo",
            "",
        ),
        (
            '[models."x"]\npackage = "a b"\nfile = "b.gguf"',
            'models."x".package: is not the name of a Python package',
            "",
        ),
        (
            '[models."x"]\npackage = "a"\nfile = "a/../../b.gguf"',
            'models."x".file: is not a path inside the package',
            "",
        ),
        ('[models."x"]\npackage = "a"\nfile = "/b.gguf"', "is not a path inside the package", ""),
        ('[models."x"]\npackage = "a"\nfile = ""', "is not a path inside the package", ""),
        ('[models."phi-4"]\nprompts = "tiny"', "prompts: input should be 'default' or", ""),
    ],
)
def test_what_is_wrong_with_a_users_file_is_said(
    tmp_path: Path, text: str, message: str, hint: str
) -> None:
    mine = write(tmp_path / "mine.toml", text)
    with pytest.raises(UsageError) as raised:
        load_catalogue(mine)
    assert str(mine) in raised.value.message
    assert message in raised.value.message
    assert hint in (raised.value.hint or "")


def test_a_named_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read .*none\.toml"):
        load_catalogue(tmp_path / "none.toml")


def test_an_unknown_name_lists_its_neighbours() -> None:
    with pytest.raises(UsageError, match="no model is called qwen25-7b") as raised:
        resolve("qwen25-7b")
    assert "qwen2.5-7b" in str(raised.value.hint)
    with pytest.raises(UsageError) as raised:
        resolve("granite")
    assert "granite-4.0-micro" in str(raised.value.hint)
    with pytest.raises(UsageError) as raised:
        resolve("zzzz")
    assert "sysgen models list" in str(raised.value.hint)


def test_an_unknown_quantisation_lists_the_known() -> None:
    with pytest.raises(UsageError, match="phi-4 has no quantisation q9") as raised:
        resolve("phi-4:q9")
    assert "phi-4:q4_k_m" in str(raised.value.hint)
    with pytest.raises(UsageError, match="builtin has no quantisation"):
        resolve("builtin:q8_0")


def test_a_path_needs_no_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = resolve(str(BUILTIN))
    assert (model.name, model.path, model.entry) == ("builtin", BUILTIN, None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "odd-name").write_bytes(BUILTIN.read_bytes())
    assert resolve("odd-name").path == Path("odd-name")


def test_what_is_no_gguf_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read .*none\.gguf: No such file"):
        resolve(str(tmp_path / "none.gguf"))
    page = write(tmp_path / "page.gguf", "<html>log in first</html>")
    with pytest.raises(UsageError, match=r"page\.gguf is not a GGUF file"):
        resolve(str(page))
    mine = write(tmp_path / "mine.toml", '[models."gone"]\npath = "gone.gguf"\n')
    with pytest.raises(UsageError, match=r"gone is not on this machine: .*gone\.gguf does not"):
        resolve("gone", load_catalogue(mine))
