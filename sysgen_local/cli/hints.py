"""Hints for errors that name options and commands of the command line."""

from __future__ import annotations

import inspect
import re

import click

from sysgen_local.core import errors

_HINTS: tuple[tuple[type[errors.SysgenError], str], ...] = (
    (errors.MemoryShortError, "try fewer slots (--slots) or a smaller context (--context)"),
    (
        errors.ModelFileError,
        "`sysgen models check FILE` says more; a model newer than this llama.cpp needs a newer "
        "llama-cpp-python",
    ),
    (
        errors.DamagedModelError,
        "get the file anew (`sysgen models pull`), or take another quantisation",
    ),
    (
        errors.ModelTooLargeError,
        "take a smaller quantisation or a smaller model (`sysgen models list`)",
    ),
    (
        errors.ServerBusyError,
        "wait, or ask fewer at a time (--slots); the same command takes it up again",
    ),
    (
        errors.ServerSlowError,
        "is the model too slow for its --max-answer-tokens? The same command takes it up again",
    ),
)
"""Class of error -> hint. It is used for errors that have no hint of their own."""


def explained(error: errors.SysgenError) -> str:
    """The error as the command line prints it: one sentence, and the hint (if any) on the next
    line."""
    hint = error.hint or next((hint for kind, hint in _HINTS if isinstance(error, kind)), None)
    return f"{error.message}\n  -> {hint}" if hint else error.message


def example(command: click.Command) -> str | None:
    """The first example in the help of a command, on one line; None if it has none."""
    text = re.sub(r"\\\n\s*", "", inspect.cleandoc(command.help or ""))
    found = re.search(r"^Examples?:\s*(\S.*)$", text, re.M)
    return re.split(r"\s{2,}", found[1])[0] if found else None


def usage(error: click.UsageError) -> str:
    """The error of a command that cannot be called like this, in the form of `explained`. Where
    something is missing, the hint begins with an example."""
    path, message = "sysgen", error.format_message()
    shown = None
    if error.ctx is not None:
        path = error.ctx.command_path
        if type(error) in (click.UsageError, click.MissingParameter):
            shown = example(error.ctx.command)
        if isinstance(error, click.MissingParameter) and error.param is not None:
            names = error.param.opts if isinstance(error.param, click.Option) else []
            what = " or ".join(names) or error.param.make_metavar(error.ctx).rstrip(".")
            message = f"{what} is missing"
    hint = f"for example: {shown}\n  -> " if shown else ""
    if not message.endswith("..."):
        message = message.removesuffix(".")
    return f"{path}: {message}\n  -> {hint}`{path} --help` shows all options"
