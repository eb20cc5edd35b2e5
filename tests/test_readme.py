"""The README keeps up with the program."""

from pathlib import Path

import click

from sysgen_local.cli.main import cli

README = (Path(__file__).resolve().parent.parent / "README.md").read_text()


def test_every_command_stands_in_it():
    for name, command in cli.commands.items():
        assert f"`{name}" in README or f"sysgen {name}" in README, name
        if isinstance(command, click.Group):
            for inner in command.commands:
                assert f"`{inner}`" in README or f"{name} {inner}" in README, f"{name} {inner}"


def test_every_command_has_help_and_every_option_too():
    commands = [*cli.commands.values(), *cli.commands["models"].commands.values()]
    for command in commands:
        assert command.help, command.name
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{command.name} {parameter.opts}"
