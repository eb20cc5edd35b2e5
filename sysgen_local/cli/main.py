"""The entry point of `sysgen`: handles signals and errors, and sets the exit code.

Exit codes: 0 done, 1 failed, 2 wrong usage or input, 130 interrupted (the same command continues).

The commands are imported inside `main`, after the signal handlers are set. So a signal during the
imports is handled as well.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType

from sysgen_local.running import interrupts


class _Stopped(BaseException):
    """Raised by the first Ctrl-C or SIGTERM. It is not a KeyboardInterrupt: if that is raised while
    a module is being imported, Python exits with a signal's exit code even if it is caught."""


def _on_unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    """Ends the process if Python drops a `_Stopped`. Python does so if the signal comes inside a
    Python function that llama.cpp calls. Without this hook the signal would have no effect."""
    if issubclass(unraisable.exc_type, _Stopped):
        interrupts.leave()
    sys.__unraisablehook__(unraisable)


def main() -> None:
    """Runs the command line and exits. An error of the input or the usage is printed as one
    sentence, without a traceback."""
    sys.unraisablehook = _on_unraisable
    stopped = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        if stopped:  # a second signal ends the process, even while the first one is handled
            interrupts.leave()
        stopped = True
        raise _Stopped

    for number in interrupts.SIGNALS:
        signal.signal(number, stop)
    interrupts.watch()
    try:
        interrupts.let_through()
        import click

        from sysgen_local.core import terminal

        terminal.prepare()
        from sysgen_local.cli.commands import cli
        from sysgen_local.cli.hints import explained, usage
        from sysgen_local.core.errors import SysgenError

        code = cli.main(standalone_mode=False)
        _ignore_signals()
    except BaseException as error:
        if not stopped:
            _ignore_signals()
        # An interrupted library can raise an error of its own. So `stopped` is checked first.
        if stopped or isinstance(error, (click.Abort, KeyboardInterrupt)):
            interrupts.say()
            sys.exit(interrupts.EXIT)
        if isinstance(error, click.UsageError) and not isinstance(
            error, click.exceptions.NoArgsIsHelpError
        ):
            click.echo(terminal.shown(usage(error)), err=True)
            sys.exit(error.exit_code)
        if isinstance(error, click.ClickException):
            error.show()
            sys.exit(error.exit_code)
        if isinstance(error, SysgenError):
            click.echo(terminal.shown(f"sysgen: {explained(error)}"), err=True)
            sys.exit(error.exit_code)
        raise
    sys.exit(code if isinstance(code, int) else 0)


def _ignore_signals() -> None:
    """Ignores signals from now on: the command has ended, and a signal must not change its exit
    code."""
    for number in interrupts.SIGNALS:
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    main()
