"""The colour of each functionality, wherever phrases are shown."""

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
"""In a terminal: names of colours in rich."""

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
"""On a page. All have a luminance of 0.19, so the contrast is 4.4:1 on white and 4.8:1 on black."""


def colour(tag: str) -> str:
    """The name of the tag's colour in rich."""
    return next((c for t, c in COLOURS.items() if t == tag), "default")
