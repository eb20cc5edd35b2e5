"""Hints for errors that name options and commands of the command line."""

from __future__ import annotations

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
