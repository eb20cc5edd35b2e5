"""Types and names of the values that options and arguments take."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from sysgen_local.cli import completion
from sysgen_local.core.files import ROW_FILES, check_ending, names_folder
from sysgen_local.core.shard import Shard


class _Path(click.Path):
    """A path in which `~` is the home folder. The shell does not expand `~` in --db=~/a.db.

    Of a file, the ending of the name must be one of `endings`, if there are any. With `new_only` a
    file that exists may have any ending. The shell completes files with these endings."""

    def __init__(self, *endings: str, new_only: bool = False, **more: Any) -> None:
        super().__init__(path_type=Path, **more)
        self.endings = endings
        self.new_only = new_only

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if str(value) == "-" and not self.allow_dash:
            self.fail("- for standard input or output is not understood here: name a file", param)
        path = Path(os.fsdecode(super().convert(os.path.expanduser(value), param, ctx)))
        if self.endings and str(path) != "-" and not (self.new_only and path.exists()):
            check_ending(path, self.endings)
        return path

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        if not self.endings:
            return super().shell_complete(ctx, param, incomplete)
        return completion.files_like(self.endings)(ctx, param, incomplete)


class _RowsOutput(_Path):
    """A file for rows, a folder for files of rows, or `-`. The value is text, because a Path loses
    the slash at the end of a folder's name."""

    def __init__(self) -> None:
        super().__init__(*ROW_FILES, allow_dash=True)

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if names_folder(value):
            return os.path.expanduser(value)
        return str(super().convert(value, param, ctx))


class _JsonPlace(_Path):
    """A folder, or a .json file."""

    def __init__(self) -> None:
        super().__init__(".json")

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        path = Path(os.path.expanduser(value))
        if path.is_dir() or not path.suffix:  # a folder that is not there is named later
            return path
        return super().convert(value, param, ctx)


def file(*endings: str) -> _Path:
    """A file whose name ends in one of these. The ending is checked before anything is done."""
    return _Path(*endings, dir_okay=False)


DATABASE_FILE = _Path(".duckdb", ".ddb", ".db", new_only=True, dir_okay=False)
"""A DuckDB file. What a file that exists holds is found out when it is opened."""
ROWS_OUTPUT = _RowsOutput()
"""A file for rows, a folder for files of rows, or `-` for standard output."""
JSON_PLACE = _JsonPlace()
"""A folder of JSON files, or one of them."""
FOLDER = _Path(file_okay=False, exists=True)
"""A folder that exists."""
NEW_FOLDER = _Path(file_okay=False)
"""A folder that may not exist yet."""


class ShardType(click.ParamType[str]):
    """A shard, I/N."""

    name = "shard"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        Shard.parse(value)
        return str(value)


class _Integer(click.IntRange):
    """An integer from `least` on, of at most 64 bits with its sign: the store holds no others. In
    help and errors the bounds are written as powers of two."""

    def __init__(self, least: int) -> None:
        super().__init__(least, 2**63 - 1)

    def _describe_range(self) -> str:
        return f"{'-2^63' if self.min == -(2**63) else self.min}<=x<2^63"


def at_least(least: int) -> click.IntRange:
    """An integer from this one on."""
    return _Integer(least)


SEED = _Integer(-(2**63))
"""A seed: any integer of 64 bits."""
MODEL_NAME = "NAME|OWNER/REPO|FILE.gguf"
"""The kinds of values that name a model on this machine."""
ANY_MODEL = f"{MODEL_NAME}|URL,..."
"""The same with a model behind servers."""
PHASE = click.Choice(["generate", "filter", "verify", "respond", "check"])
TAG = click.Choice(["role", "content", "task", "action", "style", "background", "tool", "format"])
