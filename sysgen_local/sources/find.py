"""INPUTs to the files behind them: files, folders, standard input, datasets on a hub."""

from __future__ import annotations

import atexit
import glob
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

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
"""What a user would call what is named there; the shell counts its pipes as it likes."""
_NO_ROWS = ("dataset_info.json", "dataset_infos.json", "dataset_dict.json")
"""What the library `datasets` writes beside its data."""


@dataclass(frozen=True, slots=True)
class _Wish:
    """How the inputs are to be read."""

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
    """The files behind INPUTs: those of `find_each` in one list."""
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
    """The files behind each INPUT: files, directories (recursively, sorted), - for standard input,
    hf://datasets/... and a hub's web addresses.

    `license` is the user's word on it, over that of a hub's card and of what is known by name.
    `split` is the one to read where there are several; without it that is `train`, and `say` is
    told so. `encoding` is that of text files, UTF-8 unless given.

    Raises UsageError for what is missing, unreadable, empty, of an unknown kind, or without that
    split.
    """
    if encoding:
        check_encoding(encoding)
    wish = _Wish(mapping, license, split, encoding, say)
    found = [_found(name, wish) for name in inputs]
    if split and found and not any(source.split for group in found for source in group):
        raise UsageError(
            f"--split {split}: there are no splits in {', '.join(inputs)}",
            hint="leave --split off, or name the file of that split",
        )
    return found


def _found(name: str, wish: _Wish) -> list[Source]:
    if (address := hub.address(name)) is not None:
        return [
            _source(of.path, of.file, wish, of.license, of.repo, split=wish.split)
            for of in hub.files(address, is_rows, wish.split, wish.say)
        ]
    if name == STDIN:
        return [_piped(sys.stdin.buffer, _PIPES["/dev"], wish)]
    path = Path(os.path.expanduser(name))
    if path.is_dir():
        return [
            _source(str(file), file, wish, split=split) if split else _file(str(file), file, wish)
            for file, split in _inside(path, wish)
        ]
    if not path.exists() and (matches := sorted(glob.glob(str(path), recursive=True))):
        return [source for match in matches for source in _found(match, wish)]
    if not path.exists():
        raise UsageError(f"there is no file {name}", hint="look at the path, or quote it")
    if not path.is_file() or path.parts[:2] == ("/", "dev"):  # a pipe, as <(...) and /dev/stdin
        with path.open("rb") as stream:
            return [_piped(stream, _PIPES.get(str(path.parent), name), wish)]
    if not is_data(path.name):
        raise UsageError(
            f"{name} has an ending that is not known",
            hint=f"known: {endings()}; or pipe it in: sysgen run - < {name}",
        )
    return [_file(str(path), path, wish)]


def is_rows(name: str) -> bool:
    """Whether a file of this name may hold rows."""
    return is_data(name) and name.rpartition("/")[2] not in _NO_ROWS


def _inside(folder: Path, wish: _Wish) -> list[tuple[Path, str | None]]:
    """The data files of a folder, each with the split that is read of it, if the folder has any."""
    files = sorted(
        file for file in folder.rglob("*")
        if file.is_file() and is_rows(file.name) and _is_saved(file)
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    )  # fmt: skip
    if not files:
        raise UsageError(f"{folder} holds no data file", hint=f"understood: {endings()}")
    names = {file.relative_to(folder).as_posix(): file for file in files}
    if not any(splits.named(name) for name in names):
        return [(file, None) for file in files]
    kept = splits.take(list(names), wish.split, str(folder), wish.say, others=True)
    return [(names[name], wish.split) for name in kept]


def _is_saved(file: Path) -> bool:
    """Not what `datasets.save_to_disk` leaves beside the data: its state, and what it cached."""
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


def _file(path: str, file: Path, wish: _Wish) -> Source:
    """A file by itself. If it may hold several splits, another than `train` is another source."""
    source = _source(path, file, wish, split=_own_split(file, wish))
    if source.split is None or splits.is_train(source.split):
        return source
    salted = hashlib.sha256(f"{source.fingerprint} {source.split}".encode()).hexdigest()
    return replace(source, path=f"{path} [{source.split}]", fingerprint=salted)


def _own_split(path: Path, wish: _Wish) -> str | None:
    """The split that was asked for, if the file itself may have several."""
    form, packed = form_of(path.name)
    if not wish.split or form not in ("json", "jsonl"):
        return None
    try:
        several = json_text.holds_document(
            lambda: open_text(path, packed, wish.encoding), by_line=form == "jsonl"
        )
    except (OSError, EOFError, UnicodeError):
        return None  # `read` says it
    return wish.split if several else None


def _piped(stream: BinaryIO, name: str, wish: _Wish) -> Source:
    """What can be read only once is kept in a file until the end; its name there tells its form,
    and what the user sees tells its content, so that other content is another source."""
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
    source = _file(name, file, wish)
    return replace(source, path=f"{source.path} {source.fingerprint[:8]}")


def _source(
    path: str,
    file: Path,
    wish: _Wish,
    license_: str | None = None,
    repo: str | None = None,
    split: str | None = None,
) -> Source:
    known = preset(repo or file.name)
    try:
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256")
        if wish.encoding:  # its text is another one then
            digest.update(wish.encoding.lower().encode())
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    return Source(
        path=path,
        file=str(file),
        fingerprint=digest.hexdigest(),
        dataset=known.name if known else repo or file.name.split(".")[0],
        license=wish.license or license_ or (known.license if known else None),
        mapping=wish.mapping,
        split=split,
        encoding=wish.encoding,
    )
