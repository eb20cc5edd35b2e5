"""`sysgen desk`: runs, rows, report, review and export on one local web page."""

from __future__ import annotations

from pathlib import Path

import click

from sysgen_local.cli import options as opt
from sysgen_local.cli.run import INPUT
from sysgen_local.cli.serving import announce, login_name, page_options, serve_until_signal


@click.command()
@INPUT
@page_options
@opt.options([*opt.MODEL[::2], opt.limit])
@opt.as_json
def desk(
    inputs: tuple[str, ...],
    port: int,
    show: bool,
    db: Path,
    model: str | None,
    prompts: str | None,
    limit: int | None,
    as_json: bool,
) -> None:
    """Do the whole work on one page in a browser.

    On the page you start a run, follow it and its rows, stop and resume it, make the report, review
    the finished rows, and export them. INPUT and the options fill in the form of a run, which you
    start on the page. --db need not exist yet. A run that was started on the page is a process of
    its own; Ctrl-C here stops it in good order, and it can be resumed later.
    --json prints the address as one line of JSON.

    \b
    Examples:
      sysgen desk
      sysgen desk rows.jsonl --model qwen2.5-7b --db data.duckdb
      sysgen desk --no-open --port 8765    # elsewhere: ssh -L 8765:127.0.0.1:8765 HOST
    """
    from sysgen_local.desk.desk import Desk
    from sysgen_local.desk.forms import RunForm
    from sysgen_local.desk.server import DeskServer

    form = RunForm(inputs=list(inputs), model=model or "", prompts=prompts or "", limit=limit)
    works = Desk(db, reviewer=login_name())

    def end() -> None:
        if works.running:
            click.echo("stopping the run in good order (Ctrl-C again: immediately)", err=True)
        works.end()

    try:
        with DeskServer(works, form, models=_models_here(), port=port) as server:
            file = db.with_name(f"{db.name}.desk.html") if show else None
            serve_until_signal(
                server, file, end=end, announce=_print_address if as_json else announce
            )
        last = works.state()["last"]
    finally:
        works.close_review()
    if last and last["outcome"] == "stopped":
        click.echo(f"the run was stopped; `sysgen run --db {db}` or the desk resumes it", err=True)


def _print_address(address: str) -> None:
    from sysgen_local.cli import outputs

    click.echo(outputs.Address(address=address).model_dump_json())


def _models_here() -> list[str]:
    """The names of the catalogue whose files are on this machine."""
    from sysgen_local.models import load_catalogue, local_path

    return [name for name, of in load_catalogue().entries.items() if local_path(of) is not None]
