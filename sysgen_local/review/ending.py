"""The end of a review: what was decided, and the commands that come next."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from sysgen_local.core.counted import counted


@dataclass(frozen=True, slots=True)
class Ending:
    """Counts of the rows of a review. `skipped` rows were shown and have no decision, `left` ones
    were not shown. `edited` are those with an edit that holds. `stale`: rows of the whole store
    whose answers were written for another system message than they have now."""

    accepted: int
    rejected: int
    edited: int
    skipped: int
    left: int
    stale: int

    def commands(self, db: Path) -> list[tuple[str, str]]:
        """(purpose, command) of what comes next, for this store."""

        def sysgen(command: str, *more: str) -> str:
            return shlex.join(["sysgen", command, "--db", str(db), *more])

        found = []
        if rows := self.skipped + self.left:
            found.append(
                (f"Review the {counted(rows, 'row')} without a decision", sysgen("review"))
            )
        if self.stale:
            purpose = (
                f"Write new answers for {counted(self.stale, 'row')} with an edited system message"
            )
            found.append((purpose, sysgen("respond", "--edited")))
        found.append(
            ("Write the training file, without the declined rows",
             sysgen("export", "-o", f"{db.stem}.jsonl"))
        )  # fmt: skip
        found.append(
            ("Write the decisions to a file, for another copy of these rows",
             sysgen("review", "--export", f"{db.stem}.decisions.jsonl"))
        )  # fmt: skip
        return found
