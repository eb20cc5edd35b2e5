"""The README keeps up with the program."""

import re
from pathlib import Path

import click
import pytest

from sysgen_local.cli.commands import cli

pytestmark = pytest.mark.unit  # the commands are asked for their options alone

README = (Path(__file__).resolve().parent.parent / "README.md").read_text()


def test_every_command_stands_in_it():
    assert cli.commands
    for name, command in cli.commands.items():
        assert f"`{name}" in README or f"sysgen {name}" in README, name
        if isinstance(command, click.Group):
            for inner in command.commands:
                assert f"`{inner}`" in README or f"{name} {inner}" in README, f"{name} {inner}"


def test_the_two_commands_are_one_line_each_and_said_alike_elsewhere():
    found = dict(re.findall(r"<!-- (\w+) command -->\n```sh\n(.*)\n```", README))
    assert found.keys() == {"run", "test"}
    quick = Path(__file__).resolve().parent.parent / "docs" / "quickstart.md"
    assert found["run"] in quick.read_text().splitlines()


def leaves(commands):
    for command in commands.values():
        yield from leaves(command.commands) if isinstance(command, click.Group) else [command]


def test_every_command_says_what_it_does_with_an_example_and_explains_every_option():
    assert len(list(leaves(cli.commands))) >= len(cli.commands)
    for command in leaves(cli.commands):
        assert "Example" in (command.help or ""), command.name
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{command.name} {parameter.opts}"


def test_options_of_the_readme_exist():
    known = {name for command in leaves(cli.commands) for p in command.params for name in p.opts}
    known |= {name for command in leaves(cli.commands) for p in command.params
              for name in p.secondary_opts}  # fmt: skip
    others = {"--help", "--force-reinstall", "--no-cache-dir", "--check"}  # pip's, ruff's
    assert {*re.findall(r"(?<![-\w])--[a-z][a-z-]+", README)} <= known | others
