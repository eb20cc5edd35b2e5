"""`sysgen report`: one page that holds all it shows. It asks nothing of any network.

Everything that comes from a dataset goes in as text: through Jinja's escaping, or as JSON that the
page's script puts into text nodes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sysgen_local import __version__
from sysgen_local.records import TAGS, Row
from sysgen_local.report import plots
from sysgen_local.store import Choice, Store

SAMPLE = 400
"""Rows that can be looked through, at most: more would make the page slow to open."""

TEXT = 4000
"""Characters of one text that are shown, at most."""

_HERE = Path(__file__).parent


def page(store: Store, *, title: str, licences: Sequence[tuple[str, str, str]] = ()) -> str:
    """The whole page as HTML. `licences` is (of what, licence, what it asks)."""
    from jinja2 import Environment
    from markupsafe import Markup

    stats = store.stats()
    usable = stats["rows"]["input"] - stats["rows"]["rejected"]
    choice = Choice(limit=SAMPLE, seed=0 if usable > SAMPLE else None)
    rows = [_entry(row, store) for row in store.find(choice)]
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((_HERE / "page.html").read_text(encoding="utf-8"))
    drawn = {
        "Rows left after each phase": plots.funnel(stats),
        "Good phrases by tag, per dataset": plots.tags(store.tags_by_dataset()),
        "How sure the judge was": plots.verdicts(stats),
        "Length of new answers": plots.lengths(store.ratios()),
        "Speed": plots.pace(store.pace()),
    }
    return template.render(
        title=title,
        version=__version__,
        stats=stats,
        usable=usable,
        plots={name: Markup(svg) for name, svg in drawn.items()},
        licences=licences,
        tags=TAGS,
        shown=len(rows),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        rows=Markup(_json(rows)),
    )


def _json(value: object) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _entry(row: Row, store: Store) -> dict[str, Any]:
    """One row as the page's script takes it."""
    origin = store.origin(row.row)
    results = {"generate": row.generated, "filter": row.filtered, "verify": row.verified,
               "respond": row.responded}  # fmt: skip
    ended = next(((phase, r.dropped) for phase, r in results.items() if r and r.dropped), None)
    state = "dropped" if ended else "final" if row.responded else "pending"
    verdicts = row.verified.verdicts if row.verified else ()
    return {
        "row": row.row,
        "dataset": (origin.dataset or origin.path) if origin else "",
        "at": f"{origin.path}, line {origin.line}" if origin else "",
        "state": state,
        "why": " ".join(ended) if ended else "",
        "old_system": _cut(row.conversation.system or ""),
        "old": [[turn.role, _cut(turn.content)] for turn in row.conversation.turns],
        "new": [[t.role, _cut(t.content)] for t in row.responded.turns] if row.responded else [],
        "system": _cut((row.verified.system if row.verified else None) or ""),
        "phrases": [[v.tag, _cut(v.text), v.label, round(v.good, 3)] for v in verdicts],
        "removed": [
            [r.tag, _cut(r.text), r.reason] for r in (row.filtered.removed if row.filtered else ())
        ],
    }


def _cut(text: str) -> str:
    return text if len(text) <= TEXT else f"{text[:TEXT]}… ({len(text):,} characters)"
