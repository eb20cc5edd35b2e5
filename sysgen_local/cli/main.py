"""`sysgen`: how errors and signals leave it. The commands are imported when signals are minded.

Exit codes: 0 done, 1 failed, 2 wrong usage or input, 130 interrupted (can be taken up again).
"""

from __future__ import annotations

import signal
import sys
from types import FrameType

from sysgen_local.running import interrupts


class _Stopped(BaseException):
    """Ctrl-C or SIGTERM. Not KeyboardInterrupt: after one of those, raised while a module is
    being imported, Python ends with a signal's exit code whatever is caught."""


def _unraised(of: sys.UnraisableHookArgs) -> None:
    """Python drops what a signal raises while llama.cpp calls it back: then nothing would end."""
    if issubclass(of.exc_type, _Stopped):
        interrupts.leave()
    sys.__unraisablehook__(of)


def main() -> None:
    """Entry point: errors in one clear sentence, never a traceback for bad input."""
    sys.unraisablehook = _unraised
    stopped = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        if stopped:  # a second one leaves at once, whatever the first is putting in order
            interrupts.leave()
        stopped = True
        raise _Stopped

    for number in interrupts.SIGNALS:
        signal.signal(number, stop)
    interrupts.watch()
    try:
        import click

        from sysgen_local.core import terminal

        terminal.prepare()
        from sysgen_local.cli.commands import cli
        from sysgen_local.cli.hints import explained
        from sysgen_local.core.errors import SysgenError

        code = cli.main(standalone_mode=False)
        _over()
    except BaseException as error:
        if not stopped:
            _over()
        # A library that was interrupted may raise something of its own: `stopped` knows.
        if stopped or isinstance(error, (click.Abort, KeyboardInterrupt)):
            interrupts.say()
            sys.exit(interrupts.EXIT)
        if isinstance(error, click.ClickException):
            error.show()
            sys.exit(error.exit_code)
        if isinstance(error, SysgenError):
            click.echo(terminal.shown(f"sysgen: {explained(error)}"), err=True)
            sys.exit(error.exit_code)
        raise
    sys.exit(code if isinstance(code, int) else 0)


def _over() -> None:
    """All is done: from here on the exit code says how it ended, whatever signal comes."""
    for number in interrupts.SIGNALS:
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    main()
