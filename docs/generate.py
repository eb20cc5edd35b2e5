"""Writes `commands.md`, the command reference, from the commands themselves.

    python docs/generate.py

`tests/test_docs.py` fails while the committed page is another one than this gives.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click

from sysgen_local.cli.commands import cli

PAGE = Path(__file__).resolve().parent / "commands.md"

HEAD = """# Commands

<!-- Written by docs/generate.py from the commands; do not edit. -->

`sysgen COMMAND --help` prints the same on a terminal. Words in capitals stand for values.

Exit codes: 0 done, 1 failed, 2 wrong usage or input, 130 interrupted
(run the same command again to continue).
"""

_UNWRAPPED = "\b"
"""The mark of a paragraph that click prints as it stands."""


def leaves(group: click.Group, path: str = "sysgen") -> Iterator[tuple[str, click.Command]]:
    """(full name, command) of every command that can be called, groups aside."""
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from leaves(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def text_of(command: click.Command) -> str:
    """The help text in Markdown: paragraphs, and examples as code."""
    parts = re.split(r"\n\s*\n", inspect.cleandoc(command.help or ""))
    return "\n\n".join(map(_paragraph, parts))


def _paragraph(text: str) -> str:
    if text.startswith(_UNWRAPPED):
        title, *lines = text.removeprefix(_UNWRAPPED).strip("\n").splitlines()
        code = inspect.cleandoc("\n".join(["", *lines]))
        return f"{title}\n\n```sh\n{code}\n```" if code else _plain(title)
    return _plain(" ".join(text.split()))


def _plain(text: str) -> str:
    """Text whose signs mean nothing to Markdown, what is in backticks aside."""
    pieces = re.split(r"(`[^`]*`)", text)
    return "".join(
        piece if piece[:1] == "`" else re.sub(r"([*_\[\]])", r"\\\1", piece).replace("<", "&lt;")
        for piece in pieces
    )


def options_of(command: click.Command, context: click.Context) -> str:
    """A list of the options with what each does; --help, which all have, is left out."""
    records = [
        record
        for parameter in command.get_params(context)
        if isinstance(parameter, click.Option) and "--help" not in parameter.opts
        if (record := parameter.get_help_record(context))
    ]
    return "\n".join(f"- `{names}`: {_plain(' '.join(text.split()))}" for names, text in records)


def page() -> str:
    """The whole page."""
    parts = [HEAD.rstrip(), "\n".join(_link(name, of) for name, of in leaves(cli))]
    for name, command in leaves(cli):
        context = click.Context(command, info_name=name, parent=None)
        usage = " ".join([name, *command.collect_usage_pieces(context)])
        parts += [f"## {name}", f"```text\n{usage}\n```", text_of(command)]
        if options := options_of(command, context):
            parts += ["Options:", options]
    return "\n\n".join(parts) + "\n"


def _link(name: str, command: click.Command) -> str:
    first = " ".join(inspect.cleandoc(command.help or "").split("\n\n")[0].split())
    return f"- [{name}](#{name.replace(' ', '-')}): {_plain(first)}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
