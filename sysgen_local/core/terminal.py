"""Makes text safe for a terminal.

Row text, keys and file names are untrusted. A control character in them, which could begin an
escape sequence, is shown as `\\x1b`. A character that the terminal's encoding does not have is
shown as `\\u4e2d`."""

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
"""Name of the codec error handler of stdout and stderr."""

# Characters in this program's own output that ASCII lacks -> ASCII ones.
_LOOK_ALIKES = str.maketrans(
    {"·": "-", "…": "...", "▁": ".", "▂": ".", "▃": ":", "▄": "-", "▅": "=", "▆": "+", "▇": "*",
     "█": "#"}
)  # fmt: skip

# Control characters: C0 except tab and line end, delete, and C1, which has one-character escape
# sequences.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def prepare() -> None:
    """Installs the error handler, so that no character makes a write to stdout or stderr fail."""
    codecs.register_error(ERRORS, _instead)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # else it is closed, or a stream of a test
            stream.reconfigure(errors=ERRORS)


def shown(text: str) -> str:
    """The text with its control characters made visible. Tabs and line ends stay. A carriage return
    before a line end is removed."""
    return _CONTROLS.sub(_code, text.replace("\r\n", "\n")) if _CONTROLS.search(text) else text


def console(stream: IO[str] | None = None, *, stderr: bool = False, **more: Any) -> Console:
    """A rich console that makes control characters in all text visible. It writes to `stream`, else
    to stdout or stderr."""
    return _console_type()(file=stream, stderr=stderr, **more)


def json_text(what: object, *, indent: int | None = None) -> str:
    """JSON for stdout. Where the encoding of stdout is not a UTF, it is escaped to ASCII."""
    encoding = str(getattr(sys.stdout, "encoding", None) or "utf-8").lower()
    plain = not encoding.startswith("utf")
    text = json.dumps(what, ensure_ascii=plain, indent=indent)
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _instead(error: UnicodeError) -> tuple[str, int]:
    """The codec error handler: characters that cannot be encoded become JSON's escapes."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(_LOOK_ALIKES)
    units = text.encode("utf-16-be", "surrogatepass")
    pairs = (int.from_bytes(units[i : i + 2]) for i in range(0, len(units), 2))
    return "".join(chr(u) if u < 128 else f"\\u{u:04x}" for u in pairs), error.end


def _code(found: re.Match[str]) -> str:
    return f"\\x{ord(found[0]):02x}"


def _visible(text: Text) -> Text:
    """The text with visible control characters. The positions of its styles are adjusted, because
    the text gets longer."""
    from rich.text import Span

    places = [match.start() for match in _CONTROLS.finditer(text.plain)]
    if not places:
        return text
    before = [0]
    for match in _CONTROLS.finditer(text.plain):
        before.append(before[-1] + len(_code(match)) - 1)

    def moved(at: int) -> int:
        return at + before[bisect_left(places, at)]

    made = text.blank_copy(_CONTROLS.sub(_code, text.plain))
    made.spans = [Span(moved(start), moved(end), style) for start, end, style in text.spans]
    return made


def _console_type() -> type[Console]:
    from rich.console import Console
    from rich.text import Text

    class SafeConsole(Console):
        def render_str(self, text: str, **how: Any) -> Text:
            return _visible(super().render_str(text, **how))

        def render(self, renderable: Any, options: Any = None) -> Any:
            if isinstance(renderable, Text):
                renderable = _visible(renderable)
            return super().render(renderable, options)

    return SafeConsole
