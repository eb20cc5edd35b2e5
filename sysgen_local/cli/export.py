"""`sysgen export` and `sysgen push`: finished rows as a dataset, on this machine or on a hub."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from sysgen_local.cli import options as opt

if TYPE_CHECKING:
    pass


class _Splits(click.ParamType[dict[str, float]]):
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
        "prompt-completion, or dpo: the new answer chosen, and rejected one of the same row that "
        "failed the checks, or the original one where none did.",
    ),
    click.option(
        "--variant",
        type=click.Choice(["full", "system-only", "common", "original"]),
        default="full",
        show_default=True,
        help="full; the new system message with the old answer; one common system message with "
        "the old answer; or the rows as they came (the paper's ablation).",
    ),
    click.option(
        "--fold-system",
        is_flag=True,
        help="The system message before the first instruction, for models without a system role.",
    ),
    click.option(
        "--split",
        "splits",
        type=_Splits(),
        metavar="NAME=SHARE,...",
        help="Several files, as train=0.95,test=0.05; the same question is always in the same one.",
    ),
    opt.sources,
    opt.where,
    click.option(
        "--checks",
        is_flag=True,
        help="Columns that say what was checked of the new answers: agrees, obeys, and checks, a "
        "list of {turn, kind, text, by, p, detail}. For messages and sharegpt.",
    ),
    click.option(
        "--reasoning",
        type=click.Choice(["keep", "drop"]),
        default="drop",
        show_default=True,
        help="keep: the thoughts before original answers and before calls of tools, as "
        "reasoning_content, or as <think>...</think> in sharegpt and alpaca. New answers have "
        "none: only some turns would have thoughts.",
    ),
    click.option(
        "--min-p-good",
        type=click.FloatRange(0, 1),
        default=0.0,
        metavar="P",
        help="Only rows all of whose phrases were judged good with at least this probability.",
    ),
    click.option(
        "--origin",
        is_flag=True,
        help="Columns that say where each row came from: source (its file), line, and row, its "
        "number in the store.",
    ),
    click.option(
        "--dedupe",
        is_flag=True,
        help="Leave out near-duplicates of earlier rows. Other numbers or operators are no "
        "duplicates: x^2-4 is not x^2+4.",
    ),
    click.option(
        "--exclude",
        type=opt.PATH,
        multiple=True,
        metavar="FILE",
        help="Leave out rows that resemble a benchmark's prompts: lines, JSONL or JSON.",
    ),
    click.option(
        "--license-policy",
        type=click.Choice(["any", "permissive"]),
        default="any",
        show_default=True,
        help="permissive: refuse to write rows whose source or model asks for more than credit.",
    ),
]


@click.command()
@click.option(
    "-o",
    "--output",
    type=opt.OUTPUT,
    required=True,
    help="Where to: .jsonl or .parquet, or - for JSONL on standard output, without a card.",
)
@opt.options(EXPORTING)
@click.option("--card/--no-card", default=True, help="Write a dataset card beside it.")
@click.option(
    "--rejects",
    is_flag=True,
    help="Instead, the rows of the input that could not be used: file, line, reason, detail, and "
    "raw, their own text (at most 4,000 characters). --where is over source, line, dataset, "
    "license, reason, detail, raw then.",
)
def export(output: Path, db: Path, card: bool, rejects: bool, **given: Any) -> None:
    """Write the finished rows, in the order of the input, and a card that says what they are.

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
        _alone("rejects", "output", "db", "where")
        _export_rejects(output, db, given["where"])
        return
    with Store.open(db, create=False, read_only=True) as store:
        done = write(store, output, card=card, say=_say, **_options(**given))
    for of in done.files:
        to = "standard output" if of.path == STDOUT else of.path
        click.echo(f"{of.rows:,} rows written to {to}", err=True)
    if done.card_path:
        click.echo(f"its card: {done.card_path}", err=True)


@click.command()
@click.argument("repo", metavar="OWNER/NAME")
@opt.options(EXPORTING)
@click.option("--upload", is_flag=True, help="Do it; without this, only say what would be done.")
@click.option("--public", is_flag=True, help="A new repository is public.  [default: private]")
def push(repo: str, db: Path, upload: bool, public: bool, **given: Any) -> None:
    """Put the finished rows and their card on a Hugging Face hub, as a dataset.

    Says only what it would do unless --upload is given. `hf auth login` before.

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
            done = write(store, output, card=False, name=name, say=_say, **_options(**given))
        Path(folder, "README.md").write_text(done.card, encoding="utf-8")
        for file in sorted(Path(folder).iterdir()):
            rows = next((f", {of.rows:,} rows" for of in done.files if of.path == file), "")
            click.echo(f"{file.name}: {file.stat().st_size:,} bytes{rows}", err=True)
        if not upload:
            click.echo(f"would go to the dataset {repo}; --upload does it", err=True)
            return
        click.echo(f"uploaded: {hub.upload(repo, Path(folder), private=not public)}", err=True)


def _options(*, form: Any, license_policy: str, reasoning: str, **same: Any) -> dict[str, Any]:
    """The options of the command line as those of the workflow."""
    return {
        "format": form,
        "reasoning": reasoning == "keep",
        "permissive_only": license_policy == "permissive",
        **same,
    }


def _say(line: str) -> None:
    click.echo(line, err=True)


def _alone(flag: str, *others: str) -> None:
    """Raises UsageError where an option is given that does not go with this one."""
    context = click.get_current_context()
    given = [
        name for name in context.params
        if name not in (flag, *others)
        and context.get_parameter_source(name) is not ParameterSource.DEFAULT
    ]  # fmt: skip
    if given:
        spelled = {of.name: of.opts[-1] for of in context.command.params}
        raise click.UsageError(
            f"{spelled[given[0]]} does not go with {spelled[flag]}, which writes the rows of the "
            "input that could not be used"
        )


def _export_rejects(output: Path, db: Path, where: str | None) -> None:
    from sysgen_local.exporting import write_rejects
    from sysgen_local.store import Store

    with Store.open(db, create=False, read_only=True) as store:
        rows = write_rejects(store, output, where)
    click.echo(f"{rows:,} rejected rows written to {output}", err=True)
