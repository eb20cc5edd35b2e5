"""Options that several commands share, and the decorators that add them to a command.

An option that only one command has stands in the module of that command. An option that was not
given is None, if not stated otherwise. Then the store's recipe or the default decides.
"""

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
    """A path in which `~` is the home folder. The shell does not expand `~` in --db=~/a.db."""

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
"""A folder that exists."""
PHASE = click.Choice(["generate", "filter", "verify", "respond", "check"])
TAG = click.Choice(["role", "content", "task", "action", "style", "background", "tool", "format"])

database = click.option(
    "--db",
    type=PATH,
    default=Path("sysgen.duckdb"),
    show_default=True,
    help="The store: the DuckDB file with the rows and the results of all phases.",
)

where = click.option(
    "--where",
    metavar="SQL",
    help="Use only rows that meet this SQL condition. It is a DuckDB condition over row, source, "
    "line, dataset, license, turns, instruction, old_answer, old_system, system, new_answer, "
    "tags, p_good, agrees (NULL if nothing could be checked), obeys, tries, checks, state, phase, "
    "reason, review, earlier_review, stale.",
)

MODEL = [
    click.option(
        "--model",
        metavar="NAME|FILE.gguf",
        help="Model that writes the phrases and the answers. Without this option it is the model "
        "that the store was made with; in a new store it is the built-in one.",
    ),
    click.option(
        "--judge",
        metavar="NAME|FILE.gguf",
        help="Model for the verdicts of phase 3, if it is another one than --model.",
    ),
    click.option(
        "--prompts",
        metavar="SET|DIR",
        help="Prompt set: default, compact, or a folder with your own prompts.",
    ),
]
SAMPLING = [
    click.option(
        "--seed",
        type=int,
        metavar="N",
        help="Seed of the sampler. The same seed gives the same rows.  [default: 0]",
    ),
    click.option(
        "--temperature",
        type=click.FloatRange(0, 5),
        metavar="T",
        help="Sampling temperature. 0 is greedy decoding.  [default: as recommended for the model, "
        "else 0.7]",
    ),
    click.option(
        "--top-p",
        type=click.FloatRange(0, 1),
        metavar="P",
        help="Nucleus sampling (top-p). 1 switches it off.  [default: as recommended for the "
        "model, else 0.95]",
    ),
    click.option(
        "--top-k",
        type=click.IntRange(0),
        metavar="N",
        help="Sample only from the N most probable tokens. 0 switches it off.",
    ),
    click.option(
        "--min-p",
        type=click.FloatRange(0, 1),
        metavar="P",
        help="Sample only from tokens with at least P times the probability of the best token. 0 "
        "switches it off.",
    ),
]
VERIFYING = [
    click.option(
        "--min-p-good",
        type=click.FloatRange(0, 1),
        metavar="P",
        help="Keep a phrase only if it was judged good with at least this probability.",
    ),
]
ANSWERING = [
    click.option(
        "--turns",
        type=click.Choice(["all", "first"]),
        help="Which assistant turns get a new answer: all, or only the first.  [default: all]",
    ),
    click.option(
        "--max-answer-tokens",
        type=click.IntRange(1),
        metavar="N",
        help="Largest number of tokens in a new answer.  [default: 1024]",
    ),
    click.option(
        "--keep-truncated/--drop-truncated",
        default=None,
        help="What to do with new answers that the token limit cut off.  [default: drop]",
    ),
]
LANGUAGE = [
    click.option(
        "--language",
        metavar="CODE",
        help="Language of the phrases, for example de or zh.  [default: each row's own]",
    ),
]
SHOWING = [
    click.option(
        "--show-answer",
        type=click.Choice(["never", "exact", "always"]),
        help="When the model sees the original answer while it writes the new one: never (as in "
        "the SysGen paper), exact (only if the original has a result or code that must not "
        "change), or always.  [default: always]",
    ),
]
CHECKING = [
    click.option(
        "--tries",
        type=click.IntRange(1, 20),
        metavar="N",
        help="Write up to N answers for a row, until one passes the checks.  [default: 3]",
    ),
]
check = click.option(
    "--check/--no-check",
    default=None,
    help="Check every new answer against the original answer and the system message, and write "
    "another one if it fails. With --no-check, only the four phases of the SysGen paper are done.  "
    "[default: check]",
)
gpu_layers = click.option(
    "--gpu-layers",
    type=int,
    metavar="N",
    help="Number of model layers on the GPU; -1 is all.  [default: auto]",
)
threads = click.option(
    "--threads",
    type=click.IntRange(1),
    metavar="N",
    help="Number of CPU threads.  [default: cores]",
)
batch = click.option(
    "--batch",
    type=click.IntRange(32, 16384),
    metavar="N",
    help="Largest number of tokens that are decoded in one step.  [default: 512]",
)
flash = click.option(
    "--flash/--no-flash",
    default=None,
    help="Use flash attention.  [default: off on a CPU; on a GPU llama.cpp decides]",
)
MACHINE = [
    gpu_layers,
    click.option(
        "--slots",
        type=click.IntRange(1, 240),
        metavar="N",
        help="Number of slots: rows that the model works on at the same time. Use fewer if memory "
        "is short.  [default: auto]",
    ),
    click.option(
        "--context",
        type=click.IntRange(64),
        metavar="N",
        help="Largest number of tokens of a row, prompt and answer together.  [default: as many as "
        "the model can]",
    ),
    threads,
    batch,
    flash,
]
EXISTING_SYSTEM = [
    click.option(
        "--existing-system",
        type=click.Choice(["replace", "keep", "skip"]),
        help="What to do with a row that has a system message: replace it by a new one, keep it "
        "and write the answers under it, or skip (reject) the row.  [default: replace]",
    )
]
READING = [
    click.option(
        "--map",
        "mapping",
        metavar="instruction=KEY,answer=KEY",
        help="Which keys of a row hold the instruction, the answer and other fields. For rows in "
        "a shape that is not known.",
    ),
    click.option(
        "--license",
        metavar="ID",
        help="Licence of the data, for example apache-2.0. For data whose licence follows neither "
        "from its card nor from its name.",
    ),
    click.option(
        "--split",
        metavar="NAME",
        help="Which split to read if INPUT has several.  [default: train]",
    ),
    click.option(
        "--encoding",
        metavar="NAME",
        help="Encoding of text files, for example cp1252 (Windows) or utf-16.  [default: utf-8]",
    ),
    click.option(
        "--limit",
        type=click.IntRange(1),
        metavar="N",
        help="Read only the first N rows of each input.",
    ),
    click.option(
        "--strict",
        is_flag=True,
        help="Stop at the first row that cannot be used, and print the reason.",
    ),
]
appended = click.option(
    "--appended",
    is_flag=True,
    help="If a file has more rows at its end than when it was read, read the new rows.",
)
sources = click.option(
    "--source",
    "sources",
    multiple=True,
    metavar="INPUT",
    help="Use only rows of this input or dataset. Give the option several times for several.  "
    "[default: all]",
)
retry_failed = click.option(
    "--retry-failed",
    is_flag=True,
    help="Try rows again whose request failed or did not fit into the context.",
)
WORKING = [
    click.option(
        "--redo",
        type=PHASE,
        help="Delete the results of this phase and of all later ones, and do these phases again "
        "with the given options. Decisions from `sysgen review` are not deleted.",
    ),
    click.option("--yes", is_flag=True, help="Do not ask before --redo deletes results."),
    appended,
    retry_failed,
    click.option("-q", "--quiet", is_flag=True, help="Print only errors and the last line."),
    click.option(
        "--json-log",
        is_flag=True,
        help="Print a JSON object on stderr every 10 s instead of the progress view.",
    ),
]


def options(
    *groups: list[Callable[[Command], Command]],
    database: Callable[[Command], Command] | None = database,
) -> Callable[[Command], Command]:
    """A decorator that adds all options of several groups to a command.

        @click.command()
        @options(MODEL, SAMPLING)
        def command(db, model, judge, prompts, seed, ...): ...

    This is the same as one decorator for each option. In the help, `database` is first (None: no
    such option). The options of the groups follow in their order.
    """

    def decorate(command: Command) -> Command:
        # A decorator that is applied later stands earlier in the help.
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return database(command) if database else command

    return decorate


def taking(**kinds: type) -> Callable[[Command], Command]:
    """A decorator that passes options to a command as objects of dataclasses.

        @options(MACHINE)
        @taking(machine=Options)
        def command(db, machine): ...

    Here the command gets one argument `machine` instead of `slots`, `threads` and the others. It is
    an `Options` whose fields are the options of the same names. An option that was not given (None)
    has the default of its field. The decorator stands below those that add the options.
    """

    def decorate(command: Command) -> Command:
        @wraps(command)
        def gather(**given: Any) -> Any:
            objects = {}
            for name, kind in kinds.items():
                names = [field.name for field in fields(kind) if field.name in given]
                values = {field: given.pop(field) for field in names}
                objects[name] = kind(**{f: v for f, v in values.items() if v is not None})
            return command(**objects, **given)

        return gather  # type: ignore[return-value]

    return decorate
