"""`sysgen`: the command group, and how errors leave it.

Exit codes: 0 done, 1 failed, 2 wrong usage or input, 130 interrupted (can be taken up again).
"""

from __future__ import annotations

import signal
import sys
from types import FrameType

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
)
from sysgen_local.errors import SysgenError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="sysgen")
def cli() -> None:
    """Give every row of an SFT dataset a fitting system message and an answer that obeys it.

    A model on your own machine writes a system message for each row as phrases under eight
    functionality tags; the phrases are filtered, each is judged, and the row is answered anew
    under what is left. Everything is kept in one DuckDB file, so a run can be stopped, looked
    into, and taken up again.

    \b
    Begin with:
      sysgen run rows.jsonl -o out.jsonl       the whole job, with the built-in model
      sysgen models list                       models worth using, and which are here
      sysgen run rows.jsonl --model NAME -o out.jsonl
    """


for command in (
    run.run,
    run.generate,
    run.filter_,
    run.verify,
    run.respond,
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


class _Stopped(BaseException):
    """Ctrl-C or SIGTERM. Not KeyboardInterrupt: after one of those, raised while a module is
    being imported, Python ends with a signal's exit code whatever is caught."""


def main() -> None:
    """Entry point: errors in one clear sentence, never a traceback for bad input."""
    stopped = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True
        raise _Stopped

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    try:
        code = cli.main(standalone_mode=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # all is done: the exit code says so
    except BaseException as error:
        # A library that was interrupted may raise something of its own: `stopped` knows.
        if stopped or isinstance(error, (click.Abort, KeyboardInterrupt)):
            click.echo("\ninterrupted; the same command takes it up again", err=True)
            sys.exit(130)
        if isinstance(error, click.ClickException):
            error.show()
            sys.exit(error.exit_code)
        if isinstance(error, SysgenError):
            click.echo(f"sysgen: {error}", err=True)
            sys.exit(error.exit_code)
        raise
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
