"""`sysgen study`: compares several models on benchmarks, as in the SysGen paper's tables."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sysgen_local.cli import evaluate as ev
from sysgen_local.cli import options as opt
from sysgen_local.core import terminal
from sysgen_local.engine.options import Options

if TYPE_CHECKING:
    from sysgen_local.workflows.benchmark import Setting


@click.command()
@click.argument("models", nargs=-1, required=True, metavar="[LABEL=]MODEL[@user]...")
@click.option("--sysbench", type=opt.PATH, help="Run SysBench with the dialogues in this file.")
@click.option("--multifacet", type=opt.PATH, help="Run Multifacet with the instances in this file.")
@click.option(
    "--judge",
    required=True,
    metavar="NAME|FILE.gguf|URL",
    help="Model that judges the answers of all models.",
)
@click.option("-o", "--output", type=opt.PATH, help="Write the tables to this file as Markdown.")
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
    """Compare several models on benchmarks.

    Every model is compared with the first one. Use it to see what training on the new dataset
    changed. MODEL is a catalogue name, a GGUF file or a server. With @user after it, the system
    message is put into the user turn for that model. The differences have 95 % intervals (paired
    bootstrap over the questions). Results that are in --db are not computed again. `sysgen report
    --evaluation` shows the tables on a page.

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
            _setting(**given),
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
    for shown in tables:
        terminal.console().print(shown.rich())
    return 0


def _setting(
    *,
    temperature: float,
    top_p: float,
    judge_sees_system: bool = False,
    history: Any = "own",
    **given: Any,
) -> Setting:
    """The `Setting` of a benchmark run, from the options of the command line."""
    from sysgen_local.engine.request import Sampling
    from sysgen_local.workflows.benchmark import Setting

    sampling = Sampling(temperature=temperature, top_p=top_p)
    return Setting(sampling=sampling, judge_sees_system=judge_sees_system, history=history, **given)
