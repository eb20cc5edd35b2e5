"""`sysgen study`: compares several models on benchmarks, as in the SysGen paper's tables."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sysgen_local.cli import benchmarks as bm
from sysgen_local.cli import completion, hardware, values
from sysgen_local.cli import options as opt
from sysgen_local.core import terminal
from sysgen_local.engine.options import Options

if TYPE_CHECKING:
    from sysgen_local.cli import outputs
    from sysgen_local.evaluation.benchmarks.benchmark import BenchmarkName
    from sysgen_local.store.evaluation import Comparison
    from sysgen_local.workflows.benchmark import Setting


@click.command()
@click.argument(
    "models",
    nargs=-1,
    required=True,
    metavar="[LABEL=]MODEL[@user]...",
    shell_complete=completion.labelled_models,
)
@click.option("--sysbench", type=bm.QUESTIONS, help="Run SysBench with this file.")
@click.option("--multifacet", type=bm.QUESTIONS, help="Run Multifacet with this file.")
@click.option("--advancedif", type=bm.CSV_QUESTIONS, help="Run AdvancedIF with this file.")
@click.option(
    "--own",
    type=bm.QUESTIONS,
    multiple=True,
    help="Run the test set in this file. Give the option several times for several files. In the "
    "tables each has its file's name.",
)
@click.option("--ifeval", type=bm.QUESTIONS, help="Run IFEval with this file.")
@click.option("--multi-if", type=bm.CSV_QUESTIONS, help="Run Multi-IF with this file.")
@click.option(
    "--iheval", type=values.JSON_PLACE, metavar="PATH", help="Run IHEval with this file or folder."
)
@click.option(
    "--judge",
    metavar=values.ANY_MODEL,
    shell_complete=completion.models,
    help="Model that judges the answers to --sysbench, --multifacet and --advancedif.",
)
@click.option(
    "--baseline",
    metavar="LABEL",
    help="Compare the other models with the one of this label.  [default: the first]",
)
@click.option(
    "-o",
    "--output",
    type=values.file(".md"),
    help="Write the tables to this file as Markdown (.md).",
)
@opt.options(
    [bm.SYSTEM_IN, *bm.ASKING],
    [bm.JUDGE_TOKENS, bm.RETRY, bm.HISTORY, bm.SEES, bm.SOURCES, bm.LIMIT],
    hardware.MACHINE,
    hardware.CLUSTER,
    bm.SHOWING,
    database=bm.DATABASE,
)
@opt.taking(machine=Options)
def study(
    models: tuple[str, ...],
    sysbench: Path | None,
    multifacet: Path | None,
    advancedif: Path | None,
    own: tuple[Path, ...],
    ifeval: Path | None,
    multi_if: Path | None,
    iheval: Path | None,
    judge: str | None,
    baseline: str | None,
    output: Path | None,
    db: Path,
    sources: Path | None,
    limit: int | None,
    machine: Options,
    retry_failed: bool,
    quiet: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """Compare several models on benchmarks.

    Every model is compared with the first one, or with --baseline. Use it to see what training on
    the new dataset changed. MODEL is a catalogue name, a GGUF file or a server.
    MODEL+FILE.gguf[=SCALE] is a model with a LoRA adapter; models with the same base read its
    weights once. With @user after it, the system message is put into the user turn for that model.
    The differences have 95 % intervals (paired bootstrap over the questions). A star marks those
    that are significant after Holm's correction for all comparisons of the study, and a note says
    which difference so many questions can show. Results that are in --db are not computed again,
    so another --baseline takes no time. `sysgen report --evaluation` shows the tables on a page.

    \b
    Examples:
      sysgen study before=base.gguf after=tuned.gguf --multifacet bench.jsonl --judge qwen2.5-7b
      sysgen study before=base.gguf after=base.gguf+lora.gguf half=base.gguf+lora.gguf=0.5 \\
          --multifacet bench.jsonl --judge qwen2.5-7b
      sysgen study before=base.gguf after=tuned.gguf "in the user turn=tuned.gguf@user" \\
          --sysbench dialogues.json --judge qwen2.5-7b -o study.md
      sysgen study before=base.gguf after=tuned.gguf --own test.jsonl --own examples/obey.jsonl
      sysgen study before=base.gguf after=tuned.gguf --ifeval ifeval_input_data.jsonl
    """
    from sysgen_local.core.files import check_folder, write
    from sysgen_local.evaluation.benchmarks.benchmark import load
    from sysgen_local.evaluation.benchmarks.instances import read_sources
    from sysgen_local.report.live import view_for
    from sysgen_local.report.status import StatusFile
    from sysgen_local.store.evaluation import Evaluation
    from sysgen_local.workflows import study as studies

    if output is not None:
        check_folder(output)
    table = read_sources(sources) if sources else None
    named: list[tuple[BenchmarkName, Path | None]] = [
        ("multifacet", multifacet),
        ("sysbench", sysbench),
        ("advancedif", advancedif),
        *(("own", file) for file in own),
        ("ifeval", ifeval),
        ("multi-if", multi_if),
        ("iheval", iheval),
    ]
    benchmarks = [
        load(name, file, limit=limit, table=table) for name, file in named if file is not None
    ]
    if not benchmarks:
        options = ", ".join(dict.fromkeys(f"--{name}" for name, _ in named if name != "own"))
        raise click.UsageError(f"name a benchmark: --own, {options}, or several")
    if judge is None and any(benchmark.needs_judge for benchmark in benchmarks):
        needing = ", ".join(f"--{of.name}" for of in benchmarks if of.needs_judge)
        raise click.UsageError(f"--judge is missing, for {needing}")
    entrants = [studies.StudyModel.parse(text) for text in models]
    studies.baseline_of(entrants, baseline)  # raises before the work, not after it
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
        found = studies.conclude(results, store, baseline)
    if output is not None:
        text = "\n\n".join(table.markdown() for table in found.tables)
        write(output, f"{text}\n")
    if as_json:
        from sysgen_local.cli import outputs

        outputs.print_json(
            outputs.Study(
                tables=[outputs.Table(**asdict(table)) for table in found.tables],
                comparisons=[_comparison(c) for c in found.comparisons],
            )
        )
        return 0
    for shown in found.tables:
        terminal.console().print(shown.rich())
    return 0


def _comparison(c: Comparison) -> outputs.Comparison:
    from sysgen_local.cli import outputs

    return outputs.Comparison(
        benchmark=c.benchmark, metric=c.metric, baseline=c.before_label, model=c.after_label,
        before=c.before, after=c.after, difference=c.difference, low=c.low, high=c.high,
        questions=c.units, error=c.error, p=c.p, p_holm=c.p_holm, compared=c.family,
        survives=c.survives, detectable=c.detectable,
    )  # fmt: skip


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
