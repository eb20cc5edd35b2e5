"""`sysgen compare` and `sysgen judge`: compare the new answers with the old ones."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from sysgen_local.cli import completion, hardware, values
from sysgen_local.cli import options as opt
from sysgen_local.cli.stores import reading
from sysgen_local.core import terminal
from sysgen_local.core.counted import counted


@click.command()
@click.option(
    "--embeddings",
    metavar="FILE.gguf",
    type=values.file(".gguf"),
    help="Measure semantic similarity too, with this embedding model (bge, nomic-embed, ...).",
)
@click.option(
    "--bertscore",
    metavar="MODEL",
    help="Measure BERTScore too, with this model of transformers (a folder or a name). Needs "
    "`pip install 'sysgen-local[bertscore]'`.",
)
@click.option(
    "--bertscore-layer",
    metavar="N",
    type=values.at_least(1),
    help="Layer whose states BERTScore compares. For a model that bert-score does not list.",
)
@hardware.gpu_layers
@opt.quiet
@opt.as_json
@opt.database
def compare(quiet: bool, as_json: bool, db: Path, **given: Any) -> None:
    """Measure how much new answers differ from old ones.

    These are the figures of the SysGen paper's table 1: ROUGE-1, -2 and -L, GLEU, the ratio of the
    lengths, and the similarity of embeddings if you name a model for it. `sysgen judge` asks which
    of the two answers is better.

    The figures are kept in the store, and only rows without a figure are measured. So you can stop
    the command, and the same command continues it.

    \b
    Examples:
      sysgen compare --db data.duckdb
      sysgen compare --db data.duckdb --embeddings bge-small-en-v1.5-q8_0.gguf --json
    """
    from sysgen_local.report.judgements import similarity_tables
    from sysgen_local.store import Store
    from sysgen_local.workflows.similarity import compare as measure

    with Store.open(db, create=False) as store:
        on_page = (lambda rows: None) if quiet else _show_count
        found = measure(store, workers=os.cpu_count() or 1, on_page=on_page, **given)
    if found.rows and not quiet:
        start = "\r" if sys.stderr.isatty() else ""
        click.echo(f"{start}{counted(found.rows, 'row')} compared", err=True)
    if as_json:
        click.echo(json.dumps(found.measures, indent=2))
        return
    if not found.measures:
        click.echo(f"{db} has no finished row yet: `sysgen run --db {db}`", err=True)
    for table in similarity_tables(found.measures, beside_paper=True):
        terminal.console().print(table.rich())


def _show_count(rows: int) -> None:
    """Overwrites the line on the terminal with the number of rows compared so far."""
    if sys.stderr.isatty():
        click.echo(f"\r{counted(rows, 'row')} compared", err=True, nl=False)


@click.command()
@click.option(
    "--judge",
    metavar=values.ANY_MODEL,
    shell_complete=completion.models,
    help="Model that judges, also behind servers: http://HOST:PORT/v1#MODEL,...  "
    "[default: the model that answered]",
)
@click.option(
    "--prompts",
    metavar="SET|DIR",
    shell_complete=completion.prompt_sets,
    help="Prompt set: default, compact, or a folder with your own prompts.",
)
@click.option(
    "--pairs",
    type=values.at_least(0),
    default=100,
    show_default=True,
    metavar="N",
    help="Number of rows of each dataset whose old and new answers are compared.",
)
@click.option(
    "--aligned",
    type=values.at_least(0),
    default=20,
    show_default=True,
    metavar="N",
    help="Number of rows of each dataset for which the judge rates how well the new answer follows "
    "its system message.",
)
@click.option(
    "--seed",
    type=values.SEED,
    default=0,
    metavar="N",
    help="Another seed draws other rows.  [default: 0]",
)
@click.option(
    "--trust",
    is_flag=True,
    help="Print how far judges agree with people (`sysgen review --blind`). No model is asked.",
)
@opt.sources
@opt.options(hardware.MACHINE, hardware.CLUSTER)
@opt.retry_failed
@click.option("-q", "--quiet", is_flag=True, help="Print only the figures.")
@opt.as_json
def judge(
    judge: str | None,
    trust: bool,
    db: Path,
    quiet: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """Ask a judge whether new answers are better than old ones.

    The judge decides which answer serves the request better, the old or the new one, and rates how
    well the new answer follows its system message (the SysGen paper's figures 3 and 4). It sees
    every pair in both orders. If its choice changes with the order, the pair is a tie. In a
    conversation, the first exchange is judged.

    Use another model than the one that wrote the answers: its verdicts are more reliable. The store
    keeps the verdicts of every judge, and a judge is not asked again for a verdict that is there.

    --trust shows whether a judge, and the model that judged the phrases, can be relied on.

    \b
    Examples:
      sysgen judge --db data.duckdb
      sysgen judge --db data.duckdb --judge llama-3.1-8b --pairs 500 --aligned 100
      sysgen judge --db data.duckdb --judge http://localhost:8080/v1
      sysgen judge --db data.duckdb --trust
    """
    if trust:
        _trust(db, judge, given, as_json=as_json)
        return 0
    from sysgen_local.report.judgements import judge_tables
    from sysgen_local.report.live import view_for
    from sysgen_local.store import Store
    from sysgen_local.workflows.preference import judge as ask

    view = view_for(sys.stderr, quiet=quiet)
    with Store.open(db, create=False) as store:
        found = ask(store, judge, views=[view], say=view.say, **given)
    if as_json:
        click.echo(json.dumps(found.figures, indent=2))
    else:
        for table in judge_tables(found.figures):
            terminal.console().print(table.rich())
        if not found.figures and not found.asked:
            click.echo(f"{db} has no finished row to judge: `sysgen run --db {db}`", err=True)
    if found.left:
        click.echo(
            f"not judged yet, for want of memory that is free now: {counted(found.left, 'row')}: "
            "the same command judges them once more is free",
            err=True,
        )
    if not found.finished:
        click.echo("interrupted: the same command takes it up again", err=True)
        return 130
    return 0


def _trust(db: Path, judge: str | None, given: dict[str, Any], *, as_json: bool) -> None:
    """Prints how far the judges of the store agree with people."""
    import shlex

    from sysgen_local.core.errors import UsageError
    from sysgen_local.report.trust import trust_tables
    from sysgen_local.workflows.trust import trust

    needless = {
        "--judge": judge, "--prompts": given["prompts"], "--retry-failed": given["retry_failed"]
    }  # fmt: skip
    if name := next((name for name, value in needless.items() if value), None):
        raise UsageError(
            f"--trust asks no model and cannot go with {name}", hint="leave one of the two off"
        )
    with reading(db) as store:
        found = trust(store, sources=given["sources"])
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    review = shlex.join(["sysgen", "review", "--blind", "--db", str(db)])
    for table in trust_tables(found, review):
        terminal.console().print(table.rich())
    if not found["judges"]:
        click.echo(f"{db} has no verdict of a model yet: `sysgen run --db {db}`", err=True)
