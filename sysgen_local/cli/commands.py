"""`sysgen`: the group of all commands."""

from __future__ import annotations

import click

from sysgen_local import __version__
from sysgen_local.cli import (
    bench,
    completion,
    context,
    desk,
    doctor,
    evaluate,
    export,
    judge,
    look,
    merge,
    models,
    report,
    review,
    run,
    study,
    testset,
    train,
    try_,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="sysgen")
def cli() -> None:
    """Give every row of an SFT dataset a fitting system message and an answer that obeys it.

    A model on your own machine does the work in five phases. It writes phrases for a system
    message, each under one of eight functionality tags (generate). Rules remove bad phrases
    (filter). The model judges each phrase (verify). It writes a new answer under the system message
    that the good phrases make up (respond). Every new answer is checked: it must agree with the
    original answer and follow the system message (check).

    One DuckDB file (--db) holds the rows and the results of all phases. You can stop a run at any
    time, look at its results, and continue it with the same command.

    \b
    Begin with:
      sysgen run rows.jsonl -o out.jsonl    the whole job, with the built-in model
      sysgen models list                    models worth using
      sysgen try rows.jsonl --model NAME    a few rows, before a long run
      sysgen run rows.jsonl --model NAME -o out.jsonl
      sysgen stats                          what came out
      sysgen COMMAND --help                 options and examples of a command
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
    merge.merge,
    look.status,
    look.stats,
    look.show,
    report.report,
    review.review,
    desk.desk,
    judge.compare,
    judge.judge,
    export.export,
    export.push,
    testset.testset,
    models.models,
    evaluate.evaluate,
    study.study,
    train.train,
    doctor.doctor,
    bench.bench,
    completion.completion,
    context.context,
):
    cli.add_command(command)
