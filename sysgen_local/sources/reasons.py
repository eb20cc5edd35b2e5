"""The reasons why a row cannot be used."""

from __future__ import annotations

REASONS = {
    "bad_json": "the line is not valid JSON",
    "bad_encoding": "the bytes are not UTF-8 text",
    "bad_row": "the row has another number of columns than the header",
    "not_an_object": "the row is no object with keys",
    "unknown_shape": "none of the known shapes fits its keys",
    "unknown_role": "a turn is by somebody unknown",
    "not_text": "something in it is no text: an image, a number, nothing at all",
    "no_instruction": "the user says nothing",
    "no_answer": "there is no answer",
    "cut_short": "the hub's viewer has cut a cell of it short",
    "has_system": "it comes with a system message (--existing-system skip)",
    "bad_order": "turns do not go from user to assistant and back",
}
"""Reason of a reject -> its explanation for the user."""


class UnusableError(Exception):
    """A row cannot be used. `reason` is a key of `REASONS`, `detail` says what is wrong in this
    row."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail
