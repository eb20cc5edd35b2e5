"""Rows that have no room in the slots are tried again in larger ones, as far as there is memory."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from scripted import ScriptedEngine, plain, run_scripted

from sysgen_local.core.records import PHASES, Conversation, Source, Turn
from sysgen_local.core.settings import Settings
from sysgen_local.engine.options import Options
from sysgen_local.engine.request import Completion, Request
from sysgen_local.running import executor
from sysgen_local.store import Store
from sysgen_local.workflows.plan import BESIDE_THE_ROW, plan, progress_of, run
from sysgen_local.workflows.recipe import planned_recipes

pytestmark = pytest.mark.model  # the template of the model is looked at, in a process of its own


@dataclass
class Machine:
    """Gives slots of 1000 tokens, or as many as they have to hold, up to what it has."""

    most: int
    opened: list[int]
    left: list[int | None] = field(default_factory=list)

    def __call__(self, model, options, announce):
        assert options.no_room
        # Rows of 28 bytes, with all that a row may need beside its text.
        needed = 768 // 3 + BESIDE_THE_ROW
        longer = not self.opened or self.opened[-1] < needed
        assert [tokens for tokens, _ in options.lengths] == [needed] * longer
        self.left.append(options.late_rows)
        room = min(options.least or 1000, self.most)
        self.opened.append(room)

        def answer(request: Request) -> Completion:
            needed = 3000 if request.id == "2:respond:0" else 500
            return plain(request) if needed <= room else Completion(request.id, "", "no_room")

        return ScriptedEngine(answer, description=f"{room} tokens", slot_tokens=room)


@pytest.mark.parametrize(
    ("most", "rooms", "final"), [(8000, [1000, 2000, 4000], 3), (2500, [1000, 2000, 2500, 2500], 2)]
)
def test_a_rows_fate_does_not_depend_on_the_memory_there_is(
    tmp_path, monkeypatch, most, rooms, final
):
    machine = Machine(most, [])
    monkeypatch.setattr(executor, "open_engine", machine)
    said: list[str] = []
    with Store.open(tmp_path / "s.duckdb") as store:
        turns = (Turn("user", "How do I grow mint?"), Turn("assistant", "In a pot."))
        store.ingest(Source("r", "r", "0"), [Conversation(turns, i) for i in (1, 2, 3)])
        tasks = plan(Settings(check=False), store, PHASES)
        store.prepare(planned_recipes(tasks, store, check=False))
        assert progress_of(store).pending == 3
        assert run(tasks, store, [], Options(), announce=said.append)
        rows = store.counts().rows()
        assert (rows["final"], rows["pending"], rows["dropped"]) == (final, 3 - final, 0)
        assert machine.opened == rooms
        assert machine.left == [None, *(1 for _ in rooms[1:])]
        assert ("for want of memory: 1 row;" in said[-1]) == (final < 3)
        machine.most = 8000
        machine.opened.clear()
        assert run(tasks, store, [], Options(), announce=said.append)
        assert store.counts().rows()["final"] == 3


def test_tokens_a_row_may_take_are_part_of_the_recipe(tmp_path):
    from sysgen_local.core.errors import RecipeError

    turns = (Turn("user", "How do I grow mint?"), Turn("assistant", "In a pot."))
    with Store.open(tmp_path / "s.duckdb") as store:
        store.ingest(Source("r", "r", "0"), [Conversation(turns, i) for i in (1, 2, 3)])
        tasks = plan(Settings(), store, PHASES, context=900)
        store.prepare(planned_recipes(tasks, store))

        run_scripted(store, tasks)
        again = plan(Settings(), store, PHASES)
        planned_recipes(again, store)  # no complaint
        assert {task.facts.get("context") for task in again if task.model} == {"900"}
        with pytest.raises(RecipeError, match="context was 900, now 700"):
            planned_recipes(plan(Settings(), store, PHASES, context=700), store)
        later = plan(Settings(), store, PHASES, "respond", context=700)
        found = planned_recipes(later, store, redo="respond")
        assert [of.facts.get("context") for of in found.values()] == [
            "900", None, "900", "700", "700"
        ]  # fmt: skip
