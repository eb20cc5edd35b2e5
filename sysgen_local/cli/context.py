"""`sysgen context`: all that a program, or an assistant that drives tools, needs to use sysgen.

Commands and options come from the commands themselves, as `--help` does. What no command says
stands in `_NOTES` and nowhere else: stages, forms of files, exit codes, pitfalls.
`docs/generate.py` writes the same text into `docs/SKILL.md`.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator, Sequence

import click

from sysgen_local import __version__
from sysgen_local.cli import options as opt
from sysgen_local.cli import values
from sysgen_local.cli.hints import example

WIDTH = 220
"""Longest line of the text, in characters."""
_SHORT = 35
"""A sentence with fewer characters is short."""
EXIT_CODES = {0: "done", 1: "failed", 2: "wrong usage or input", 130: "interrupted"}
_NOTES = """\
## How it works
A run reads rows into a store (one DuckDB file, --db) and takes each through five phases, then
  writes the final ones.
1. generate: the model writes phrases of a system message, each under one of eight tags: role,
  content, task, action, style, background, tool, format.
2. filter: rules remove bad phrases. No model.
3. verify: the model judges each phrase good, bad or none, with a probability. The good ones are
  the system message.
4. respond: the model writes every assistant turn anew under the system message.
5. check: rules and the model check each new answer against the original and the system message. A
  failed one is written again, up to --tries times.
Each row of the input ends in one state: final, dropped (in a phase, with a reason), rejected
  (could not be read, with file, line and reason) or pending (not done yet). They sum to the input.

## Use
    sysgen doctor                                             # what this machine can do
    sysgen models list; sysgen models pull qwen2.5-7b         # choose a model, download it
    sysgen try rows.jsonl --model qwen2.5-7b                  # five rows, nothing is written
    sysgen run rows.jsonl --model qwen2.5-7b --db rows.duckdb -o out.jsonl
    sysgen stats --db rows.duckdb --json                      # counts, and advice on poor data
    sysgen show --db rows.duckdb --dropped --sample 5 --json  # why rows were dropped
    sysgen export --db rows.duckdb -o best.parquet --where "agrees and obeys > 0.8"
    sysgen testset --db rows.duckdb -o test.jsonl             # then: evaluate own test.jsonl
To continue after an interrupt, a kill or a failure: give the same command again. Nothing is lost
  or done twice.

## Files
- INPUT: a JSONL, JSON, CSV, TSV, Parquet or Arrow file (also .gz, .zst), a directory or a quoted
  pattern of them, - for standard input, or hf://datasets/OWNER/NAME. Line ends may be \\n or
  \\r\\n.
- Rows: messages [{role, content}], ShareGPT conversations [{from, value}], Alpaca
  instruction/input/output, question/answer, prompt/completion and alike; with other keys --map
  instruction=KEY,answer=KEY.
- Output (-o): .jsonl or .parquet by the name, or - for JSONL on standard output. A row is
  {"messages": [{"role": "system", "content": ...}, {"role": "user", ...}, {"role": "assistant",
  ...}]}; other forms with `sysgen export --format`.
- MODEL (--model, --judge): a catalogue name, NAME:QUANT, OWNER/REPO[:QUANT] of a hub
  repository that was pulled, or the path of a .gguf; most commands also take the address of a
  server, http://HOST:PORT/v1#MODEL.
- Prompts (--prompts): default, compact, or a folder with one file for each phase.

## Streams and exit codes
Standard output has data only: rows, tables or JSON. Progress, notes and errors go to standard
  error, as `sysgen: SENTENCE` with a hint on the next line (`  -> ...`).
{codes}.
With --json a command prints one JSON object (`sysgen try`: one a line). `run
  --json-log` prints progress as JSON lines on stderr. NO_COLOR=1 drops colours,
  COLUMNS sets the width, -q prints no progress.

## Pitfalls
- Without --model a new store uses `builtin`, a demonstration model. Never train on what it
  writes.
- Without --db the store is sysgen.duckdb in the current folder. Use one store for each dataset
  and model.
- A store keeps the model, prompts and options of each phase. With others the run stops and names
  them: use a new --db, or --redo PHASE, which deletes the results of this phase and of later ones
  (--yes does not ask).
- While a run goes on, `status`, `stats`, `show`, `report` and `export` read its store as it was at
  some moment. No other command can write to it.
- Held-out rows of `testset` are the last share of the splits of `export`: train on `export --split
  train=0.7` with the default --held-out 0.3.
- `run -o` writes only rows of the inputs that were named; `export` writes all.
- Dropped rows are normal: no answer of theirs passed the checks. If most are dropped, read
  `stats`, then try a better model.
- `push` uploads only with --upload. `review` and `desk` wait for a person in a browser: do not
  call them without one.
- `try`, `bench`, `run`, `judge` and `evaluate` load a model: they take minutes to hours, so run
  them in the background.
"""
"""A line that begins with two blanks continues the one before it. `page` wraps the lines anew."""


def leaves(command: click.Command, path: str = "sysgen") -> Iterator[tuple[str, click.Command]]:
    """(full name, command) of every command that can be called, groups aside."""
    if not isinstance(command, click.Group):
        yield path, command
        return
    for name, child in sorted(command.commands.items()):
        yield from leaves(child, f"{path} {name}")


def summary(command: click.Command) -> str:
    """The first paragraph of the help, on one line."""
    return " ".join(inspect.cleandoc(command.help or "").split("\n\n")[0].split())


def usage(name: str, command: click.Command) -> str:
    """The command with its arguments, without options: `sysgen show [ROW]`."""
    arguments = [p for p in command.params if isinstance(p, click.Argument)]
    context = click.Context(command, info_name=name)
    return " ".join([name, *(argument.make_metavar(context) for argument in arguments)])


def page(root: click.Command) -> str:
    """The whole text: at most 200 lines of at most `WIDTH` characters, in Markdown."""
    users: dict[tuple[str, str], list[str]] = {}
    for name, command in leaves(root):
        for record in _records(name, command):
            users.setdefault(record, []).append(name.removeprefix("sysgen "))
    every = {name.removeprefix("sysgen ") for name, _ in leaves(root)}
    codes = ", ".join(f"{code} {what}" for code, what in EXIT_CODES.items())
    parts = [
        f"# sysgen-local {__version__}\n{_wrapped(summary(root))}",
        _notes(f"Exit codes: {codes} (the same command continues)"),
        "## Commands\nEach with its own options; `sysgen COMMAND --help` has more.\n"
        + "\n".join(_command(name, command, users) for name, command in leaves(root)),
        "## Options of several commands\n" + "\n".join(_shared(users, every)),
    ]
    return "\n\n".join(parts) + "\n"


def _command(name: str, command: click.Command, users: dict[tuple[str, str], list[str]]) -> str:
    """A command with its example, and the options that no other command has."""
    shown = example(command)
    words = [f"- `{usage(name, command)}`: {summary(command)}"]
    words += [f"Example: `{shown}`."] if shown and shown != name else []
    words += [_option(record) for record in _records(name, command) if len(users[record]) == 1]
    return _wrapped(" ".join(words))


def _shared(users: dict[tuple[str, str], list[str]], every: set[str]) -> list[str]:
    """The options of several commands, together where the same commands have them. `every` has the
    names of all commands."""
    shared: dict[tuple[str, ...], list[str]] = {}
    for record, names in users.items():
        if len(names) > 1:
            shared.setdefault(tuple(names), []).append(_option(record))
    return [
        _wrapped(f"- {_together(names, every)}: {' '.join(them)}") for names, them in shared.items()
    ]


def _together(names: Sequence[str], every: set[str]) -> str:
    """The names of commands, those of a group in one: "judge, models list|show". Of most commands,
    those that are not among them."""
    if 3 * len(names) > 2 * len(every):
        return f"all but {_together(sorted(every.difference(names)), every)}"
    groups: dict[str, list[str]] = {}
    for name in names:
        group, _, command = name.partition(" ")
        groups.setdefault(group, []).append(command)
    return ", ".join(_of_group(group, of, every) for group, of in groups.items())


def _of_group(group: str, names: Sequence[str], every: set[str]) -> str:
    """The names of commands of a group: "models list|show", or "evaluate (not harness)" where most
    are among them."""
    others = {name.removeprefix(f"{group} ") for name in every if name.startswith(f"{group} ")}
    left = sorted(others.difference(names))
    if len(names) > 2 * len(left) + 1:
        return f"{group} (not {', '.join(left)})" if left else group
    return f"{group} {'|'.join(names)}".strip()


def _records(name: str, command: click.Command) -> list[tuple[str, str]]:
    """(names and value, help) of each option, as `--help` has them; --help itself is left out."""
    context = click.Context(command, info_name=name)
    records = [
        parameter.get_help_record(context)
        for parameter in command.params
        if isinstance(parameter, click.Option)
    ]
    return [(names, " ".join(text.split())) for names, text in filter(None, records)]


def _notes(codes: str) -> str:
    lines = re.sub(r"\n  (?=\S)", " ", _NOTES.rstrip()).replace("{codes}", codes).split("\n")
    return "\n".join(line if line[:1] == " " else _wrapped(line) if line else "" for line in lines)


def _option(record: tuple[str, str]) -> str:
    """An option in short: its names and value, its first sentence, and its default. If the first
    sentence is short, the second one is there too."""
    names, text = record
    names = names.replace(values.ANY_MODEL, "MODEL").replace(values.MODEL_NAME, "MODEL")
    sentences = re.split(r"(?<=[.)]) (?=[A-Z])", re.sub(r"\s*\[[^\]]*\]", "", text))
    default = re.search(r"\[default: ([^\];]*)", text)
    said = sentences[0] if len(sentences[0]) >= _SHORT else " ".join(sentences[:2])
    return f"`{names}` {said} [default: {default[1]}]" if default else f"`{names}` {said}"


def _wrapped(text: str) -> str:
    return textwrap.fill(
        text, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


@click.command()
@opt.as_json
def context(as_json: bool) -> None:
    """Print all that is needed to use sysgen well.

    It is for assistants and other programs that drive tools, and has at most 200 lines: stages,
    forms of files, exit codes, pitfalls, every command and every option. `sysgen COMMAND --help`
    says more about one command.

    \b
    Example:
      sysgen context
    """
    root = click.get_current_context().find_root().command
    if not as_json:
        click.echo(page(root), nl=False)
        return
    from sysgen_local.cli import outputs

    commands = [
        outputs.CommandHelp(
            name=name,
            usage=usage(name, command),
            summary=summary(command),
            example=example(command),
            options=[
                outputs.OptionHelp(option=names, help=text)
                for names, text in _records(name, command)
            ],
        )
        for name, command in leaves(root)
    ]
    codes = {str(code): meaning for code, meaning in EXIT_CODES.items()}
    outputs.print_json(
        outputs.Context(version=__version__, text=page(root), exit_codes=codes, commands=commands)
    )
