"""The runs to measure: the command `sysgen run` in this process."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sysgen_local.core.errors import SysgenError


class InterruptedRunError(SysgenError):
    """Ctrl-C was pressed. A stopped run is not measured."""

    exit_code = 130


@dataclass(frozen=True, slots=True)
class Command:
    """The arguments of `sysgen run`. `extra` are further options, passed unchanged."""

    model: str
    prompts: str | None = None
    limit: int | None = None
    extra: tuple[str, ...] = ()

    def over(self, rows: Sequence[Path], db: Path, seed: int) -> float:
        """Does all phases. Returns the seconds, including loading the model."""
        limit = [] if self.limit is None else ["--limit", str(self.limit)]
        started = time.perf_counter()
        self._run(*map(str, rows), "--db", str(db), "--seed", str(seed), *limit)
        return time.perf_counter() - started

    def verify(self, db: Path) -> None:
        """Does phase 3 for the phrases in this store."""
        self._run("--db", str(db), "--phase", "verify")

    def _run(self, *words: str) -> None:
        from sysgen_local.cli.commands import cli

        prompts = [] if self.prompts is None else ["--prompts", self.prompts]
        command = ["run", *words, "--model", self.model, *prompts, *self.extra]
        code = cli.main(command, prog_name="sysgen", standalone_mode=False)
        if code == 130:
            raise InterruptedRunError("interrupted: nothing was measured")
        if code:
            raise SysgenError(f"sysgen run ended with {code}")
