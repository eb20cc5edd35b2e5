"""`sysgen compare` and `sysgen judge`: is the new answer like the old one, and is it better?"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from sysgen_local.cli import options as opt
from sysgen_local.core import terminal

JSON = click.option("--json", "as_json", is_flag=True, help="The figures as JSON.")


@click.command()
@click.option(
    "--embeddings",
    metavar="FILE.gguf",
    type=opt.PATH,
    help="Semantic similarity too, by this embedding model (bge, nomic-embed, ...).",
)
@click.option(
    "--bertscore",
    metavar="MODEL",
    help="BERTScore too, by this model of transformers (a folder or a name); needs "
    "`pip install 'sysgen-local[bertscore]'`.",
)
@click.option(
    "--bertscore-layer",
    metavar="N",
    type=click.IntRange(1),
    help="Which layer's states, for a model that bert-score does not know.",
)
@opt.gpu_layers
@JSON
@opt.database
def compare(as_json: bool, db: Path, **given: Any) -> None:
    """New answers against old ones: ROUGE-1, -2 and -L, GLEU, the ratio of their lengths, and
    similarity by embeddings if you name a model (the SysGen paper's table 1).

    What is measured is kept in the store; only rows that lack a figure are worked on, so it can
    be stopped and taken up again.

    \b
    Examples:
      sysgen compare --db data.duckdb
      sysgen compare --db data.duckdb --embeddings bge-small-en-v1.5-q8_0.gguf --json
    """
    from sysgen_local.report.judgements import similarity_tables
    from sysgen_local.store import Store
    from sysgen_local.workflows.similarity import compare as measure

    with Store.open(db, create=False) as store:
        found = measure(store, on_page=_tell, **given)
    if found.rows:
        click.echo(f"\r{found.rows:,} rows compared", err=True)
    if as_json:
        click.echo(json.dumps(found.measures, indent=2))
        return
    if not found.measures:
        click.echo(f"{db} has no finished row yet: `sysgen run --db {db}`", err=True)
    for table in similarity_tables(found.measures, beside_paper=True):
        terminal.console().print(table.rich())


def _tell(rows: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{rows:,} rows compared", err=True, nl=False)


@click.command()
@click.option(
    "--judge",
    metavar="NAME|FILE.gguf|URL",
    help="The judge; a server's address as http://HOST:PORT/v1#MODEL.  "
    "[default: the model that answered]",
)
@click.option("--prompts", metavar="SET|DIR", help="Prompt set: default, compact, or a folder.")
@click.option(
    "--pairs",
    type=click.IntRange(0),
    default=100,
    show_default=True,
    metavar="N",
    help="Compare the two answers of so many rows of each dataset.",
)
@click.option(
    "--aligned",
    type=click.IntRange(0),
    default=20,
    show_default=True,
    metavar="N",
    help="Rate how well the new answer follows its system message, for so many rows of each.",
)
@click.option("--seed", type=int, default=0, metavar="N", help="Another sample.  [default: 0]")
@opt.sources
@opt.options(opt.MACHINE)
@opt.retry_failed
@click.option("-q", "--quiet", is_flag=True, help="Only the figures.")
@JSON
def judge(
    judge: str | None,
    db: Path,
    quiet: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """Ask a judge which answer serves the request better, the old or the new one, and whether the
    new one follows its system message (the SysGen paper's figures 3 and 4).

    Every pair is shown in both orders: where the judge changes its mind with the order it is a
    tie. What several judges said is kept side by side; what one has said is not asked again. A
    judge other than the model that answered is the better witness. Of a conversation the first
    exchange is judged.

    \b
    Examples:
      sysgen judge --db data.duckdb
      sysgen judge --db data.duckdb --judge llama-3.1-8b --pairs 500 --aligned 100
      sysgen judge --db data.duckdb --judge http://localhost:8080/v1
    """
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
            f"{found.left:,} rows are not judged yet, for they need more memory than is free now: "
            "the same command judges them once more is free",
            err=True,
        )
    if not found.finished:
        click.echo("interrupted: the same command takes it up again", err=True)
        return 130
    return 0
