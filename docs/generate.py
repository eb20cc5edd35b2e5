"""Writes the documents that follow from the program: `PAGES`.

    python docs/generate.py

`tests/test_docs.py` fails while a committed page is another one than this gives.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from pydantic import TypeAdapter

from sysgen_local.cli import context
from sysgen_local.cli.commands import cli
from sysgen_local.cli.context import EXIT_CODES, leaves, summary
from sysgen_local.cli.outputs import OUTPUTS

DOCS = Path(__file__).resolve().parent

HEAD = f"""# Commands

<!-- Written by docs/generate.py from the commands; do not edit. -->

`sysgen COMMAND --help` prints the same on a terminal. Words in capitals stand for values.

Exit codes: {", ".join(f"{code} {what}" for code, what in EXIT_CODES.items())}
(run the same command again to continue).
"""

SKILL = """---
name: sysgen-local
description: >-
  Turns an SFT dataset into one with system messages, and with answers that obey them, by a model
  on this machine (the method SysGen). Use it when somebody wants system messages for training
  rows, wants to generate, filter, judge or check such data with `sysgen`, or asks about a store of
  sysgen (a .duckdb file).
---

<!-- Written by docs/generate.py; do not edit. `sysgen context` prints the part below. -->

"""

LLMS = """# sysgen-local

> sysgen-local turns an SFT dataset into one with system messages: a model on this machine writes
> a fitting system message for every row, and an answer that obeys it. The command is `sysgen`;
> `sysgen context` prints all that is needed to use it, in at most 200 lines. SKILL.md is the same
> text.
"""

_UNWRAPPED = "\b"
"""The mark of a paragraph that click prints as it stands."""


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


def commands() -> str:
    """The command reference."""
    parts = [HEAD.rstrip(), "\n".join(_link(name, of) for name, of in leaves(cli))]
    for name, command in leaves(cli):
        context = click.Context(command, info_name=name, parent=None)
        usage = " ".join([name, *command.collect_usage_pieces(context)])
        parts += [f"## {name}", f"```text\n{usage}\n```", text_of(command)]
        if options := options_of(command, context):
            parts += ["Options:", options]
    return "\n\n".join(parts) + "\n"


def _link(name: str, command: click.Command) -> str:
    return f"- [{name}](#{name.replace(' ', '-')}): {_plain(summary(command))}"


def skill() -> str:
    """The file for assistants that read skills: when to use the product, and how."""
    return SKILL + context.page(cli)


def llms() -> str:
    """The list of documents in the form of llms.txt (https://llmstxt.org). It is that of
    `index.md`, whose lists have a line before each."""
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    lists = re.findall(r"^(\w[^\n]*):\n\n((?:- \[.*\n(?:  .*\n)*)+)", index, re.M)
    return LLMS + "".join(f"\n## {title}\n\n{links}" for title, links in lists)


JSON = """# JSON

<!-- Written by docs/generate.py from sysgen_local/cli/outputs/; do not edit. -->

With `--json` a command prints its result as one JSON object on standard output, and nothing else
there. `sysgen try` prints one object a line. Notes, progress and errors go to standard error, and
the exit code is the same as without `--json`. Keys may be added in later versions; none is removed
or changed within a major version.

[schemas.json](schemas.json) holds a JSON Schema for each command; a test validates the output of
each command with it. `sysgen completion` prints a script and has no
`--json`.
"""


def json_page() -> str:
    """What each command prints with --json: a table of keys for each form."""
    commands: dict[str, list[str]] = {}
    forms: dict[str, Any] = {}
    for name, form in OUTPUTS.items():
        commands.setdefault(str(form), []).append(f"sysgen {name}")
        forms[str(form)] = TypeAdapter(form).json_schema()
    parts, defined = [JSON.rstrip()], {}
    for key, names in commands.items():
        schema = forms[key]
        defined |= schema.get("$defs", {})
        parts.append(f"## {', '.join(names)}\n\n{_keys(schema)}")
    parts.append("## Parts")
    parts += [f"### {name}\n\n{_keys(schema)}" for name, schema in sorted(defined.items())]
    return "\n\n".join(parts) + "\n"


def _keys(schema: dict[str, Any]) -> str:
    """The description of an object and the table of its keys; of another value, its kind."""
    said = schema.get("description", "").replace("\n", " ")
    if "properties" not in schema:
        return f"{said} It is {_kind(schema)}.".strip()
    lines = ["| key | value | |", "|---|---|---|"]
    for key, of in schema["properties"].items():
        meaning = of.get("description", "").replace("\n", " ")
        lines.append(f"| `{key}` | {_kind(of)} | {meaning} |")
    if schema.get("additionalProperties") is True:
        said += " It has more keys."
    return "\n\n".join(filter(None, [said.strip(), "\n".join(lines)]))


def _kind(of: dict[str, Any]) -> str:
    """The kind of a value in words."""
    if "$ref" in of:
        name = of["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in of:
        return " or ".join(map(_kind, of["anyOf"]))
    if "enum" in of:
        return ", ".join(f"`{value}`" for value in of["enum"])
    if "prefixItems" in of:
        return f"list of {' and '.join(map(_kind, of['prefixItems']))}"
    if of.get("type") == "array":
        return f"list of {_kind(of['items'])}"
    if of.get("type") == "object" and isinstance(of.get("additionalProperties"), dict):
        return f"object of {_kind(of['additionalProperties'])}"
    return {"string": "text", "boolean": "true or false", "number": "number"}.get(
        of.get("type", ""), of.get("type", "any value")
    )


def schemas() -> str:
    """The JSON Schema of each command."""
    found = {f"sysgen {name}": TypeAdapter(form).json_schema() for name, form in OUTPUTS.items()}
    return json.dumps(found, indent=1) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands,
    "SKILL.md": skill,
    "llms.txt": llms,
    "json.md": json_page,
    "schemas.json": schemas,
}
"""File in this folder -> what writes it."""


if __name__ == "__main__":
    for name, text in PAGES.items():
        (DOCS / name).write_text(text(), encoding="utf-8")
