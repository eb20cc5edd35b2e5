"""A progress bar by tqdm, for notebooks and scripts."""

from __future__ import annotations

from typing import Any

from sysgen_local.running.progress import Progress
from sysgen_local.running.updates import Update


class Bar:
    """A view: rows that came to their end, of all that can be used. tqdm draws a widget in a
    notebook, and nothing where standard error is no terminal."""

    every = 0.5

    def __init__(self) -> None:
        self._bar: Any = None

    def show(self, progress: Progress) -> None:
        from tqdm import auto

        if self._bar is None:
            make: Any = auto.tqdm  # not typed
            self._bar = make(total=progress.rows, unit="row", disable=None)
        update = Update.of(progress)
        self._bar.set_postfix({"final": update.final, "dropped": update.dropped}, refresh=False)
        self._bar.update(update.final + update.dropped - self._bar.n)

    def close(self, progress: Progress) -> None:
        self.show(progress)
        self._bar.close()
