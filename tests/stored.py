"""Results of every phase, and a store to put them into: what its tests share."""

from __future__ import annotations

from pathlib import Path

import duckdb
from places import DATA

from sysgen_local.core.records import (
    Attempt,
    Check,
    Checked,
    Conversation,
    Cost,
    Filtered,
    Generated,
    Phase,
    Phrase,
    Removed,
    Responded,
    Result,
    Source,
    Turn,
    Verdict,
    Verified,
)
from sysgen_local.store import Counts, Store

NASTY = (
    "nul \x00 quote ' \" back\\slash\r\n\ttab é 中文 😀 \u2028 \ufeff <|im_start|> {{x}} $1 -- ;"
)
SOURCE = Source("data.jsonl", "/data.jsonl", "f")
COST = Cost(7, 11, 0.25, 5)

RESULTS: dict[Phase, Result] = {
    "generate": Generated((Phrase("role", NASTY), Phrase("Example", "x")), None, NASTY, COST),
    "filter": Filtered((Phrase("role", NASTY),), (Removed("Example", NASTY, "unknown tag"),)),
    "verify": Verified((Verdict("role", NASTY, "good", 0.1 + 0.2, 1 / 3, 0.0),), NASTY, None, COST),
    "respond": Responded((Turn("user", NASTY), Turn("assistant", NASTY)), None, COST),
    "check": Checked(
        (Turn("user", NASTY), Turn("assistant", NASTY + "better")),
        (
            Check(1, "result", NASTY, "rule", 1.0, NASTY),
            Check(1, "follows", "", "model", 1 / 3, ""),
        ),
        (
            Attempt(1, NASTY, True, None, None, "looping"),
            Attempt(2, "", False, 0.1 + 0.2, None, "disagrees"),
            Attempt(2, NASTY, False, None, 1 / 3, ""),
        ),
        True, 2 / 3, 4, None, COST,
    ),
}  # fmt: skip
EMPTY: dict[Phase, Result] = {
    "generate": Generated(dropped="no phrases"),
    "filter": Filtered(dropped="no phrases left"),
    "verify": Verified(dropped="nothing good"),
    "respond": Responded(dropped="no end"),
    "check": Checked(dropped="disagrees"),
}


def fill(store: Store, n: int) -> None:
    turns = (Turn("user", "q"), Turn("assistant", "a"))
    store.ingest(SOURCE, [Conversation(turns, line) for line in range(1, n + 1)])


def due(store: Store, phase: Phase) -> list[int]:
    return [row.row for row in store.due(phase, page=2)]


def adds_up(counts: Counts) -> bool:
    rows = counts.rows()
    return rows["input"] == rows["final"] + rows["dropped"] + rows["rejected"] + rows["pending"]


def old_store(path: Path) -> Path:
    """Makes a store as a version before the checks made it, with three rows. Returns its path."""
    with duckdb.connect(path) as con:
        con.execute((DATA / "stores" / "schema_4.sql").read_text())
    return path
