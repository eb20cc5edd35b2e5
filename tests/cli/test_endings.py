"""Every option that names a file looks at its ending before any work begins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from sysgen_local.cli.commands import cli
from sysgen_local.core.errors import UsageError


def commands(group: click.Group, *names: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *names, name)
        else:
            yield (*names, name), command


FILES = [
    pytest.param(names, parameter, id=" ".join((*names, parameter.opts[-1])))
    for names, command in commands(cli)
    for parameter in command.params
    if isinstance(parameter.type, click.Path) and parameter.type.file_okay
]


@pytest.mark.parametrize(("names", "parameter"), FILES)
def test_a_file_with_another_ending_is_refused_first(
    names: tuple[str, ...],
    parameter: click.Parameter,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is opened or made: the folder stays empty."""
    monkeypatch.chdir(tmp_path)
    value = [parameter.opts[-1]] if isinstance(parameter, click.Option) else []
    with pytest.raises(UsageError, match=r"o\.odd has no ending .* this takes \.\w+") as caught:
        cli.main([*names, *value, "o.odd"], standalone_mode=False)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_the_options_are_many() -> None:
    assert len(FILES) > 30


@pytest.mark.parametrize("name", ["o.JSONL", "o.Parquet"])
def test_upper_case_is_the_same_ending(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="no store at"):
        cli.main(["export", "-o", name], standalone_mode=False)


def test_a_store_that_exists_may_have_any_ending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from sysgen_local.store import Store

    monkeypatch.chdir(tmp_path)
    Store.open(Path("rows.store")).close()
    cli.main(["status", "--db", "rows.store"], standalone_mode=False)
    assert "rows.store: 0 rows" in capsys.readouterr().out
