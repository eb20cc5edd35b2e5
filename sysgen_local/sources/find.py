"""Finds the files of each INPUT: a file, a folder, standard input, or a dataset on a hub."""

from __future__ import annotations

import atexit
import glob
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from sysgen_local.core import cards
from sysgen_local.core.errors import UsageError
from sysgen_local.core.records import Source
from sysgen_local.sources import hub, splits
from sysgen_local.sources.formats import json_text
from sysgen_local.sources.opening import (
    check_encoding,
    ending_of,
    endings,
    form_of,
    is_data,
    open_text,
)
from sysgen_local.sources.presets import preset

Say = Callable[[str], None]

STDIN = "-"
_PIPES = {"/dev": "standard input", "/dev/fd": "piped input"}
"""Folder of a device or pipe -> its name in messages. The numbers of pipes have no meaning for
the user."""
_NO_ROWS = ("dataset_info.json", "dataset_infos.json", "dataset_dict.json")
"""Files that the library `datasets` writes beside its data."""
_STATUS = ".status.json"
"""End of the name of a file that a run keeps beside its store."""


@dataclass(frozen=True, slots=True)
class _ReadOptions:
    """How the inputs are read."""

    mapping: Mapping[str, str] | None
    license: str | None
    split: str | None
    encoding: str | None
    say: Say


def find(
    inputs: Sequence[str],
    *,
    mapping: Mapping[str, str] | None = None,
    license: str | None = None,  # noqa: A002 - the field's name
    split: str | None = None,
    encoding: str | None = None,
    say: Say = lambda line: None,
) -> list[Source]:
    """The files of all INPUTs, as `find_each` gives them, in one list."""
    groups = find_each(
        inputs, mapping=mapping, license=license, split=split, encoding=encoding, say=say
    )
    return [source for group in groups for source in group]


def find_each(
    inputs: Sequence[str],
    *,
    mapping: Mapping[str, str] | None = None,
    license: str | None = None,  # noqa: A002 - the field's name
    split: str | None = None,
    encoding: str | None = None,
    say: Say = lambda line: None,
) -> list[list[Source]]:
    """The files of each INPUT. An INPUT is a file, a directory (read recursively, sorted), - for
    standard input, hf://datasets/..., or the web address of a dataset on a hub.

    `license` is the licence that the user gave; it overrides that of the hub's card and of
    `presets`. `split` is the split to read where there are several, else `train`; `say` is called
    with a sentence about splits that are left out. `encoding` is the encoding of text files, by
    default UTF-8.

    Raises UsageError for an INPUT that is missing, unreadable, empty, of an unknown kind, or
    without that split.
    """
    if encoding:
        check_encoding(encoding)
    options = _ReadOptions(mapping, license, split, encoding, say)
    found = [_found(name, options) for name in inputs]
    if split and found and not any(source.split for group in found for source in group):
        raise UsageError(
            f"--split {split}: there are no splits in {', '.join(inputs)}",
            hint="leave --split off, or name the file of that split",
        )
    return found


def _found(name: str, options: _ReadOptions) -> list[Source]:
    if not name.strip():
        raise UsageError("an input has no name", hint="name a file; . is the current folder")
    if (address := hub.address(name)) is not None:
        return [
            _source(of.path, of.file, options, of.license, of.repo, split=options.split)
            for of in hub.files(address, is_rows, options.split, options.say)
        ]
    if name == STDIN:
        return [_piped(sys.stdin.buffer, _PIPES["/dev"], options)]
    path = Path(os.path.expanduser(name))
    if path.is_dir():
        return [
            _source(str(file), file, options, split=split)
            if split
            else _file(str(file), file, options)
            for file, split in _inside(path, options)
        ]
    if not path.exists() and (matches := sorted(glob.glob(str(path), recursive=True))):
        return [source for match in matches for source in _found(match, options)]
    if not path.exists():
        hint = "look at the path, or quote it"
        if re.fullmatch(r"[\w.-]+/[\w.-]+", name) and not is_data(name):
            hint = f"did you mean the dataset of the hub, hf://datasets/{name}?"
        raise UsageError(f"there is no file {name}", hint=hint)
    if not path.is_file() or path.parts[:2] == ("/", "dev"):  # a pipe, as <(...) and /dev/stdin
        with path.open("rb") as stream:
            return [_piped(stream, _PIPES.get(str(path.parent), name), options)]
    if not is_data(path.name):
        raise UsageError(
            f"{name} has an ending that is not known",
            hint=f"known: {endings()}; or pipe it in: sysgen run - < {name}",
        )
    return [_file(str(path), path, options)]


def is_rows(name: str) -> bool:
    """Whether a file of this name may hold rows."""
    last = name.rpartition("/")[2]
    return is_data(name) and last not in _NO_ROWS and not last.endswith(_STATUS)


def _inside(folder: Path, options: _ReadOptions) -> list[tuple[Path, str | None]]:
    """The data files of a folder, each with the split to read; None where the folder has none."""
    files = sorted(
        file for file in folder.rglob("*")
        if file.is_file() and is_rows(file.name) and _is_saved(file)
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    )  # fmt: skip
    files, ours = _apart(files)
    for file in ours:
        options.say(f"left out: {file}, an export with its card beside it; name it to read it")
    if not files:
        raise UsageError(f"{folder} holds no data file", hint=f"understood: {endings()}")
    names = {file.relative_to(folder).as_posix(): file for file in files}
    if not any(splits.named(name) for name in names):
        return [(file, None) for file in files]
    kept = splits.take(list(names), options.split, str(folder), options.say, others=True)
    return [(names[name], options.split) for name in kept]


def _apart(files: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """The files that are no exports of a store, and those that are: a card beside them names
    them."""
    exports = {folder: cards.exports(folder) for folder in {file.parent for file in files}}
    ours = [file for file in files if file.name in exports[file.parent]]
    return [file for file in files if file not in ours], ours


def _is_saved(file: Path) -> bool:
    """Whether the file is data, and not the state or a cache file of `datasets.save_to_disk`."""
    state = file.parent / "state.json"
    if file.suffix == ".arrow" and state.is_file():
        try:
            kept = json.loads(state.read_text(encoding="utf-8"))["_data_files"]
            return file.name in [of["filename"] for of in kept]
        except (OSError, ValueError, LookupError, TypeError):
            return not file.name.startswith("cache-")
    if file == state:
        return not any(file.parent.glob("*.arrow"))
    return not (file.suffix == ".arrow" and file.name.startswith("cache-"))


def _file(path: str, file: Path, options: _ReadOptions) -> Source:
    """The source for one file. Where the file may hold several splits, each split except `train`
    has a path and a fingerprint of its own."""
    source = _source(path, file, options, split=_own_split(file, options))
    if source.split is None or splits.is_train(source.split):
        return source
    salted = hashlib.sha256(f"{source.fingerprint} {source.split}".encode()).hexdigest()
    return replace(source, path=f"{path} [{source.split}]", fingerprint=salted)


def _own_split(path: Path, options: _ReadOptions) -> str | None:
    """The split of the options, if the file itself may hold several splits."""
    form, compression = form_of(path.name)
    if not options.split or form not in ("json", "jsonl"):
        return None
    try:
        several = json_text.holds_document(
            lambda: open_text(path, compression, options.encoding), by_line=form == "jsonl"
        )
    except (OSError, EOFError, UnicodeError):
        return None  # `read` reports the error
    return options.split if several else None


def _piped(stream: BinaryIO, name: str, options: _ReadOptions) -> Source:
    """The source for a stream that can be read once. It is copied to a temporary file, whose ending
    gives the format. Its path has a part of the fingerprint, so other content is another source."""
    if stream.isatty():
        raise UsageError(
            f"{name} is a terminal, and no row is typed", hint="cat rows.jsonl | sysgen run -"
        )
    folder = Path(tempfile.mkdtemp(prefix="sysgen-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    file = folder / "piped"
    try:
        with file.open("wb") as copy:
            shutil.copyfileobj(stream, copy)
        file = file.rename(folder / f"piped{ending_of(file)}")
    except (OSError, EOFError) as error:
        raise UsageError(f"{name} cannot be read: {error}") from error
    source = _file(name, file, options)
    return replace(source, path=f"{source.path} {source.fingerprint[:8]}")


def _source(
    path: str,
    file: Path,
    options: _ReadOptions,
    license_: str | None = None,
    repo: str | None = None,
    split: str | None = None,
) -> Source:
    known = preset(repo or file.name)
    try:
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256")
        if options.encoding:  # with another encoding, the text is another one
            digest.update(options.encoding.lower().encode())
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    return Source(
        path=path,
        file=str(file),
        fingerprint=digest.hexdigest(),
        dataset=known.name if known else repo or file.name.split(".")[0],
        license=options.license or license_ or (known.license if known else None),
        mapping=options.mapping,
        split=split,
        encoding=options.encoding,
    )
