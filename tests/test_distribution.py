"""What is published: the wheel and the source archive hold what they must, and nothing else.

Both are built in this process by hatchling, which the dev extra installs.
"""

import re
import tarfile
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder
from places import ROOT

import sysgen_local

pytestmark = pytest.mark.e2e  # wheels and archives are built and unpacked

PROMPTS = {path.relative_to(ROOT).as_posix() for path in (ROOT / "prompts").rglob("*.*")}
DATA = {"models.toml", "examples/questions.jsonl", "builtin_model/builtin.gguf", *PROMPTS}
FOREIGN = re.compile(
    r"(^|/)(tests|recipe|cache|\.?\w+_cache|__pycache__|\.venv|\.git|\.github)/"
    r"|^(benchmarks|docs)/|\.(pyc|duckdb|wal|status\.json)$"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    [built] = WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("wheel")))
    return Path(built)


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    [built] = SdistBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("sdist")))
    return Path(built)


def sources() -> set[str]:
    """Every file of the package, byte code aside."""
    files = (ROOT / "sysgen_local").rglob("*")
    return {
        path.relative_to(ROOT).as_posix()
        for path in files
        if path.is_file() and "__pycache__" not in path.parts
    }


def members(archive: Path) -> set[str]:
    """The files of a source archive, without the folder that holds all of them."""
    with tarfile.open(archive) as tar:
        names = [member.name for member in tar if member.isfile()]
    return {name.split("/", 1)[1] for name in names}


def test_the_wheel_holds_the_package_and_its_data(wheel):
    names = {*zipfile.ZipFile(wheel).namelist()}
    assert sources() <= names
    assert {f"sysgen_local/data/{name}" for name in DATA} <= names


def test_the_wheel_holds_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"sysgen_local", f"sysgen_local-{sysgen_local.__version__}.dist-info"}
    packaged = [name.removeprefix("sysgen_local/data/") for name in names]
    assert not [name for name in packaged if FOREIGN.search(name)]


def test_the_data_is_what_the_repository_has(wheel):
    with zipfile.ZipFile(wheel) as whole:
        for name in DATA:
            assert whole.read(f"sysgen_local/data/{name}") == (ROOT / name).read_bytes(), name


def test_the_wheel_says_what_it_is(wheel):
    place = f"sysgen_local-{sysgen_local.__version__}.dist-info"
    with zipfile.ZipFile(wheel) as whole:
        facts = HeaderParser().parsestr(whole.read(f"{place}/METADATA").decode())
        entries = whole.read(f"{place}/entry_points.txt").decode()
        names = whole.namelist()
    assert facts["Name"] == "sysgen-local"
    assert facts["Version"] == sysgen_local.__version__
    assert facts["License-Expression"] == "Apache-2.0"
    assert f"{place}/licenses/LICENSE" in names
    assert "sysgen = sysgen_local.cli.main:main" in entries


def test_the_source_archive_holds_what_the_wheel_is_built_from(archive):
    names = members(archive)
    assert sources() | DATA <= names
    assert {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"} <= names


def test_the_source_archive_holds_nothing_else(archive):
    names = members(archive)
    assert not [name for name in names if FOREIGN.search(name)]
    beside = {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "PKG-INFO", ".gitignore",
              "builtin_model/README.md"}  # fmt: skip
    assert names <= sources() | DATA | beside


def test_a_wheel_can_be_built_from_the_source_archive(archive, wheel, tmp_path):
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path, filter="data")
    [root] = tmp_path.iterdir()
    [again] = WheelBuilder(str(root)).build(directory=str(tmp_path / "out"))
    names = zipfile.ZipFile(wheel).namelist()
    assert sorted(zipfile.ZipFile(again).namelist()) == sorted(names)
