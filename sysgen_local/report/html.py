"""Writes self-contained HTML pages: style, script and data are inside, and a policy blocks the
rest.

All text of a dataset is escaped by Jinja, or it is JSON that the page's script puts into text
nodes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from sysgen_local.report.colours import HEX

_HERE = Path(__file__).parent


def html(
    folder: Path,
    *,
    data: object,
    connect: str = "'none'",
    frames: str = "'none'",
    **values: Any,
) -> str:
    """The page.html of a folder, inside base.html, with its page.js and page.css.

    `data` is the JSON for the script. `connect` is the CSP source that the script may connect to,
    `frames` the one of what may be shown in a frame.
    """
    from jinja2 import Environment, FileSystemLoader
    from markupsafe import Markup

    loader = FileSystemLoader([folder, _HERE])
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    script = _text(_HERE / "rows.js") + _text(folder / "page.js")
    return environment.get_template("page.html").render(
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        style=Markup(_text(_HERE / "base.css") + _text(folder / "page.css")),
        colours=HEX,
        connect=Markup(connect),
        frames=Markup(frames),
        data=Markup(_json(data)),
        **values,
    )


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _json(value: object) -> str:
    """JSON that cannot end the script element around it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
