"""One colour a functionality, wherever phrases are shown."""

from __future__ import annotations

from sysgen_local.core.records import Tag

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
"""In a terminal, as rich has it."""

HEX: dict[Tag, str] = {
    "role": "#0f80b8",
    "content": "#1d8b42",
    "task": "#a66d09",
    "action": "#cd37b4",
    "style": "#6969ea",
    "background": "#e23731",
    "tool": "#078877",
    "format": "#588518",
}
"""On a page: all of luminance 0.19, and so readable on white (4.4:1) and on black (4.8:1)."""


def colour(tag: str) -> str:
    """The colour's name as rich has it."""
    return next((c for t, c in COLOURS.items() if t == tag), "default")
