"""`sysgen context`: everything in at most 200 lines, from the commands themselves."""

from __future__ import annotations

import click
from click.testing import CliRunner

from sysgen_local.cli.commands import cli
from sysgen_local.cli.context import EXIT_CODES, WIDTH, leaves


def text() -> str:
    done = CliRunner().invoke(cli, ["context"])
    assert done.exit_code == 0
    return done.output


def test_it_is_short():
    lines = text().splitlines()
    assert 100 < len(lines) <= 200
    assert max(map(len, lines)) <= WIDTH


def test_every_command_argument_and_option_is_there():
    said = " ".join(text().split())
    for name, command in leaves(cli):
        assert f"- `{name}" in said
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.opts[-1] in said, (name, parameter.opts)
            else:
                assert parameter.make_metavar(click.Context(command)) in said


def test_exit_codes_and_what_no_command_says_are_there():
    said = text()
    for code, meaning in EXIT_CODES.items():
        assert f"{code} {meaning}" in said
    headings = [line for line in said.splitlines() if line.startswith("#")]
    assert [line.lstrip("# ").partition(" ")[0] for line in headings] == [
        "sysgen-local", "How", "Use", "Files", "Streams", "Pitfalls", "Commands", "Options",
    ]  # fmt: skip
