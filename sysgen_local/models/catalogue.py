"""Reads `models.toml`, the shipped one and the user's, validates and merges them.

It does not use the network or read GGUF files. Each error in a file is a `UsageError` that names
the file and the key.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from sysgen_local.core.errors import UsageError
from sysgen_local.core.resources import resource


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RecommendedSampling(_Table):
    """The sampling parameters that the vendor recommends; None where there is no recommendation."""

    temperature: Annotated[float, Field(ge=0, le=5)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0)] | None = None
    min_p: Annotated[float, Field(ge=0, lt=1)] | None = None


def _repository(name: str) -> str:
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name) or "--" in name or ".." in name:
        raise ValueError("is not the name of a hub repository (OWNER/NAME)")
    return name


def _one_whole_gguf(name: str) -> str:
    if ".." in name or name.startswith("/"):
        raise ValueError("is not a path inside the repository")
    if not name.endswith(".gguf"):
        raise ValueError("is not the name of a .gguf file")
    if re.search(r"-\d{5}-of-\d{5}\.gguf$", name):
        raise ValueError("is one part of a split GGUF; name a repository that has it in one file")
    return name


def _distribution(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?", name, re.ASCII):
        raise ValueError("is not the name of a Python package")
    return name


def _address(name: str) -> str:
    url = urlsplit(name)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError("is not the address of a server (http://HOST:PORT/v1#MODEL)")
    if url.username or url.password:
        raise ValueError("has a name or password in it; name an environment variable in key_env")
    return name


def _inside_a_package(name: str) -> str:
    if not name or ".." in PurePosixPath(name).parts or name.startswith("/"):
        raise ValueError("is not a path inside the package")
    return name


class File(_Table):
    """One quantisation: a file in the repository, its size in gigabytes (10^9 bytes), and its
    SHA-256."""

    file: Annotated[str, AfterValidator(_one_whole_gguf)]
    gb: Annotated[float, Field(gt=0)] | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None


class CatalogueEntry(_Table):
    """One model. It has `repo` and `files` (by quantisation), or `path`, or `package` and `file`,
    or `servers`. `package` and `file` are the name of a Python distribution and the path or glob of
    a file in it. `servers` are addresses, `URL` or `URL#MODEL` each, and `key_env` is the name of
    the environment variable with their key. `context` is in tokens."""

    name: str
    title: str = ""
    params: str = ""
    repo: Annotated[str, AfterValidator(_repository)] | None = None
    revision: str = "main"
    files: dict[str, File] = {}
    default: str = ""
    path: Path | None = None
    package: Annotated[str, AfterValidator(_distribution)] | None = None
    file: Annotated[str, AfterValidator(_inside_a_package)] | None = None
    servers: tuple[Annotated[str, AfterValidator(_address)], ...] = ()
    key_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    license: str = "unknown"
    context: Annotated[int, Field(gt=0)] | None = None
    system_role: bool = True
    thinking: bool = False
    sampling: RecommendedSampling = RecommendedSampling()
    prompts: Literal["default", "compact"] = "default"
    checked: bool = False

    @field_validator("files", mode="before")
    @classmethod
    def _lower(cls, files: object) -> object:
        return {str(k).lower(): v for k, v in files.items()} if isinstance(files, dict) else files

    @field_validator("default")
    @classmethod
    def _lower_default(cls, default: str) -> str:
        return default.lower()

    @model_validator(mode="before")
    @classmethod
    def _only_file_is_default(cls, table: dict[str, Any]) -> dict[str, Any]:
        files = table.get("files")
        if "default" not in table and isinstance(files, dict) and len(files) == 1:
            return {**table, "default": next(iter(files))}
        return table

    @model_validator(mode="after")
    def _has_a_file(self) -> CatalogueEntry:
        if [self.repo, self.path, self.package, self.servers or None].count(None) != 3:
            raise ValueError("give either repo and files, or path, or package and file, or servers")
        if self.key_env is not None and not self.servers:
            raise ValueError("key_env is for servers")
        if self.package is not None and self.file is None:
            raise ValueError("package needs file: the path of the GGUF inside the package")
        if self.package is None and self.file is not None:
            raise ValueError("file needs package: the name of the Python package that has it")
        if self.package is not None and self.files:
            raise ValueError("files goes with repo; package needs file")
        if self.repo is not None and not self.files:
            raise ValueError("repo needs files: one GGUF for every quantisation")
        if self.files and self.default not in self.files:
            raise ValueError(f"default must be one of its files: {', '.join(self.files)}")
        return self

    def quant(self, quant: str | None = None) -> str | None:
        """The name of the quantisation `quant` (None: the default) in `files`; None for a model
        with one file only. Raises UsageError where there is no such quantisation."""
        if self.repo is None and quant is None:
            return None
        wanted = (quant or self.default).lower()
        if wanted not in self.files:
            has = ", ".join(f"{self.name}:{q}" for q in self.files) or self.name
            raise UsageError(f"{self.name} has no quantisation {quant}", hint=f"there is {has}")
        return wanted


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All entries by name, in the order in which the files list them."""

    entries: dict[str, CatalogueEntry]

    def find(self, name: str) -> tuple[CatalogueEntry, str | None]:
        """(entry, quantisation) for `NAME` or `NAME:QUANT`. Raises UsageError where it is
        unknown."""
        base, _, quant = name.partition(":")
        entry = self.named(name)
        if entry is None:
            near = self._near(base.lower())
            raise UsageError(
                f"no model is called {base}",
                hint=f"did you mean {' or '.join(near)}?"
                if near
                else "`sysgen models list` shows the names; a path to a .gguf file works too",
            )
        return entry, entry.quant(quant or None)

    def named(self, name: str) -> CatalogueEntry | None:
        """The entry for `NAME` or `NAME:QUANT`; None where it is unknown."""
        base = name.partition(":")[0]
        return self.entries.get(base) or self.entries.get(base.lower())

    def _near(self, name: str) -> list[str]:
        parts = [known for known in self.entries if len(name) > 2 and name in known]
        return (parts or difflib.get_close_matches(name, self.entries, n=3, cutoff=0.6))[:3]


def load_catalogue(extra: Path | None = None) -> Catalogue:
    """The shipped catalogue with the user's entries. The user's keys override the shipped ones.

    The user's file is `extra`, else the file that SYSGEN_MODELS names, else
    `$XDG_CONFIG_HOME/sysgen/models.toml` (`~/.config/...`) where there is one. Raises UsageError
    for a file that cannot be read or is not valid; it names the file and the key.
    """
    shipped = resource("models.toml")
    tables = _tables(shipped)
    origin = dict.fromkeys(tables, shipped)
    if (user := extra or _user_file()) is not None:
        for name, table in _tables(user).items():
            tables[name] = _merged(tables.get(name, {}), table)
            origin[name] = user
    return Catalogue({name: _entry(name, t, origin[name]) for name, t in tables.items()})


def _user_file() -> Path | None:
    if named := os.environ.get("SYSGEN_MODELS"):
        return Path(named).expanduser()
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    usual = Path(home) / "sysgen" / "models.toml"
    return usual if usual.is_file() else None


def _tables(file: Path) -> dict[str, dict[str, Any]]:
    """The tables `[models."NAME"]` of one file, by name, with each `path` made absolute."""
    try:
        with file.open("rb") as stream:
            document = tomllib.load(stream)
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is not valid TOML: {error}") from error
    models = document.pop("models", {})
    if document or not isinstance(models, dict):
        key = next(iter(document), "models")
        raise UsageError(f'{file}: {key}: only tables [models."NAME"] belong here')
    for name, table in models.items():
        if not isinstance(table, dict):
            raise UsageError(
                f"{file}: models.{name}: must be a table",
                hint=f'a name with a dot needs quotes: [models."{name}...."]',
            )
        if isinstance(table.get("path"), str):
            table["path"] = file.parent.absolute() / Path(table["path"]).expanduser()
    return models


def _merged(known: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """The entry merged key by key. Where `own` has another place for the file (path, repo,
    package or servers), it replaces all keys about the old place."""
    if own.keys() & {"path", "repo", "package", "servers"}:
        gone = (
            "path", "repo", "revision", "files", "default", "package", "file", "servers", "key_env",
        )  # fmt: skip
        known = {key: value for key, value in known.items() if key not in gone}
    merged = {**known, **own}
    for key in ("files", "sampling"):
        if isinstance(known.get(key), dict) and isinstance(own.get(key), dict):
            merged[key] = {**known[key], **own[key]}
    return merged


def _entry(name: str, table: dict[str, Any], file: Path) -> CatalogueEntry:
    if not re.fullmatch(r"[\w.-]+", name):
        raise UsageError(f'{file}: models."{name}": a name has letters, digits, ., - and _ only')
    try:
        return CatalogueEntry.model_validate({**table, "name": name})
    except ValidationError as error:
        # A misspelt key causes two errors, an unknown key and a missing one. The first is clearer.
        first = min(error.errors(), key=lambda of: of["type"] != "extra_forbidden")
        where = ".".join([f'models."{name}"', *map(str, first["loc"])])
        raise UsageError(f"{file}: {where}: {_message(first)}", hint=_hint(first)) from error


def _message(problem: Any) -> str:
    if problem["type"] == "extra_forbidden":
        return "there is no such key"
    message = str(problem["msg"]).removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


def _hint(problem: Any) -> str | None:
    if problem["type"] != "extra_forbidden":
        return None
    parent = {2: File if "files" in problem["loc"] else RecommendedSampling, 3: File}.get(
        len(problem["loc"]), CatalogueEntry
    )
    keys = [key for key in parent.model_fields if key != "name"]
    near = difflib.get_close_matches(str(problem["loc"][-1]), keys, n=1)
    there = f"the keys are {', '.join(keys)}"
    return f"did you mean {near[0]}? {there[0].upper()}{there[1:]}" if near else there
