"""`sysgen study`: models beside each other, as in the paper's tables."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from sysgen_local.cli import evaluate as ev
from sysgen_local.cli import options as opt
from sysgen_local.core import terminal
from sysgen_local.engine.options import Options


@click.command()
@click.argument("models", nargs=-1, required=True, metavar="[LABEL=]MODEL[@user]...")
@click.option("--sysbench", type=opt.PATH, help="SysBench's dialogues.")
@click.option("--multifacet", type=opt.PATH, help="Multifacet's instances.")
@click.option("--judge", required=True, metavar="NAME|FILE.gguf|URL", help="The model that judges.")
@click.option("-o", "--output", type=opt.PATH, help="Write the tables as Markdown.")
@opt.options(
    ev.ASKING,
    [ev.HISTORY, ev.SEES, ev.SOURCES, ev.LIMIT],
    opt.MACHINE,
    [ev.SHOWING[1]],
    database=ev.DATABASE,
)
@opt.taking(machine=Options)
def study(
    models: tuple[str, ...],
    sysbench: Path | None,
    multifacet: Path | None,
    judge: str,
    output: Path | None,
    db: Path,
    sources: Path | None,
    limit: int | None,
    machine: Options,
    retry_failed: bool,
    quiet: bool,
    **given: Any,
) -> int:
    """Run models through the benchmarks and compare each with the first.

    MODEL is a catalogue name, a GGUF or a server. With @user behind it the system message is put
    into the user turn for that model. The differences come with 95 % intervals (paired bootstrap
    over the questions). What --db holds is not done again; the report page shows the tables too
    (`sysgen report --evaluation`).

    \b
    Examples:
      sysgen study before=base.gguf after=tuned.gguf --multifacet bench.jsonl --judge qwen2.5-7b
      sysgen study before=base.gguf after=tuned.gguf "in the user turn=tuned.gguf@user" \\
          --sysbench dialogues.json --judge qwen2.5-7b -o study.md
    """
    from sysgen_local.core.errors import UsageError
    from sysgen_local.core.files import write
    from sysgen_local.evaluation.benchmarks.benchmark import Benchmark, load
    from sysgen_local.evaluation.benchmarks.instances import read_sources
    from sysgen_local.report.live import view_for
    from sysgen_local.report.status import StatusFile
    from sysgen_local.store.evaluation import Evaluation
    from sysgen_local.workflows import study as studies

    if output is not None and not output.parent.is_dir():
        raise UsageError(f"The folder {output.parent} does not exist", hint="make it first")
    table = read_sources(sources) if sources else None
    benchmarks: list[Benchmark] = []
    if multifacet is not None:
        benchmarks.append(load("multifacet", multifacet, limit=limit, table=table))
    if sysbench is not None:
        benchmarks.append(load("sysbench", sysbench, limit=limit))
    if not benchmarks:
        raise click.UsageError("name --sysbench, --multifacet or both")
    entrants = [studies.StudyModel.parse(text) for text in models]
    view = view_for(sys.stderr, quiet=quiet)
    with Evaluation.open(db) as store:
        results = studies.run(
            entrants,
            benchmarks,
            judge,
            ev.setting(**given),
            store,
            lambda: [StatusFile(db), view_for(sys.stderr, quiet=quiet)],
            machine,
            retry_failed=retry_failed,
            announce=view.say,
        )
        if results is None:
            click.echo("interrupted: the same command takes it up again", err=True)
            return 130
        tables = studies.conclude(results, store)
    if output is not None:
        text = "\n\n".join(table.markdown() for table in tables)
        write(output, f"{text}\n")
    for drawn in tables:
        terminal.console().print(drawn.rich())
    return 0
