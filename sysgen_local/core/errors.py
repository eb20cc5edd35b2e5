"""What users are told: one sentence that says what is wrong and where, and what to do next.

The command line prints these without a traceback and leaves with `exit_code`.
"""

from __future__ import annotations


class SysgenError(Exception):
    """Something failed that the user can understand (exit code 1)."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  -> {self.hint}" if self.hint else self.message


class UsageError(SysgenError):
    """Wrong usage or unusable input: nothing was started (exit code 2)."""

    exit_code = 2


class RecipeError(UsageError):
    """The store was made with another model, prompt set, sampling or grammar."""


class MemoryShortError(SysgenError):
    """What was asked for needs more memory than there is: fewer slots or a smaller context may
    do."""


class ModelFileError(UsageError):
    """llama.cpp cannot load this file."""


class DamagedModelError(SysgenError):
    """The weights of a model file are damaged."""


class ModelTooLargeError(SysgenError):
    """The weights alone need more memory than is free."""


class ServerBusyError(SysgenError):
    """A server lets through no more requests for now."""


class ServerSlowError(SysgenError):
    """A server did not answer in time."""
