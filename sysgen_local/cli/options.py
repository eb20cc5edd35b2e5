"""Options that several commands share, and the decorators that add them to a command.

An option that only one command has stands in the module of that command. An option that was not
given is None, if not stated otherwise. Then the store's recipe or the default decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from sysgen_local.cli import completion, values

Command = TypeVar("Command", bound=Callable[..., Any])

database = click.option(
    "--db",
    type=values.DATABASE_FILE,
    default=Path("sysgen.duckdb"),
    show_default=True,
    help="The store: the DuckDB file with the rows and the results of all phases.",
)

where = click.option(
    "--where",
    metavar="SQL",
    help="SQL condition for the rows to use. It is a DuckDB condition over row, source, "
    "line, dataset, license, turns, instruction, old_answer, old_system, system, new_answer, "
    "tags, p_good, agrees (NULL if nothing could be checked), obeys, tries, checks, judged ('new', "
    "'original' or 'tie'), judge_p, judge_rating, measures (measures['gleu'] > 0.5), state, phase, "
    "reason, review, earlier_review, note, reviewer, edited, stale.",
)

_lora = click.option(
    "--lora",
    multiple=True,
    metavar="FILE.gguf[=SCALE]",
    shell_complete=completion.files_like((".gguf",)),
    help="LoRA adapter (GGUF) that is applied to --model, at this scale (1 if none is given). Give "
    "the option several times for several. It is the same as --model NAME+FILE.gguf[=SCALE]; a "
    "judge takes the adapter only in that form.",
)


def with_lora(model: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """A decorator that adds the option --model, which is `model`, and --lora behind it. The command
    gets the adapters as a part of the model's name.

    If --model can be given several times, its argument is `models`, and --lora goes with one.
    """

    def decorate(command: Command) -> Command:
        @wraps(command)
        def joined_with_adapters(*, lora: tuple[str, ...], **given: Any) -> Any:
            if lora:
                from sysgen_local.core.adapters import joined

                several = "models" in given
                named = given["models"] if several else [given["model"]]
                if len(named) > 1:
                    raise click.UsageError(
                        "--lora goes with one --model: write --model NAME+FILE.gguf for each"
                    )
                if not named or named[0] is None:
                    raise click.UsageError("--lora goes with --model, the base of the adapter")
                name = joined(named[0], lora)
                given |= {"models": (name,)} if several else {"model": name}
            return command(**given)

        return model(_lora(joined_with_adapters))  # type: ignore[arg-type]

    return decorate


MODEL = [
    with_lora(
        click.option(
            "--model",
            metavar=values.ANY_MODEL,
            shell_complete=completion.models,
            help="Model that writes the phrases and the answers. It is a name that `sysgen models "
            "list` shows, a hub repository that was pulled, a file, or the address of a server as "
            "http://HOST:PORT/v1#MODEL, several with commas between. Without this option it is the "
            "model that the store was made with; in a new store it is the built-in one.",
        )
    ),
    click.option(
        "--judge",
        metavar=values.ANY_MODEL,
        shell_complete=completion.models,
        help="Model for the verdicts of phase 3, if it is another one than --model.",
    ),
    click.option(
        "--prompts",
        metavar="SET|DIR",
        shell_complete=completion.prompt_sets,
        help="Prompt set: default, compact, or a folder with your own prompts.",
    ),
]
SAMPLING = [
    click.option(
        "--seed",
        type=values.SEED,
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
        type=values.at_least(0),
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
        type=values.at_least(1),
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
EXISTING_SYSTEM = [
    click.option(
        "--existing-system",
        type=click.Choice(["replace", "keep", "skip"]),
        help="What to do with a row that has a system message: replace it by a new one, keep it "
        "and write the answers under it, or skip (reject) the row.  [default: replace]",
    )
]
limit = click.option(
    "--limit",
    type=values.at_least(1),
    metavar="N",
    help="Read only the first N rows of each input.",
)
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
    limit,
    click.option(
        "--strict",
        is_flag=True,
        help="Stop at the first row that cannot be used, and print the reason.",
    ),
]
shard = click.option(
    "--shard",
    type=values.ShardType(),
    metavar="I/N",
    help="Do only the rows of shard I of N, for example 2/8. Equal conversations are in the same "
    "shard. Each shard needs a --db of its own, which remembers its shard; `sysgen merge` makes "
    "one store of all.",
)
INGESTING = [*READING, shard]
card = click.option("--card/--no-card", default=True, help="Write a dataset card next to the file.")
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
    shell_complete=completion.files,
    help="Use only rows of this input or dataset. Give the option several times for several.  "
    "[default: all]",
)
as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print the result as JSON, in the form of docs/json.md."
)
quiet = click.option("-q", "--quiet", is_flag=True, help="Print no notes and no progress.")
retry_failed = click.option(
    "--retry-failed",
    is_flag=True,
    help="Try rows again whose request failed or did not fit into the context.",
)
WORKING = [
    click.option(
        "--redo",
        type=values.PHASE,
        help="Delete the results of this phase and of all later ones, and do these phases again "
        "with the given options. Decisions from `sysgen review` are not deleted.",
    ),
    click.option(
        "--yes",
        is_flag=True,
        help="Ask nothing: neither before a long run, nor before --redo deletes results.",
    ),
    appended,
    retry_failed,
    click.option("-q", "--quiet", is_flag=True, help="Print only errors and the last line."),
    click.option(
        "--json-log",
        is_flag=True,
        help="Print a JSON object on stderr every 10 s instead of the progress view.",
    ),
    as_json,
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


reader = click.option(
    "--judge",
    metavar=values.ANY_MODEL,
    shell_complete=completion.models,
    help="Model that reads what no rule can test.",
)
