"""Every parameter that takes an integer has bounds, so that no number ends in a traceback."""

from __future__ import annotations

import subprocess

import click
import pytest
from filled import fill
from questions import command

from sysgen_local.cli.commands import cli
from sysgen_local.cli.context import leaves

LARGE = 2**63 - 1
"""The largest integer that a store holds."""
INTEGERS = [
    pytest.param(name.split()[1:], parameter, id=f"{name} {parameter.opts[-1]}")
    for name, found in leaves(cli)
    for parameter in found.params
    if isinstance(parameter.type, click.types.IntParamType)
]


@pytest.mark.parametrize(("names", "parameter"), INTEGERS)
def test_every_integer_has_bounds_that_are_checked(
    names: list[str], parameter: click.Parameter
) -> None:
    kind = parameter.type
    assert isinstance(kind, click.IntRange)
    assert kind.min is not None
    assert kind.max is not None
    assert -LARGE - 1 <= kind.min < kind.max <= LARGE
    option = [parameter.opts[-1]] if isinstance(parameter, click.Option) else []
    for value in ("99999999999999999999", str(kind.max + 1)):
        with pytest.raises(click.BadParameter, match="is not in the range") as caught:
            cli.main([*names, *option, value], standalone_mode=False)
        assert str(LARGE) not in caught.value.message


def test_the_parameters_are_many() -> None:
    assert len(INTEGERS) > 60


def test_help_writes_the_bounds_in_short() -> None:
    shown = [
        found.get_help(click.Context(found, info_name=name, max_content_width=200))
        for name, found in leaves(cli)
    ]
    assert "[0<=x<2^63]" in "".join(shown)
    assert not [text for text in shown if str(LARGE) in text]


def test_the_largest_and_the_least_number_are_taken(tmp_path) -> None:
    fill(tmp_path / "sysgen.duckdb", 4)
    write = (tmp_path / "rows.jsonl").write_text
    write('{"instruction": "Explain rain.", "output": "Water falls from clouds."}\n')

    def sysgen(*words: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*map(str, words)), cwd=tmp_path, capture_output=True, text=True, timeout=120
        )

    many = ("--limit", LARGE, "--top-k", LARGE, "--max-answer-tokens", LARGE, "--threads", LARGE)
    for number in (LARGE, -LARGE - 1):
        run = sysgen("run", "rows.jsonl", "--db", f"{number}.duckdb", "--seed", number, *many)
        assert run.returncode == 0, run.stderr
        drawn = sysgen("show", "--sample", LARGE, "--seed", number)
        assert drawn.returncode == 0, drawn.stderr
    for row in (LARGE, LARGE + 1, 99999999999999999999):
        shown = sysgen("show", row)
        assert shown.returncode == 2
        assert "Traceback" not in shown.stderr
        assert shown.stderr.count(str(row)) == 1
