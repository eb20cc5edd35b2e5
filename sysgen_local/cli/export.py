"""`sysgen export` and `sysgen push`: write finished rows as a dataset, to files or to a hub."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from sysgen_local.cli import options as opt


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
        type=click.Choice(["messages", "sharegpt", "alpaca", "prompt-completion", "dpo"]),
        default="messages",
        show_default=True,
        help="messages (OpenAI, TRL, Axolotl), sharegpt, alpaca with a system column, TRL's "
        "prompt-completion, or dpo. In dpo the chosen answer is the new one. The rejected answer "
        "is one of the same row that failed the checks, or the original one if none failed.",
    ),
    click.option(
        "--variant",
        type=click.Choice(["full", "system-only", "common", "original"]),
        default="full",
        show_default=True,
        help="full: the new system message and the new answer; system-only: the new system message "
        "and the old answer; common: one common system message and the old answer; original: the "
        "rows without changes. Train on several of them to compare (the SysGen paper's ablation).",
    ),
    click.option(
        "--fold-system",
        is_flag=True,
        help="Put the system message before the first instruction. For models without a system "
        "role.",
    ),
    click.option(
        "--split",
        "splits",
        type=_Splits(),
        metavar="NAME=SHARE,...",
        help="Write several files, for example train=0.95,test=0.05. Rows with the same first "
        "instruction are in the same file.",
    ),
    opt.sources,
    opt.where,
    click.option(
        "--checks",
        is_flag=True,
        help="Add columns with the checks of the new answers: agrees, obeys, and checks, which is "
        "a list of {turn, kind, text, by, p, detail}. Only for messages and sharegpt.",
    ),
    click.option(
        "--reasoning",
        type=click.Choice(["keep", "drop"]),
        default="drop",
        show_default=True,
        help="keep: write the reasoning that stands before original answers and before tool calls, "
        "as reasoning_content, or as <think>...</think> in sharegpt and alpaca. New answers have "
        "no reasoning, so then only some turns have it.",
    ),
    click.option(
        "--min-p-good",
        type=click.FloatRange(0, 1),
        default=0.0,
        metavar="P",
        help="Write only rows whose phrases were all judged good with at least this probability.",
    ),
    click.option(
        "--origin",
        is_flag=True,
        help="Add columns with the origin of each row: source (its file), line, and row (its "
        "number in the store).",
    ),
    click.option(
        "--dedupe",
        is_flag=True,
        help="Leave out near-duplicates of earlier rows. Rows with different numbers or operators "
        "are not duplicates: x^2-4 is not x^2+4.",
    ),
    click.option(
        "--exclude",
        type=opt.PATH,
        multiple=True,
        metavar="FILE",
        help="Leave out rows that resemble a prompt in this benchmark file: lines of text, JSONL "
        "or JSON. Give the option several times for several files.",
    ),
    click.option(
        "--license-policy",
        type=click.Choice(["any", "permissive"]),
        default="any",
        show_default=True,
        help="permissive: write nothing if the licence of a row's source or model is not known, or "
        "asks for more than credit.",
    ),
]


@click.command()
@click.option(
    "-o",
    "--output",
    type=opt.OUTPUT,
    required=True,
    help="File to write: .jsonl or .parquet, or - for JSONL on standard output, without a card.",
)
@opt.options(EXPORTING)
@click.option("--card/--no-card", default=True, help="Write a dataset card next to the file.")
@click.option(
    "--rejects",
    is_flag=True,
    help="Write the rejected rows instead, that is, rows of the input that could not be used: "
    "file, line, reason, detail, and raw, the text of the row (at most 4,000 characters). --where "
    "then uses the columns source, line, dataset, license, reason, detail, raw.",
)
def export(output: Path, db: Path, card: bool, rejects: bool, **given: Any) -> None:
    """Write the finished rows and a dataset card to files.

    The rows are in the order of the input. Use it after a run, also several times with other
    options: the store is not changed. The card describes the data: the recipe, the counts of each
    phase, the checks and the licences. `sysgen push` uploads the same files to a hub.

    \b
    Examples:
      sysgen export -o train.parquet --db data.duckdb
      sysgen export -o data.jsonl --split train=0.95,test=0.05 --dedupe --exclude bench.jsonl
      sysgen export -o pairs.jsonl --format dpo
      sysgen export -o a.out.jsonl --source a.jsonl
      sysgen export -o best.jsonl --where "agrees and obeys > 0.8" --checks
      sysgen export -o gemma.jsonl --fold-system --where "turns = 1"
      sysgen export -o rejects.jsonl --rejects --where "reason = 'bad_json'"
    """
    from sysgen_local.exporting import STDOUT
    from sysgen_local.store import Store
    from sysgen_local.workflows.export import export as write

    if rejects:
        _refuse_other_options("rejects", "output", "db", "where")
        _export_rejects(output, db, given["where"])
        return
    with Store.open(db, create=False, read_only=True) as store:
        done = write(store, output, card=card, say=_print_note, **_options(**given))
    for file in done.files:
        to = "standard output" if file.path == STDOUT else file.path
        click.echo(f"{file.rows:,} rows written to {to}", err=True)
    if done.card_path:
        click.echo(f"its card: {done.card_path}", err=True)


@click.command()
@click.argument("repo", metavar="OWNER/NAME")
@opt.options(EXPORTING)
@click.option(
    "--upload", is_flag=True, help="Upload. Without this option, only print what would be uploaded."
)
@click.option("--public", is_flag=True, help="Make a new repository public.  [default: private]")
def push(repo: str, db: Path, upload: bool, public: bool, **given: Any) -> None:
    """Upload the finished rows to a Hugging Face hub, as a dataset with a card.

    Without --upload it only prints what it would upload. Log in first, with `hf auth login`.

    \b
    Examples:
      sysgen push me/my-data
      sysgen push me/my-data --split train=0.95,test=0.05 --license-policy permissive --upload
    """
    from sysgen_local.exporting import hub
    from sysgen_local.store import Store
    from sysgen_local.workflows.export import export as write

    hub.check_repo(repo)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "data.parquet")
        with Store.open(db, create=False, read_only=True) as store:
            name = repo.split("/")[-1]
            done = write(store, output, card=False, name=name, say=_print_note, **_options(**given))
        Path(folder, "README.md").write_text(done.card, encoding="utf-8")
        for file in sorted(Path(folder).iterdir()):
            rows = next((f", {part.rows:,} rows" for part in done.files if part.path == file), "")
            click.echo(f"{file.name}: {file.stat().st_size:,} bytes{rows}", err=True)
        if not upload:
            click.echo(f"would go to the dataset {repo}; --upload does it", err=True)
            return
        click.echo(f"uploaded: {hub.upload(repo, Path(folder), private=not public)}", err=True)


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


def _export_rejects(output: Path, db: Path, where: str | None) -> None:
    from sysgen_local.exporting import write_rejects
    from sysgen_local.store import Store

    with Store.open(db, create=False, read_only=True) as store:
        rows = write_rejects(store, output, where)
    click.echo(f"{rows:,} rejected rows written to {output}", err=True)
