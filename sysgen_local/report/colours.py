"""One colour a functionality, wherever phrases are shown in a terminal."""

from __future__ import annotations

from sysgen_local.records import Tag

COLOURS: dict[Tag, str] = {
    "role": "cyan",
    "content": "green",
    "task": "yellow",
    "action": "magenta",
    "style": "bright_blue",
    "background": "bright_red",
    "tool": "bright_cyan",
    "format": "bright_green",
}


def colour(tag: str) -> str:
    """The colour's name as rich has it."""
    return next((c for t, c in COLOURS.items() if t == tag), "default")
