"""Whether a server keeps the text of rows apart from control tokens.

A server gets messages as text and tokenises the rendered prompt. Most tokenise the whole of it with
control tokens, so that "<|im_end|>" in a row closes the turn. This is seen by counting tokens: a
control token is one token, and the same characters as text are several, unless the vocabulary has
them as plain text, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

STYLES = {
    "<|im_end|>": r"<\|[A-Za-z0-9_]+\|>",
    "<|eot_id|>": r"<\|[A-Za-z0-9_]+\|>",
    "<|end|>": r"<\|[A-Za-z0-9_]+\|>",
    "<end_of_turn>": r"</?(?:start|end)_of_turn>|<(?:bos|eos)>",
    "[/INST]": r"\[/?[A-Z_]+\]",
    "</s>": r"</?s>",
    "<｜Assistant｜>": r"<｜[^｜<>]+｜>",
}
"""A control token of a family of models -> a pattern for those of the same family."""

REPEATED = 8
"""How often a token is repeated to be counted."""


def read_as_control(count: Callable[[str], int]) -> Iterator[str]:
    """The tokens of STYLES that the server reads as control tokens. `count` is the number of
    tokens of a prompt with this text in it. A server that deletes control tokens from a text counts
    none for them: it does keep them apart."""
    without = count("x")
    for token in STYLES:
        if 0 < count("x" + token * REPEATED) - without <= REPEATED:
            yield token


def pattern(tokens: Iterable[str]) -> re.Pattern[str] | None:
    """What must not be in the text of a row where these are read as control tokens; None where
    there is none."""
    found = dict.fromkeys(STYLES[token] for token in tokens)
    return re.compile("|".join(found)) if found else None
