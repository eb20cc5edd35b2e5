"""`sysgen run`, and each phase alone: read the input, work the job out, run it, tell."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sysgen_local.cli import options as opt
from sysgen_local.core.records import PHASES, Phase
from sysgen_local.core.settings import Reading

if TYPE_CHECKING:
    from sysgen_local.store import GrownError, Losses

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
@opt.taking(reading=Reading)
def import_tags(tags: Path, db: Path, inputs: tuple[str, ...], reading: Reading) -> int:
    """Bring in phrases that were written elsewhere, as phase 1's result.

    TAGS is JSONL: {"row": 1, "text": "<<Role>> You are a chef. <<Format>> Use a list."}, where
    row is the row's number in the store and text is the paper's tagged form or a JSON list of
    {"tag", "text"}. Then go on with `sysgen run --phase filter`, or `sysgen run`.

    \b
    Example:
      sysgen import-tags phrases.jsonl rows.jsonl --db rows.duckdb
    """
    from sysgen_local.store import Store
    from sysgen_local.workflows.dataset import ingest
    from sysgen_local.workflows.imported import import_phrases

    with Store.open(db) as store:
        ingest(store, inputs, reading)
        done, skipped = import_phrases(store, tags)
    click.echo(f"{done:,} rows with phrases from {tags}; {skipped:,} had theirs already", err=True)
    return 0


def _work(
    *,
    inputs: tuple[str, ...],
    db: Path,
    appended: bool,
    redo: Phase | None,
    yes: bool,
    quiet: bool,
    json_log: bool = False,
    output: Path | None = None,
    edited: bool = False,
    **given: Any,
) -> int:
    from sysgen_local.exporting import STDOUT, ExportOptions, omitted_reasoning
    from sysgen_local.report.live import note, view_for
    from sysgen_local.store import Selection, Store
    from sysgen_local.workflows import dataset

    view = view_for(sys.stderr, quiet=quiet, json_log=json_log)
    with Store.open(db, create=bool(inputs)) as store:
        try:
            done = dataset.run(
                store,
                inputs,
                redo=redo,
                edited=edited,
                output=output,
                views=[view],
                say=view.say,
                confirm=lambda losses: redo is None or _may_delete(redo, yes, losses),
                confirm_appended=_may_read_on,
                command=" ".join(sys.argv[1:]),
                appended=True if appended else None,
                skip_system=_skips(given),
                **given,
            )
        except dataset.DeclinedError as error:
            click.echo(error.message, err=True)
            return 1
        thoughts = None
        if done.written and done.written.rows:
            way = f"sysgen export --db {db} -o FILE"
            with store.narrowed(done.sources):
                thoughts = omitted_reasoning(store, ExportOptions(), Selection(), way)
    counts = done.counts
    click.echo(f"{counts}  ({db})", err=True)
    if done.written is not None:
        to = "standard output" if output == STDOUT else output
        click.echo(f"{done.written.rows:,} rows written to {to}", err=True)
        if thoughts:
            click.echo(str(thoughts), err=True)
        if done.others:
            click.echo(
                f"{db} holds {done.others:,} more final rows, of inputs that were not named "
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
    for finding in done.advice:
        view.say(note(finding.says))
    if not done.finished:
        again = f"`sysgen run --db {db}`" if redo or edited else "the same command"
        click.echo(f"interrupted: {again} takes it up again", err=True)
        return 130
    return 0


def _skips(given: Mapping[str, Any]) -> bool | None:
    """Whether rows that have a system message are rejected; None in a command that has no option
    for it, and so takes a file as it was read."""
    if "existing_system" not in given:
        return None
    return bool(given["existing_system"] == "skip")


def _may_read_on(grown: GrownError) -> bool:
    """Asks on a terminal."""
    if not sys.stdin.isatty():
        return False
    click.echo(grown.message, err=True)
    return click.confirm("Read the new ones?", default=True, err=True)


_RESULTS: dict[Phase, str] = {
    "generate": "lists of phrases",
    "filter": "filtered lists",
    "verify": "judged lists",
    "respond": "answers",
    "check": "checked answers",
}


def _may_delete(phase: Phase, yes: bool, losses: Losses) -> bool:
    """Says what goes and what stays; asks on a terminal, unless that was said by --yes."""
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
