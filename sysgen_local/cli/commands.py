"""`sysgen`: the command group."""

from __future__ import annotations

import click

from sysgen_local import __version__
from sysgen_local.cli import (
    bench,
    doctor,
    evaluate,
    export,
    judge,
    look,
    models,
    report,
    review,
    run,
    study,
    try_,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="sysgen")
def cli() -> None:
    """Give every row of an SFT dataset a fitting system message and an answer that obeys it.

    A model on your own machine writes a system message for each row as phrases under eight
    functionality tags; the phrases are filtered, each is judged, the row is answered anew under
    what is left, and every new answer is checked: does it keep what the original one had right,
    does it do as it is told. Everything is kept in one DuckDB file, so a run can be stopped,
    looked into, and taken up again.

    \b
    Begin with:
      sysgen run rows.jsonl -o out.jsonl       the whole job, with the built-in model
      sysgen models list                       models worth using, and which are here
      sysgen run rows.jsonl --model NAME -o out.jsonl
    """


for command in (
    run.run,
    try_.try_,
    run.generate,
    run.filter_,
    run.verify,
    run.respond,
    run.check,
    run.import_tags,
    look.status,
    look.stats,
    look.show,
    report.report,
    review.review,
    judge.compare,
    judge.judge,
    export.export,
    export.push,
    models.models,
    evaluate.evaluate,
    study.study,
    doctor.doctor,
    bench.bench,
):
    cli.add_command(command)
