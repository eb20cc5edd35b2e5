"""`sysgen run`, a command for each single phase, and `sysgen import-tags`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sysgen_local.cli import completion, hardware, values
from sysgen_local.cli import options as opt
from sysgen_local.cli.preview import MANY, SHOWN_FIRST, Preview
from sysgen_local.cli.stores import writing
from sysgen_local.core.counted import counted
from sysgen_local.core.records import PHASES, Phase
from sysgen_local.core.settings import Reading

if TYPE_CHECKING:
    from sysgen_local.store import GrownError, Losses
    from sysgen_local.workflows.dataset import RunResult

INPUT = click.argument("inputs", nargs=-1, metavar="[INPUT]...", shell_complete=completion.files)


def _output(command: opt.Command) -> opt.Command:
    """Adds the options of the file that is written at the end."""
    named = click.option(
        "-o",
        "--output",
        type=values.ROWS_OUTPUT,
        metavar="FILE|FOLDER/",
        help="File to write the finished rows to: .jsonl or .parquet, or - for JSONL on standard "
        "output, without a card. FOLDER/ gets train.jsonl, and the card as README.md.",
    )
    return named(opt.card(command))


@click.command()
@INPUT
@_output
@click.option("--phase", type=values.PHASE, help="Do only this phase.")
@click.option(
    "--preview",
    type=click.IntRange(0, 100),
    metavar="N",
    help="Show N rows first, drawn at random, and what the others will take. On a terminal, a new "
    f"run of more than {MANY} rows with a model offers {SHOWN_FIRST}; 0 offers none.",
)
@opt.check
@opt.options(
    opt.MODEL, opt.INGESTING, opt.EXISTING_SYSTEM, opt.SAMPLING, opt.VERIFYING, opt.ANSWERING,
    opt.LANGUAGE, opt.SHOWING, opt.CHECKING, hardware.MACHINE, hardware.CLUSTER, opt.WORKING,
)  # fmt: skip
def run(phase: Phase | None, **given: Any) -> int:
    """Do the whole job: read INPUT, do all phases, write the dataset.

    INPUT is a JSONL, JSON, Parquet or CSV file (plain, gzipped or zstd), a directory of such files,
    - for standard input, or hf://datasets/OWNER/NAME. Without INPUT, the run continues with the
    rows that are in --db. If a run was stopped, the same command continues it.

    Before a long run with a model, a terminal is asked whether to show five rows first. To compare
    models or prompt sets, use `sysgen try`. After the run, `sysgen stats` prints what
    came out, `sysgen show` prints single rows, and `sysgen export` writes other formats.

    \b
    Examples:
      sysgen run rows.jsonl -o out.jsonl
      sysgen run data/ --model qwen2.5-7b --db data.duckdb -o out.parquet
      sysgen run rows.jsonl --model qwen2.5-7b --lora style.gguf=0.5 -o out.jsonl
      sysgen run hf://datasets/meta-math/MetaMathQA --limit 200 -o try.jsonl
      sysgen run odd.jsonl --map instruction=ask,answer=reply -o out.jsonl
    """
    return _run_phases(phases=[phase] if phase else PHASES, **given)


@click.command()
@INPUT
@opt.options(
    opt.MODEL[::2], opt.INGESTING, opt.EXISTING_SYSTEM, opt.SAMPLING, opt.LANGUAGE,
    hardware.MACHINE, hardware.CLUSTER, opt.WORKING,
)  # fmt: skip
def generate(**given: Any) -> int:
    """Do only phase 1: the model writes phrases under eight tags.

    INPUT is as for `sysgen run`. The commands for single phases are for looking at the results, or
    changing options, between phases. `sysgen filter` is next; `sysgen run` does all that is left.

    \b
    Example:
      sysgen generate rows.jsonl --model qwen2.5-7b --db rows.duckdb
    """
    return _run_phases(phases=["generate"], **given)


@click.command(name="filter")
@INPUT
@opt.options(opt.INGESTING, opt.WORKING)
def filter_(**given: Any) -> int:
    """Do only phase 2: rules remove bad phrases.

    The other phrases are put in the order of the tags. The reason of each removal is kept. No model
    is needed. `sysgen verify` is next.

    \b
    Examples:
      sysgen filter --db rows.duckdb
      sysgen filter --db rows.duckdb --redo filter       again, with the rules of this version
    """
    return _run_phases(phases=["filter"], **given)


@click.command()
@INPUT
@opt.options(
    opt.MODEL, opt.INGESTING, opt.VERIFYING, hardware.MACHINE, hardware.CLUSTER, opt.WORKING
)
def verify(**given: Any) -> int:
    """Do only phase 3: the model judges each phrase.

    The verdict is good, bad or none. The good phrases make up the new system message. `sysgen
    respond` is next.

    \b
    Examples:
      sysgen verify --db rows.duckdb
      sysgen verify --db rows.duckdb --redo verify --judge llama-3.1-8b --min-p-good 0.7
    """
    return _run_phases(phases=["verify"], **given)


@click.command()
@INPUT
@_output
@click.option(
    "--edited",
    is_flag=True,
    help="Also write new answers for the rows whose system message was edited in `sysgen review`, "
    "and check them if the answers of this store are checked. Answers that were edited there stay.",
)
@opt.options(
    opt.MODEL[::2], opt.INGESTING, opt.SAMPLING, opt.ANSWERING, opt.SHOWING, hardware.MACHINE,
    hardware.CLUSTER, opt.WORKING,
)  # fmt: skip
def respond(edited: bool, **given: Any) -> int:
    """Do only phase 4: the model writes the new answers.

    Each answer is written under the new system message of its row. `sysgen check` is next.

    \b
    Examples:
      sysgen respond --db rows.duckdb -o out.jsonl
      sysgen respond --db rows.duckdb --redo respond --temperature 0 --max-answer-tokens 2048
      sysgen respond --db rows.duckdb --edited -o out.jsonl
    """
    # Edited rows were final before. `check` is done too, so that they are final again.
    return _run_phases(
        phases=["respond", "check"] if edited else ["respond"], edited=edited, **given
    )


@click.command()
@INPUT
@_output
@opt.options(
    opt.MODEL[::2], opt.INGESTING, opt.SAMPLING, opt.ANSWERING, opt.SHOWING, opt.CHECKING,
    hardware.MACHINE, hardware.CLUSTER, opt.WORKING,
)  # fmt: skip
def check(**given: Any) -> int:
    """Do only phase 5: the new answers are checked.

    A new answer must agree with the original one and follow the system message. Rules decide where
    they can: on final results, on code, and on phrases that ask for something countable. The model
    decides the rest. If an answer fails, another one is written, up to --tries answers in all. If
    none passes, the row is dropped as `disagrees` or `disobeys`. Rows that pass are final; `sysgen
    export` writes them.

    \b
    Examples:
      sysgen check --db rows.duckdb -o out.jsonl
      sysgen check --db rows.duckdb --redo check --tries 5
    """
    return _run_phases(phases=["check"], **given)


@click.command(name="import-tags")
@click.argument("tags", type=values.file(".jsonl", ".ndjson"))
@INPUT
@opt.options(opt.INGESTING, [opt.quiet, opt.as_json])
@opt.taking(reading=Reading)
def import_tags(
    tags: Path, db: Path, inputs: tuple[str, ...], reading: Reading, quiet: bool, as_json: bool
) -> int:
    """Import phrases from another program as results of phase 1.

    TAGS is JSONL: {"row": 1, "text": "<<Role>> You are a chef. <<Format>> Use a list."}. Here row
    is the number of the row in the store, and text is the SysGen paper's tagged form or a JSON list
    of {"tag", "text"}. Then continue with `sysgen run --phase filter`, or `sysgen run`.

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
    if not quiet:
        click.echo(
            f"{counted(done, 'row')} with phrases from {tags}; {skipped:,} had theirs already",
            err=True,
        )
    if as_json:
        from sysgen_local.cli import outputs

        outputs.print_json(outputs.Imported(db=str(db), imported=done, skipped=skipped))
    return 0


def _run_phases(
    *,
    inputs: tuple[str, ...],
    db: Path,
    appended: bool,
    redo: Phase | None,
    yes: bool,
    quiet: bool,
    json_log: bool = False,
    preview: int | None = None,
    output: str | None = None,
    card: bool = True,
    edited: bool = False,
    as_json: bool = False,
    **given: Any,
) -> int:
    """Runs the phases that `given` names, prints what came out, and returns the exit code. The rest
    of `given` are the options of the phases, of reading and of the engine."""
    from sysgen_local.exporting import STDOUT
    from sysgen_local.report.live import note, view_for
    from sysgen_local.workflows import dataset
    from sysgen_local.workflows.redo import DeclinedError

    if not inputs and not db.exists():
        raise click.UsageError(f"INPUT is missing, and there is no store at {db} to continue")
    if as_json and output == str(STDOUT):
        raise click.UsageError("--json does not go with -o -: the rows go to standard output")
    view = view_for(sys.stderr, quiet=quiet, json_log=json_log)
    offered = not (yes or quiet or json_log or redo) and given.get("model") not in (None, "builtin")
    first = Preview(preview, view, offered=offered)
    try:
        with writing(db, create=bool(inputs)) as store:
            done = dataset.run(
                store,
                inputs,
                redo=redo,
                edited=edited,
                output=output,
                card=card,
                views=[view],
                say=view.say,
                confirm=lambda losses: redo is None or _confirm_redo(redo, yes, losses),
                confirm_appended=_confirm_appended,
                preview=first.rows,
                on_preview=first.show,
                confirm_rest=first.confirm,
                command=" ".join(sys.argv[1:]),
                appended=True if appended else None,
                skip_system=_skip_system(given),
                **given,
            )
    except DeclinedError as error:
        click.echo(error.message, err=True)
        return 1
    counts = done.counts
    click.echo(f"{counts}  ({db})", err=True)
    if done.written is not None:
        to = "standard output" if done.written.path == STDOUT else done.written.path
        click.echo(f"{counted(done.written.rows, 'row')} written to {to}", err=True)
        if done.card_path is not None:
            click.echo(f"its card: {done.card_path}", err=True)
        for line in done.notes:
            click.echo(line, err=True)
        if done.others:
            click.echo(
                f"{db} holds {done.others:,} more final rows, of inputs that were not named "
                f"(`sysgen export --db {db} -o FILE` writes all)",
                err=True,
            )
    if failed := sum(phase.dropped.get("failed", 0) for phase in counts.phases.values()):
        how = f"`sysgen show --dropped --where \"reason = 'failed'\" --db {db}` shows why"
        click.echo(
            f"{counted(failed, 'row')} failed because something went wrong with a request: {how}, "
            "--retry-failed asks them again",
            err=True,
        )
    for finding in done.advice:
        view.say(note(finding.says))
    if as_json:
        _print_result(db, done)
    if not done.finished:
        again = f"`sysgen run --db {db}`" if redo or edited else "the same command"
        click.echo(f"interrupted: {again} takes it up again", err=True)
        return 130
    return 0


def _print_result(db: Path, done: RunResult) -> None:
    from sysgen_local.cli import outputs

    outputs.print_json(
        outputs.Run(
            db=str(db),
            finished=done.finished,
            rows=outputs.Rows(**done.counts.rows()),
            shard=outputs.Shard(**done.shard) if done.shard else None,
            phases={
                name: outputs.PhaseCount(done=of.done, kept=of.kept, dropped=dict(of.dropped))
                for name, of in done.counts.phases.items()
            },
            rejects=dict(done.counts.rejects),
            advice=[outputs.Finding(**finding._asdict()) for finding in done.advice],
            written=outputs.file(done.written) if done.written else None,
            card=str(done.card_path) if done.card_path else None,
            notes=list(done.notes),
            other_rows=done.others,
        )
    )


def _skip_system(given: Mapping[str, Any]) -> bool | None:
    """Whether rows that have a system message are rejected. None in a command without the option
    --existing-system: then a file is read as it was read before."""
    if "existing_system" not in given:
        return None
    return bool(given["existing_system"] == "skip")


def _confirm_appended(grown: GrownError) -> bool:
    """Whether to read the new rows of a file that grew: asks on a terminal, else no."""
    if not sys.stdin.isatty():
        return False
    click.echo(grown.message, err=True)
    return click.confirm("Read the new ones?", default=True, err=True)


_RESULT_NAMES: dict[Phase, str] = {
    "generate": "lists of phrases",
    "filter": "filtered lists",
    "verify": "judged lists",
    "respond": "answers",
    "check": "checked answers",
}
"""Phase -> the name of its results in messages."""


def _confirm_redo(phase: Phase, yes: bool, losses: Losses) -> bool:
    """Prints what --redo deletes and keeps, and asks whether to do it. Without a terminal, or with
    --yes, it does not ask: the answer is yes."""
    lost = {_RESULT_NAMES[result]: rows for result, rows in losses.results.items()}
    lost |= {"judgements": losses.judged, "comparisons": losses.measured}
    deleted = ", ".join(f"{n:,} {what}" for what, n in lost.items() if n)
    click.echo(f"--redo {phase} deletes {deleted}", err=True)
    if losses.reviews:
        click.echo(
            f"{counted(losses.reviews, 'review')} kept, to hold again where a row comes out the "
            "same",
            err=True,
        )
    if yes or not sys.stdin.isatty():
        return True
    return click.confirm("Delete them?", err=True)
