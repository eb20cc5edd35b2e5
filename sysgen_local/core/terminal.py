"""What reaches a terminal: text that it can show, and nothing that it would obey.

Row text, keys and file names come from strangers: a control character in them, as of an escape
sequence, is shown as `\\x1b`. What the terminal's encoding has no place for is shown as `\\u4e2d`.
"""

from __future__ import annotations

import codecs
import json
import re
import sys
from bisect import bisect_left
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

ERRORS = "sysgen-shown"
"""Error handler of stdout and stderr."""

# The few marks of our own that ASCII lacks.
_LOOK_ALIKES = str.maketrans(
    {"·": "-", "…": "...", "▁": ".", "▂": ".", "▃": ":", "▄": "-", "▅": "=", "▆": "+", "▇": "*",
     "█": "#"}
)  # fmt: skip

# C0 without tab and line end, delete, and C1, where an escape sequence is one character.
_COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def prepare() -> None:
    """From here on no character makes writing to stdout or stderr fail."""
    codecs.register_error(ERRORS, _instead)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # else it is closed, or a test's own
            stream.reconfigure(errors=ERRORS)


def shown(text: str) -> str:
    """The text with everything in it that a terminal would obey made visible. Tabs and line ends
    stay; so does a carriage return before a line end, which is left out."""
    return _COMMANDS.sub(_code, text.replace("\r\n", "\n")) if _COMMANDS.search(text) else text


def console(stream: IO[str] | None = None, *, stderr: bool = False, **more: Any) -> Console:
    """A console of rich's that shows text and never lets the terminal obey it. Writes to `stream`,
    else to stdout or stderr."""
    return _console_type()(file=stream, stderr=stderr, **more)


def json_text(what: object, *, indent: int | None = None) -> str:
    """JSON for stdout that says the same in whatever encoding that has."""
    encoding = str(getattr(sys.stdout, "encoding", None) or "utf-8").lower()
    plain = not encoding.startswith("utf")
    text = json.dumps(what, ensure_ascii=plain, indent=indent)
    return _COMMANDS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _instead(error: UnicodeError) -> tuple[str, int]:
    """What is written in place of characters that cannot be: as JSON would escape them."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(_LOOK_ALIKES)
    units = text.encode("utf-16-be", "surrogatepass")
    pairs = (int.from_bytes(units[i : i + 2]) for i in range(0, len(units), 2))
    return "".join(chr(u) if u < 128 else f"\\u{u:04x}" for u in pairs), error.end


def _code(found: re.Match[str]) -> str:
    return f"\\x{ord(found[0]):02x}"


def _visible(text: Text) -> Text:
    """The same with its styles, which move with the characters that take more room now."""
    from rich.text import Span

    places = [match.start() for match in _COMMANDS.finditer(text.plain)]
    if not places:
        return text
    before = [0]
    for match in _COMMANDS.finditer(text.plain):
        before.append(before[-1] + len(_code(match)) - 1)

    def moved(at: int) -> int:
        return at + before[bisect_left(places, at)]

    made = text.blank_copy(_COMMANDS.sub(_code, text.plain))
    made.spans = [Span(moved(start), moved(end), style) for start, end, style in text.spans]
    return made


def _console_type() -> type[Console]:
    from rich.console import Console
    from rich.text import Text

    class Shown(Console):
        def render_str(self, text: str, **how: Any) -> Text:
            return _visible(super().render_str(text, **how))

        def render(self, renderable: Any, options: Any = None) -> Any:
            if isinstance(renderable, Text):
                renderable = _visible(renderable)
            return super().render(renderable, options)

    return Shown
