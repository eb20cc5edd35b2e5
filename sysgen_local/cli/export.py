"""`sysgen export` and `sysgen push`: write finished rows as a dataset, to files or to a hub."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from sysgen_local.cli import options as opt
from sysgen_local.cli import values
from sysgen_local.cli.stores import note_missing, reading
from sysgen_local.core.counted import counted


class _Splits(click.ParamType[dict[str, float]]):
    """`NAME=SHARE,...` -> name -> share. The shares sum to 1 at most."""

    name = "splits"

    def convert(self, value: Any, param: Any, ctx: Any) -> dict[str, float]:
        splits: dict[str, float] = {}
        for part in str(value).split(","):
            name, _, share = part.partition("=")
            try:
                splits[name.strip()] = float(share)
            except ValueError:
                self.fail(f"{part!r} is not NAME=SHARE", param, ctx)
            if not name.strip().isidentifier():
                self.fail(f"{name!r} will not do as a split's name", param, ctx)
        if any(not 0 < share <= 1 for share in splits.values()) or sum(splits.values()) > 1 + 1e-9:
            self.fail("shares lie between 0 and 1 and sum to 1 at most", param, ctx)
        return splits


EXPORTING = [
    click.option(
        "--format",
        "form",
        type=click.Choice(["messages", "sharegpt", "alpaca", "prompt-completion", "dpo", "kto"]),
        default="messages",
        show_default=True,
        help="messages (OpenAI, TRL, Axolotl), sharegpt, alpaca with a system column, "
        "prompt-completion, dpo (pairs of a chosen and a rejected answer), or kto (two rows "
        "each).",
    ),
    click.option(
        "--variant",
        type=click.Choice(["full", "system-only", "common", "original"]),
        default="full",
        show_default=True,
        help="full: the new system message and the new answer; system-only: the new one and the "
        "old answer; common: one common system message and the old answer; original: the rows "
        "without changes. Train on several of them to compare (the SysGen paper's ablation).",
    ),
    click.option(
        "--prefer",
        type=click.Choice(["new", "judged", "checked"]),
        default="new",
        show_default=True,
        help="Pairs of dpo and kto. new: the new answer over the first one that failed the checks, "
        "or over the original one; judged: the one that `judge` preferred; checked: as new, but "
        "only over failed ones.",
    ),
    click.option(
        "--pairs",
        type=click.Choice(["best-worst", "obey-violate", "conflict"]),
        help="Pairs by rule: the new answer over the worst other one, over one that "
        "breaks a phrase or the result, or over one that does the opposite, for which the user "
        "asks. The column broken says what is wrong with it.",
    ),
    click.option(
        "--fold-system",
        is_flag=True,
        help="Put the system message into the first instruction. For models without a system role.",
    ),
    click.option(
        "--split",
        "splits",
        type=_Splits(),
        metavar="NAME=SHARE,...",
        help="Write several files, for example train=0.95,test=0.05. Rows with the same first "
        "instruction are in the same file. out.jsonl becomes out-train.jsonl and out-test.jsonl; "
        "in a folder they are train.jsonl and test.jsonl.",
    ),
    opt.sources,
    opt.where,
    click.option(
        "--checks",
        is_flag=True,
        help="Add columns with the checks of the new answers: agrees, obeys, and checks, "
        "a list of {turn, kind, text, by, p, detail}. Only for messages and sharegpt.",
    ),
    click.option(
        "--reasoning",
        type=click.Choice(["keep", "drop"]),
        default="drop",
        show_default=True,
        help="keep: write the reasoning before original answers and tool calls, "
        "as reasoning_content, or as <think>...</think> in sharegpt and alpaca. New answers have "
        "no reasoning, so then only some turns have it.",
    ),
    click.option(
        "--min-p-good",
        type=click.FloatRange(0, 1),
        default=0.0,
        metavar="P",
        help="Write only rows whose phrases are all good with at least this probability.",
    ),
    click.option(
        "--origin",
        is_flag=True,
        help="Add columns with the origin of each row: source (its file), line, and row (its "
        "number).",
    ),
    click.option(
        "--dedupe",
        is_flag=True,
        help="Leave out near-duplicates of earlier rows. Rows with different numbers or operators "
        "are not duplicates: x^2-4 is not x^2+4.",
    ),
    click.option(
        "--exclude",
        type=values.file(".txt", ".md", ".jsonl", ".json"),
        multiple=True,
        metavar="FILE",
        help="Leave out rows that resemble a prompt in this benchmark file (.txt, .md, .jsonl, "
        ".json). Give the option several times for several files.",
    ),
    click.option(
        "--license-policy",
        type=click.Choice(["any", "permissive"]),
        default="any",
        show_default=True,
        help="permissive: write nothing if the licence of a source or model is unknown, or asks "
        "for more than credit.",
    ),
]


@click.command()
@click.option(
    "-o",
    "--output",
    type=values.ROWS_OUTPUT,
    required=True,
    metavar="FILE|FOLDER/",
    help="File to write: .jsonl or .parquet, or - for JSONL on standard output, without a card. A "
    "folder (a name that ends with /, or a folder that exists) gets NAME.jsonl for each split, by "
    "default train.jsonl, and the card as README.md.",
)
@opt.options(EXPORTING)
@click.option(
    "--tools",
    type=click.Choice(["text", "objects"]),
    default="text",
    show_default=True,
    help="How tools and the arguments of calls are written. text: as JSON text, as OpenAI's API "
    "has arguments; objects: as objects, which mlx-lm and most chat templates need. objects is for "
    "JSONL in messages, prompt-completion, dpo and kto.",
)
@opt.card
@click.option(
    "--rejects",
    is_flag=True,
    help="Write the rejected rows instead, that is, rows of the input that could not be used: "
    "file, line, reason, detail, and raw, the text of the row (at most 4,000 characters). --where "
    "then uses the columns source, line, dataset, license, reason, detail, raw.",
)
@opt.quiet
@opt.as_json
def export(
    output: str, db: Path, card: bool, rejects: bool, quiet: bool, as_json: bool, **given: Any
) -> None:
    """Write the finished rows and a dataset card to files.

    The rows are in the order of the input. Use it after a run, also several times with other
    options: the store is not changed. The card describes the data: the recipe, the counts of each
    phase, the checks and the licences. `sysgen push` uploads the same files to a hub.

    \b
    Examples:
      sysgen export -o train.parquet --db data.duckdb
      sysgen export -o data.jsonl --split train=0.95,test=0.05 --dedupe --exclude bench.jsonl
      sysgen export -o data/ --split train=0.9,valid=0.05,test=0.05
      sysgen export -o pairs.jsonl --format dpo
      sysgen export -o pairs.jsonl --format dpo --pairs obey-violate
      sysgen export -o pairs.jsonl --format dpo --prefer judged --where "judge_p > 0.8"
      sysgen export -o a.out.jsonl --source a.jsonl
      sysgen export -o best.jsonl --where "agrees and obeys > 0.8" --checks
      sysgen export -o gemma.jsonl --fold-system --where "turns = 1"
      sysgen export -o rejects.jsonl --rejects --where "reason = 'bad_json'"
    """
    from sysgen_local.exporting import STDOUT
    from sysgen_local.workflows.export import export as write

    if as_json and output == str(STDOUT):
        raise click.UsageError("--json does not go with -o -: the rows go to standard output")
    say = _print_nothing if quiet else _print_note
    if rejects:
        _refuse_other_options("rejects", "output", "db", "where", "quiet", "as_json")
        _export_rejects(output, db, given["where"], say, as_json=as_json)
        return
    with reading(db) as store:
        note_missing(store, given["where"])
        done = write(store, output, card=card, say=say, **_options(**given))
    for file in done.files:
        to = "standard output" if file.path == STDOUT else file.path
        say(f"{counted(file.rows, 'row')} written to {to}")
    if done.card_path:
        say(f"its card: {done.card_path}")
    if as_json:
        from sysgen_local.cli import outputs

        files = [outputs.file(of) for of in done.files]
        where = str(done.card_path) if done.card_path else None
        outputs.print_json(outputs.Export(files=files, card=where, notes=done.notes))


@click.command()
@click.argument("repo", metavar="OWNER/NAME")
@opt.options(EXPORTING)
@click.option(
    "--upload", is_flag=True, help="Upload. Without this option, only print what would be uploaded."
)
@click.option("--public", is_flag=True, help="Make a new repository public.  [default: private]")
@opt.as_json
def push(repo: str, db: Path, upload: bool, public: bool, as_json: bool, **given: Any) -> None:
    """Upload the finished rows to a Hugging Face hub, as a dataset with a card.

    Without --upload it only prints what it would upload. Log in first, with `hf auth login`.

    \b
    Examples:
      sysgen push me/my-data
      sysgen push me/my-data --split train=0.95,test=0.05 --license-policy permissive --upload
    """
    from sysgen_local.exporting import hub
    from sysgen_local.workflows.export import export as write

    hub.check_repo(repo)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "data.parquet")
        with reading(db) as store:
            note_missing(store, given["where"])
            name = repo.split("/")[-1]
            done = write(store, output, card=False, name=name, say=_print_note, **_options(**given))
        Path(folder, "README.md").write_text(done.card, encoding="utf-8")
        rows = {of.path: of.rows for of in done.files}
        files = sorted(Path(folder).iterdir())
        sizes = {file.name: file.stat().st_size for file in files}
        for file in files:
            of = f", {counted(rows[file], 'row')}" if file in rows else ""
            click.echo(f"{file.name}: {sizes[file.name]:,} bytes{of}", err=True)
        url = hub.upload(repo, Path(folder), private=not public) if upload else None
        said = f"uploaded: {url}" if url else f"would go to the dataset {repo}; --upload does it"
        click.echo(said, err=True)
    if as_json:
        from sysgen_local.cli import outputs

        parts = [
            outputs.HubFile(name=file.name, bytes=sizes[file.name], rows=rows.get(file))
            for file in files
        ]
        outputs.print_json(outputs.Pushed(repository=repo, files=parts, uploaded=upload, url=url))


def _options(*, form: Any, license_policy: str, reasoning: str, **same: Any) -> dict[str, Any]:
    """The arguments of `workflows.export.export`, from the options of the command line."""
    return {
        "format": form,
        "reasoning": reasoning == "keep",
        "permissive_only": license_policy == "permissive",
        **same,
    }


def _print_note(line: str) -> None:
    click.echo(line, err=True)


def _print_nothing(line: str) -> None:
    """In place of `_print_note` with --quiet."""


def _refuse_other_options(flag: str, *allowed: str) -> None:
    """Raises UsageError if an option was given that cannot be used together with `flag`."""
    context = click.get_current_context()
    given = [
        name for name in context.params
        if name not in (flag, *allowed)
        and context.get_parameter_source(name) is not ParameterSource.DEFAULT
    ]  # fmt: skip
    if given:
        options = {parameter.name: parameter.opts[-1] for parameter in context.command.params}
        raise click.UsageError(
            f"{options[given[0]]} does not go with {options[flag]}, which writes the rows of the "
            "input that could not be used"
        )


def _export_rejects(
    output: str, db: Path, where: str | None, say: Callable[[str], None], *, as_json: bool
) -> None:
    from sysgen_local.exporting import write_rejects

    with reading(db) as store:
        rows = write_rejects(store, output, where)
    say(f"{rows:,} rejected rows written to {output}")
    if as_json:
        from sysgen_local.cli import outputs

        written = outputs.File(path=output, rows=rows)
        outputs.print_json(outputs.Export(files=[written], card=None, notes=[]))
