"""`--redo PHASE`: which results are deleted, and for which phases the given options count.

A phase reads what the phase before it wrote, so all later phases are done again with it. What a
person decided is not deleted (`store/reviews.py`).
"""

from __future__ import annotations

from collections.abc import Callable

from sysgen_local.core.errors import SysgenError
from sysgen_local.core.records import Phase, phases_from
from sysgen_local.core.settings import Settings
from sysgen_local.store import Losses, Store
from sysgen_local.workflows.recipe import stored_recipes


class DeclinedError(SysgenError):
    """Whoever was asked did not want the redo: nothing was deleted."""


def confirm_losses(store: Store, redo: Phase, confirm: Callable[[Losses], bool]) -> None:
    """Asks `confirm` where results would be deleted. Raises DeclinedError where it says no."""
    losses = store.losses(redo)
    if losses and not confirm(losses):
        raise DeclinedError("nothing was deleted")


class RecipeInputs:
    """What each phase was made with according to the store, and which given options apply to it."""

    def __init__(self, settings: Settings, store: Store, redo: Phase | None) -> None:
        self._settings = settings
        self._facts = {phase: dict(of.facts) for phase, of in stored_recipes(store).items()}
        self._done = {phase: of.done for phase, of in store.counts().phases.items()}
        self._redo = redo

    def given(self, phase: Phase) -> Settings:
        """The given options if they apply to this phase, else none. They apply to phases that
        `redo` does again and to phases without results; other results stay as they are."""
        return self._settings if self.concerns(phase) else Settings()

    def concerns(self, phase: Phase) -> bool:
        """Whether the given options apply to this phase."""
        return self._redo is None or phase in phases_from(self._redo) or not self._done.get(phase)

    def stays(self, phase: Phase) -> bool:
        """Whether the phase has results that this run does not delete."""
        return bool(self._done.get(phase)) and phase not in phases_from(self._redo)

    def facts(self, *phases: Phase) -> dict[str, str]:
        """The recipe facts of the first of these phases that has a recipe of its own."""
        made = (self._facts[phase] for phase in phases if phase in self._facts)
        return next((facts for facts in made if "imported" not in facts), {})
