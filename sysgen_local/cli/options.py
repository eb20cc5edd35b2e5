"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


class _Path(click.Path):
    """A path, with `~` for the home folder also where no shell has put it in, as in --db=~/a.db."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if str(value) == "-" and not self.allow_dash:
            self.fail("- for standard input or output is not understood here: name a file", param)
        return super().convert(os.path.expanduser(value), param, ctx)


PATH = _Path(path_type=Path, dir_okay=False)
"""A file."""
OUTPUT = _Path(path_type=Path, dir_okay=False, allow_dash=True)
"""A file, or `-` for standard output."""
ANY_PATH = _Path(path_type=Path)
"""A file or a folder."""
FOLDER = _Path(path_type=Path, file_okay=False, exists=True)
"""A folder that is there."""
PHASE = click.Choice(["generate", "filter", "verify", "respond", "check"])
TAG = click.Choice(["role", "content", "task", "action", "style", "background", "tool", "format"])

database = click.option(
    "--db",
    type=PATH,
    default=Path("sysgen.duckdb"),
    show_default=True,
    help="The file that keeps everything.",
)

where = click.option(
    "--where",
    metavar="SQL",
    help="Rows that meet an SQL condition over row, source, line, dataset, license, turns, "
    "instruction, old_answer, old_system, system, new_answer, tags, p_good, agrees (none where "
    "nothing could be checked), obeys, tries, checks, state, phase, reason, review, "
    "earlier_review, stale.",
)

MODEL = [
    click.option("--model", metavar="NAME|FILE.gguf", help="The model that writes and answers."),
    click.option(
        "--judge", metavar="NAME|FILE.gguf", help="Another model for the verdicts of phase 3."
    ),
    click.option("--prompts", metavar="SET|DIR", help="Prompt set: default, compact, or a folder."),
]
SAMPLING = [
    click.option("--seed", type=int, metavar="N", help="Same seed, same rows.  [default: 0]"),
    click.option("--temperature", type=click.FloatRange(0, 5), metavar="T", help="0 is greedy."),
    click.option("--top-p", type=click.FloatRange(0, 1), metavar="P", help="Nucleus; 1 is off."),
    click.option("--top-k", type=click.IntRange(0), metavar="N", help="0 is off."),
    click.option("--min-p", type=click.FloatRange(0, 1), metavar="P", help="0 is off."),
]
VERIFYING = [
    click.option(
        "--min-p-good",
        type=click.FloatRange(0, 1),
        metavar="P",
        help="Keep a good phrase only from this probability on.",
    ),
]
ANSWERING = [
    click.option(
        "--turns",
        type=click.Choice(["all", "first"]),
        help="Answer every assistant turn anew, or only the first.  [default: all]",
    ),
    click.option(
        "--max-answer-tokens",
        type=click.IntRange(1),
        metavar="N",
        help="Longest answer.  [default: 1024]",
    ),
    click.option(
        "--keep-truncated/--drop-truncated",
        default=None,
        help="Keep answers that the token limit cut off.",
    ),
]
LANGUAGE = [
    click.option(
        "--language",
        metavar="CODE",
        help="Write the phrases in this language, as de or zh.  [default: each row's own]",
    ),
]
SHOWING = [
    click.option(
        "--show-answer",
        type=click.Choice(["never", "exact", "always"]),
        help="Let the model see the original answer: never (the paper's way), where that one has "
        "a result or code that must not change, or always.  [default: always]",
    ),
]
CHECKING = [
    click.option(
        "--tries",
        type=click.IntRange(1, 20),
        metavar="N",
        help="Answers a row may take until one passes the checks.  [default: 3]",
    ),
]
check = click.option(
    "--check/--no-check",
    default=None,
    help="Check every new answer against the original and its system message, and answer again "
    "where it fails; without, the paper's own four phases.  [default: check]",
)
gpu_layers = click.option(
    "--gpu-layers",
    type=int,
    metavar="N",
    help="Layers on the GPU, -1 for all.  [default: auto]",
)
threads = click.option(
    "--threads", type=click.IntRange(1), metavar="N", help="CPU threads.  [default: cores]"
)
batch = click.option(
    "--batch",
    type=click.IntRange(32, 16384),
    metavar="N",
    help="Tokens decoded in one step at most.  [default: 512]",
)
flash = click.option(
    "--flash/--no-flash",
    default=None,
    help="Flash attention.  [default: not on a CPU; a GPU decides]",
)
MACHINE = [
    gpu_layers,
    click.option(
        "--slots", type=click.IntRange(1, 240), metavar="N", help="Rows at a time.  [default: auto]"
    ),
    click.option(
        "--context",
        type=click.IntRange(64),
        metavar="N",
        help="Tokens a row may take.  [default: as many as the model can]",
    ),
    threads,
    batch,
    flash,
]
EXISTING_SYSTEM = [
    click.option(
        "--existing-system",
        type=click.Choice(["replace", "keep", "skip"]),
        help="For rows that have a system message: make a new one, answer under it as it is, or "
        "reject the row.  [default: replace]",
    )
]
READING = [
    click.option(
        "--map",
        "mapping",
        metavar="instruction=KEY,answer=KEY",
        help="Where to find what, for rows in a shape of their own.",
    ),
    click.option(
        "--license",
        metavar="ID",
        help="The data's licence, as apache-2.0, where neither its card nor its name tells.",
    ),
    click.option(
        "--split",
        metavar="NAME",
        help="Which split to read where INPUT has several.  [default: train]",
    ),
    click.option(
        "--encoding",
        metavar="NAME",
        help="Of text files, as cp1252 (Windows) or utf-16.  [default: utf-8]",
    ),
    click.option(
        "--limit",
        type=click.IntRange(1),
        metavar="N",
        help="Read only the first N rows of each input.",
    ),
    click.option(
        "--strict", is_flag=True, help="Stop at the first row that cannot be used, and say why."
    ),
]
appended = click.option(
    "--appended", is_flag=True, help="Of a file that grew since it was read, read the new rows."
)
sources = click.option(
    "--source",
    "sources",
    multiple=True,
    metavar="INPUT",
    help="Only rows of this input or dataset; several times for more.  [default: all]",
)
retry_failed = click.option(
    "--retry-failed",
    is_flag=True,
    help="Ask again where something went wrong with a request, or it did not fit.",
)
WORKING = [
    click.option(
        "--redo",
        type=PHASE,
        help="Forget this phase and all after it, and do them again, with the options given. What "
        "people decided in `sysgen review` stays.",
    ),
    click.option("--yes", is_flag=True, help="Do not ask before --redo deletes."),
    appended,
    retry_failed,
    click.option("-q", "--quiet", is_flag=True, help="Only errors and the last line."),
    click.option(
        "--json-log", is_flag=True, help="A JSON object every 10 s instead of the view, on stderr."
    ),
]


def options(
    *groups: list[Callable[[Command], Command]],
    database: Callable[[Command], Command] | None = database,
) -> Callable[[Command], Command]:
    """Several groups of options, in the order of the help text; after them `database`, if any."""

    def decorate(command: Command) -> Command:
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return database(command) if database else command

    return decorate


def taking(**kinds: type) -> Callable[[Command], Command]:
    """Gathers the options that are fields of a dataclass into one argument of that class:
    `taking(machine=Options)`. What was not given keeps the class's default."""

    def decorate(command: Command) -> Command:
        @wraps(command)
        def gather(**given: Any) -> Any:
            gathered = {}
            for name, kind in kinds.items():
                mine = {f.name: given.pop(f.name) for f in fields(kind) if f.name in given}
                gathered[name] = kind(**{of: v for of, v in mine.items() if v is not None})
            return command(**gathered, **given)

        return gather  # type: ignore[return-value]

    return decorate
