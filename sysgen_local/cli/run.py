"""`sysgen run`, and each phase alone: read the input, work the job out, run it, tell."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sysgen_local.cli import options as opt
from sysgen_local.cli.reading import skips, taken
from sysgen_local.core.records import PHASES, Phase
from sysgen_local.core.settings import Settings

if TYPE_CHECKING:
    from sysgen_local.store import Store

INPUT = click.argument("inputs", nargs=-1, metavar="[INPUT]...")
OUTPUT = "Write finished rows: .jsonl or .parquet, or - for JSONL on standard output."


@click.command()
@INPUT
@click.option("-o", "--output", type=opt.OUTPUT, help=OUTPUT)
@click.option("--phase", type=opt.PHASE, help="Do only this phase.")
@opt.check
@opt.options(
    opt.MODEL, opt.READING, opt.EXISTING_SYSTEM, opt.SAMPLING, opt.VERIFYING, opt.ANSWERING,
    opt.LANGUAGE, opt.SHOWING, opt.CHECKING, opt.MACHINE, opt.WORKING,
)  # fmt: skip
@opt.taking_machine
@opt.taking_settings
def run(phase: Phase | None, **given: Any) -> int:
    """The whole job: read INPUT, do all phases, write the dataset.

    INPUT is a JSONL, JSON, Parquet or CSV file (plain, gzipped or zstd), a directory of such, - for
    standard input, or hf://datasets/OWNER/NAME. Without INPUT, what --db holds is taken up again;
    so is a run that was stopped, by the same command.

    \b
    Examples:
      sysgen run rows.jsonl -o out.jsonl
      sysgen run data/ --model qwen2.5-7b --db data.duckdb -o out.parquet
      sysgen run hf://datasets/meta-math/MetaMathQA --limit 200 -o try.jsonl
      sysgen run odd.jsonl --map instruction=ask,answer=reply -o out.jsonl
    """
    return _work(phases=[phase] if phase else PHASES, **given)


@click.command()
@INPUT
@opt.options(
    opt.MODEL[::2], opt.READING, opt.EXISTING_SYSTEM, opt.SAMPLING, opt.LANGUAGE, opt.MACHINE,
    opt.WORKING,
)  # fmt: skip
@opt.taking_machine
@opt.taking_settings
def generate(**given: Any) -> int:
    """Phase 1 alone: the model writes phrases under eight tags.

    \b
    Example:
      sysgen generate rows.jsonl --model qwen2.5-7b --db rows.duckdb
    """
    return _work(phases=["generate"], **given)


@click.command(name="filter")
@INPUT
@opt.options(opt.READING, opt.WORKING)
def filter_(**given: Any) -> int:
    """Phase 2 alone: phrases are cleaned and put in order, every removal with its reason.

    \b
    Examples:
      sysgen filter --db rows.duckdb
      sysgen filter --db rows.duckdb --redo filter       again, with the rules of this version
    """
    return _work(phases=["filter"], **given)


@click.command()
@INPUT
@opt.options(opt.MODEL, opt.READING, opt.VERIFYING, opt.MACHINE, opt.WORKING)
@opt.taking_machine
@opt.taking_settings
def verify(**given: Any) -> int:
    """Phase 3 alone: each phrase is judged good, bad or none; S is composed of the good ones.

    \b
    Examples:
      sysgen verify --db rows.duckdb
      sysgen verify --db rows.duckdb --redo verify --judge llama-3.1-8b --min-p-good 0.7
    """
    return _work(phases=["verify"], **given)


@click.command()
@INPUT
@click.option("-o", "--output", type=opt.OUTPUT, help=OUTPUT)
@click.option(
    "--edited",
    is_flag=True,
    help="Answer anew also the rows whose system message a person edited in `sysgen review`, and "
    "check them where the store's answers are checked.",
)
@opt.options(
    opt.MODEL[::2], opt.READING, opt.SAMPLING, opt.ANSWERING, opt.SHOWING, opt.MACHINE,
    opt.WORKING,
)  # fmt: skip
@opt.taking_machine
@opt.taking_settings
def respond(edited: bool, **given: Any) -> int:
    """Phase 4 alone: the rows are answered anew under their system messages.

    \b
    Examples:
      sysgen respond --db rows.duckdb -o out.jsonl
      sysgen respond --db rows.duckdb --redo respond --temperature 0 --max-answer-tokens 2048
      sysgen respond --db rows.duckdb --edited -o out.jsonl
    """
    # Edited rows were final before, and are to be so again.
    return _work(phases=["respond", "check"] if edited else ["respond"], edited=edited, **given)


@click.command()
@INPUT
@click.option("-o", "--output", type=opt.OUTPUT, help=OUTPUT)
@opt.options(
    opt.MODEL[::2], opt.READING, opt.SAMPLING, opt.ANSWERING, opt.SHOWING, opt.CHECKING,
    opt.MACHINE, opt.WORKING,
)  # fmt: skip
@opt.taking_machine
@opt.taking_settings
def check(**given: Any) -> int:
    """Phase 5 alone: new answers must keep what the original had right, and obey.

    By rule where a rule can tell (final results, code, phrases that ask for something countable),
    else by the model. An answer that fails is written again, up to --tries answers in all; where
    none passes, the row is dropped as `disagrees` or `disobeys`.

    \b
    Examples:
      sysgen check --db rows.duckdb -o out.jsonl
      sysgen check --db rows.duckdb --redo check --tries 5
    """
    return _work(phases=["check"], **given)


@click.command(name="import-tags")
@click.argument("tags", type=opt.ANY_PATH)
@INPUT
@opt.options(opt.READING)
def import_tags(tags: Path, db: Path, inputs: tuple[str, ...], **reading: Any) -> int:
    """Bring in phrases that were written elsewhere, as phase 1's result.

    TAGS is JSONL: {"row": 1, "text": "<<Role>> You are a chef. <<Format>> Use a list."}, where
    row is the row's number in the store and text is the paper's tagged form or a JSON list of
    {"tag", "text"}. Then go on with `sysgen run --phase filter`, or `sysgen run`.

    \b
    Example:
      sysgen import-tags phrases.jsonl rows.jsonl --db rows.duckdb
    """
    from sysgen_local.store import Store
    from sysgen_local.workflows.imported import import_phrases

    with Store.open(db) as store:
        taken(store, inputs, say=lambda line: None, **reading)
        done, skipped = import_phrases(store, tags)
    click.echo(f"{done:,} rows with phrases from {tags}; {skipped:,} had theirs already", err=True)
    return 0


def _work(
    *,
    inputs: tuple[str, ...],
    db: Path,
    phases: Sequence[Phase],
    mapping: str | None,
    license: str | None,  # noqa: A002 - the option's name
    split: str | None,
    encoding: str | None,
    limit: int | None,
    strict: bool,
    appended: bool,
    redo: Phase | None,
    yes: bool,
    retry_failed: bool,
    quiet: bool,
    json_log: bool = False,
    settings: Settings | None = None,
    output: Path | None = None,
    edited: bool = False,
    machine: dict[str, Any] | None = None,
) -> int:
    from sysgen_local.export import STDOUT, ExportOptions, check_output, export, omitted_reasoning
    from sysgen_local.report.live import note, view_for
    from sysgen_local.report.status import StatusFile
    from sysgen_local.running import executor
    from sysgen_local.store import Selection, Store
    from sysgen_local.workflows import plan as job
    from sysgen_local.workflows import recipe as recipes

    view = view_for(sys.stderr, quiet=quiet, json_log=json_log)
    settings = settings or Settings()
    machine = machine or {}
    if output is not None:
        check_output(output)  # now rather than after hours of work
    with Store.open(db, create=bool(inputs)) as store:
        tasks = job.plan(settings, store, phases, redo, context=machine.pop("context", None))
        if settings.model is None and any(t.model and t.model.name == "builtin" for t in tasks):
            view.say(opt.DEMONSTRATION)
        for line in job.lacking(tasks):
            view.say(line)
        recipes.recipes(tasks, store, redo=redo, check=settings.check)  # before anything is read
        sources = taken(
            store,
            inputs,
            mapping=mapping,
            license=license,
            split=split,
            encoding=encoding,
            limit=limit,
            strict=strict,
            skip_system=skips(settings),
            appended=True if appended else None,
            say=view.say,
        )
        job.need_rows(store)
        wanted = recipes.recipes(tasks, store, redo=redo, check=settings.check)
        if redo:
            executor.need(tasks)
            # Nothing is left that could refuse the command: only now is anything deleted.
            if not _may_delete(store, redo, yes):
                click.echo("nothing was deleted", err=True)
                return 1
        store.prepare(wanted, redo=redo)
        if retry_failed:
            failures = store.forget_failed(phases)
            view.say(f"{failures:,} rows that failed are tried again")
        if edited:
            view.say(f"{store.reopen():,} rows with an edited system message are answered anew")
        run_number = store.start_run(
            command=" ".join(sys.argv[1:]),
            model=next((t.model.name for t in tasks if t.model), None),
            seed=settings.seed,
        )
        finished = False
        try:
            views = [StatusFile(db), view]
            options = executor.machine(**machine)
            finished = job.run(tasks, store, views, options, announce=view.say)
        finally:
            store.end_run(run_number, "done" if finished else "interrupted")
        counts = store.counts()
        advice = store.advice()
        if sources:
            store.narrow(sources)
        written = export(store, output)[0].rows if output else None
        command = f"sysgen export --db {db} -o FILE"
        thoughts = (
            omitted_reasoning(store, ExportOptions(), Selection(), command) if written else None
        )
        others = counts.final - store.counts().final
    click.echo(
        f"{counts.input:,} rows: {counts.final:,} final, {counts.dropped:,} dropped, "
        f"{counts.rejected:,} rejected, {counts.pending:,} pending  ({db})",
        err=True,
    )
    if written is not None:
        to = "standard output" if output == STDOUT else output
        click.echo(f"{written:,} rows written to {to}", err=True)
        if thoughts:
            click.echo(str(thoughts), err=True)
        if others:
            click.echo(
                f"{db} holds {others:,} more final rows, of inputs that were not named "
                f"(`sysgen export --db {db} -o FILE` writes all)",
                err=True,
            )
    if failed := sum(of.dropped.get("failed", 0) for of in counts.phases.values()):
        way = f"`sysgen show --dropped --where \"reason = 'failed'\" --db {db}` shows why"
        click.echo(
            f"{failed:,} rows failed because something went wrong with a request: {way}, "
            "--retry-failed asks them again",
            err=True,
        )
    for finding in advice:
        view.say(note(finding.says))
    if not finished:
        again = f"`sysgen run --db {db}`" if redo or edited else "the same command"
        click.echo(f"interrupted: {again} takes it up again", err=True)
        return 130
    return 0


_RESULTS: dict[Phase, str] = {
    "generate": "lists of phrases",
    "filter": "filtered lists",
    "verify": "judged lists",
    "respond": "answers",
    "check": "checked answers",
}


def _may_delete(store: Store, phase: Phase, yes: bool) -> bool:
    """Says what goes and what stays; asks on a terminal, unless that was said by --yes."""
    losses = store.losses(phase)
    if not losses:
        return True
    counted = {_RESULTS[of]: rows for of, rows in losses.results.items()}
    counted |= {"judgements": losses.judged, "comparisons": losses.measured}
    gone = ", ".join(f"{n:,} {what}" for what, n in counted.items() if n)
    click.echo(f"--redo {phase} deletes {gone}", err=True)
    if losses.reviews:
        click.echo(
            f"{losses.reviews:,} reviews stay: they hold again where a row comes out the same",
            err=True,
        )
    if yes or not sys.stdin.isatty():
        return True
    return click.confirm("Delete them?", err=True)
