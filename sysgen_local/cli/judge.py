"""`sysgen compare` and `sysgen judge`: is the new answer like the old one, and is it better?"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sysgen_local.cli import options as opt
from sysgen_local.core import terminal

if TYPE_CHECKING:
    from sysgen_local.evaluate.similarity import Measure

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
def compare(
    embeddings: Path | None,
    bertscore: str | None,
    bertscore_layer: int | None,
    gpu_layers: int | None,
    as_json: bool,
    db: Path,
) -> None:
    """New answers against old ones: ROUGE-1, -2 and -L, GLEU, the ratio of their lengths, and
    similarity by embeddings if you name a model (the SysGen paper's table 1).

    What is measured is kept in the store; only rows that lack a figure are worked on, so it can
    be stopped and taken up again.

    \b
    Examples:
      sysgen compare --db data.duckdb
      sysgen compare --db data.duckdb --embeddings bge-small-en-v1.5-q8_0.gguf --json
    """
    from sysgen_local.evaluate.similarity import compare as measure
    from sysgen_local.report.judgements import compared
    from sysgen_local.store import Store

    measures: dict[str, Measure] = {}
    if embeddings:
        from sysgen_local.evaluate.similarity import similarity

        measures[f"similarity ({embeddings.stem})"] = similarity(embeddings, gpu_layers or 0)
    if bertscore:
        measures[f"bertscore ({Path(bertscore).name})"] = _bertscore(bertscore, bertscore_layer)
    with Store.open(db, create=False) as store:
        done = measure(store, measures, workers=os.cpu_count() or 1, on_page=_tell)
        stats = store.stats()
    if done:
        click.echo(f"\r{done:,} rows compared", err=True)
    if as_json:
        click.echo(json.dumps(stats["measures"], indent=2))
        return
    if not stats["measures"]:
        click.echo(f"{db} has no finished row yet: `sysgen run --db {db}`", err=True)
    for table in compared(stats["measures"], beside_paper=True):
        terminal.console().print(table.rich())


def _bertscore(model: str, layer: int | None) -> Measure:
    from sysgen_local.core.errors import UsageError
    from sysgen_local.evaluate.similarity import bertscore

    try:
        return bertscore(model, layer)
    except ImportError as error:
        raise UsageError(
            f"BERTScore needs a library that is not here: {error.name}",
            hint="pip install 'sysgen-local[bertscore]'",
        ) from error
    except (OSError, KeyError, ValueError) as error:
        why = next(iter(str(error).splitlines()), type(error).__name__)
        raise UsageError(
            f"the model {model} cannot be used for BERTScore: {why}",
            hint="name a folder with a model of transformers, and --bertscore-layer",
        ) from error


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
@opt.taking_machine
def judge(
    judge: str | None,
    prompts: str | None,
    pairs: int,
    aligned: int,
    seed: int,
    sources: Sequence[str],
    db: Path,
    machine: dict[str, Any],
    retry_failed: bool,
    quiet: bool,
    as_json: bool,
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
    from sysgen_local.evaluate.preference import Judge, summary
    from sysgen_local.models import Server, identity, locate
    from sysgen_local.prompts.prompt_set import PromptSet
    from sysgen_local.report.judgements import judged
    from sysgen_local.report.live import view_for
    from sysgen_local.running import executor
    from sysgen_local.running.progress import Progress
    from sysgen_local.store import Store

    with Store.open(db, create=False) as store:
        if sources:
            store.narrow(store.sources(sources))
        answered = store.recipe("respond")
        name = judge or (answered.facts.get("model") if answered else None) or "builtin"
        model = executor.named(locate(name))
        entry = None if isinstance(model, Server) else model.entry
        used = PromptSet.load(prompts or (entry.prompts if entry else "default"))
        stage = Judge.of(used)
        facts = {**stage.facts(), **identity(model), "prompt_set": used.name}
        facts |= executor.spoken_to(model)
        task = executor.Task(stage, model, facts)
        board = store.judge_queue(
            task.fingerprint, facts, pairs=pairs, aligned=aligned, seed=seed, older=task.older
        )
        view = view_for(sys.stderr, quiet=quiet)
        if retry_failed and (again := board.forget_failed()):
            view.say(f"{again:,} rows that could not be judged are tried again")
        due = list(board.due("judge"))
        finished = True
        if due:
            longest = max(len(p.system + p.instruction + p.old + p.new) for p in due)
            options = executor.machine(**machine, longest=longest // 3 + 1024)
            finished = executor.run(
                [task], board, Progress(("judge",), rows=len(due)), [view], options,
                announce=view.say,
            )  # fmt: skip
        found = summary(store.judgements())
        left = sum(1 for _ in board.due("judge")) if finished else 0
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        for table in judged(found):
            terminal.console().print(table.rich())
        if not found and not due:
            click.echo(f"{db} has no finished row to judge: `sysgen run --db {db}`", err=True)
    if left:
        click.echo(
            f"{left:,} rows are not judged yet, for they need more memory than is free now: "
            "the same command judges them once more is free",
            err=True,
        )
    if not finished:
        click.echo("interrupted: the same command takes it up again", err=True)
        return 130
    return 0
