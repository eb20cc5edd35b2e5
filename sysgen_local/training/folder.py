"""The folder of a training: its recipe, the curve of its loss, its checkpoints.

- `recipe.json`: what is trained on what, and whether it has finished
- `data/train.jsonl`, `data/valid.jsonl`: the rows (as mlx-lm and others name them), with their card
- `curve.jsonl`: one `Point` a line
- `checkpoints/`: until it has finished
- `base.gguf`: the base, where it was not one
- `README.md`: the card of the model
- `adapter/` or `model/`: what was trained, in the form of PEFT or transformers, and its GGUFs
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from pydantic import TypeAdapter

from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.core.files import write

RECIPE = "recipe.json"
DATA, TRAIN, HELD_OUT = "data", "train", "valid"
CURVE = "curve.jsonl"
CHECKPOINTS = "checkpoints"
ADAPTER, MODEL = "adapter", "model"
BASE = "base.gguf"
CARD = "README.md"

_LAST_FILE = "trainer_state.json"
"""The file of a checkpoint that transformers writes last."""

_OF_RUST, _TORCH_WRITER = re.compile(r"\(os error \d+\)"), "PytorchStreamWriter"
_LOCK = ".training.lock"
_SCRATCH = re.compile(r"\.training-(\d+)-\w+")


@dataclass(frozen=True, slots=True)
class Point:
    """The loss of a step (nats a learned token), and of the held-out rows where they were measured
    there. `tokens`: tokens trained on so far; `seconds`: time so far."""

    step: int
    steps: int
    epoch: float
    loss: float | None
    held_out_loss: float | None
    learning_rate: float | None
    tokens: int
    seconds: float

    @property
    def seconds_left(self) -> float | None:
        return self.seconds / self.step * (self.steps - self.step) if self.step else None


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """Yields a temporary folder inside `folder`, or inside the next one above it that exists, so
    that a file moves from there without a copy. Removes those that killed processes left there.

    Raises UsageError where nothing can be written.
    """
    above = next(of for of in (folder.absolute(), *folder.absolute().parents) if of.exists())
    if not above.is_dir():
        raise UsageError(f"{above} is a file", hint="name a folder with -o")
    for left in _scratches(above):
        shutil.rmtree(left, ignore_errors=True)
    try:
        new = tempfile.TemporaryDirectory(prefix=f".training-{os.getpid()}-", dir=above)
    except OSError as error:
        raise UsageError(
            f"the folder {above} cannot be written to: {error.strerror or error}",
            hint="name another folder with -o",
        ) from error
    with new as path:
        yield Path(path)


def _scratches(folder: Path) -> Iterator[Path]:
    """Temporary folders in `folder` whose process has ended."""
    for path in folder.iterdir():
        found = _SCRATCH.fullmatch(path.name)
        if found and not psutil.pid_exists(int(found[1])):
            yield path


def holds_something(folder: Path) -> bool:
    """Whether there is anything in the folder beside the temporary files of trainings."""
    return folder.exists() and any(
        path.name != _LOCK and not _SCRATCH.fullmatch(path.name) for path in folder.iterdir()
    )


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Inside it no other process trains in this folder. Raises UsageError where one does."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / _LOCK, timeout=0)
    try:
        with lock:
            try:
                yield
            finally:
                (folder / _LOCK).unlink(missing_ok=True)
    except Timeout as error:
        raise UsageError(
            f"another process trains in {folder}",
            hint="wait for it, or name another folder with -o",
        ) from error


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Inside it an error of the file system, such as a full disk, becomes a SysgenError."""
    try:
        yield
    except Exception as error:
        if isinstance(error, OSError) and error.strerror:
            why = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
        elif isinstance(error, OSError) or _TORCH_WRITER in str(error):
            why = "a file could not be written whole"
        elif _OF_RUST.search(str(error)):  # safetensors and tokenizers
            why = str(error)
        else:
            raise
        raise SysgenError(
            f"the training in {folder} cannot go on: {why}",
            hint="see whether the disk is full; the same command takes the training up again",
        ) from error


_POINT = TypeAdapter(Point)


def read_recipe(folder: Path) -> dict[str, Any]:
    """The recipe of the training in this folder; empty where there is none. Raises UsageError for a
    damaged one."""
    path = folder / RECIPE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        return {}
    except ValueError as error:
        raise UsageError(
            f"{path} is damaged: {error}", hint="name another folder with -o, or delete this one"
        ) from error
    return found if isinstance(found, dict) else {}


def read_curve(folder: Path) -> list[Point]:
    """The points so far. A line that a kill cut, or that is no point, is left out."""
    try:
        lines = (folder / CURVE).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    points = []
    for line in lines:
        try:
            points.append(_POINT.validate_python(json.loads(line)))
        except ValueError:
            continue
    return points


def write_curve(folder: Path, points: Sequence[Point]) -> None:
    """Replaces the curve."""
    write(folder / CURVE, "".join(map(_line, points)))


def add_point(folder: Path, point: Point) -> None:
    """Adds a point to the curve."""
    with (folder / CURVE).open("a", encoding="utf-8") as file:
        file.write(_line(point))


def _line(point: Point) -> str:
    return json.dumps(asdict(point)) + "\n"


def last_checkpoint(folder: Path) -> tuple[int, Path] | None:
    """The step and the path of the newest whole checkpoint; those that are not are removed."""
    found = []
    for path in (folder / CHECKPOINTS).glob("checkpoint-*"):
        try:
            step = int(json.loads((path / _LAST_FILE).read_text())["global_step"])
            whole = all(map(_is_whole, path.iterdir()))
        except (OSError, ValueError, KeyError, TypeError):
            whole = False
        if whole:
            found.append((step, path))
        else:
            shutil.rmtree(path, ignore_errors=True)
    return max(found, default=None)


def _is_whole(path: Path) -> bool:
    """Whether a file of a checkpoint has its end, which it may lack after a loss of power: the
    directory of a zip, as torch writes them, or the last weight of a safetensors file."""
    if path.suffix in (".pt", ".pth"):
        return zipfile.is_zipfile(path)
    if path.suffix != ".safetensors":
        return True
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(min(length, path.stat().st_size)))
    ends = [of["data_offsets"][1] for name, of in header.items() if name != "__metadata__"]
    return path.stat().st_size == 8 + length + max(ends, default=0)
