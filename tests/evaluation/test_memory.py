"""What only the memory of today refuses is no fault of a question or a row: it waits."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner
from filled import fill
from questions import dialogue, instance, write
from scripted import ScriptedEngine

from sysgen_local.cli import benchmarks as cli
from sysgen_local.cli.judge import judge
from sysgen_local.core.errors import SysgenError
from sysgen_local.engine.options import Options
from sysgen_local.engine.request import Choice, Completion, Json, Request
from sysgen_local.evaluation.benchmarks.benchmark import Benchmark, load
from sysgen_local.running import executor
from sysgen_local.store import Store
from sysgen_local.store.evaluation import Evaluation
from sysgen_local.workflows import study
from sysgen_local.workflows.benchmark import BenchmarkRun, Outcome, run_benchmark

CONTEXT = 10_000
"""Tokens that the model can take, whatever memory there is."""


class Machine:
    """Gives slots of 1000 tokens, or of as many as they have to hold, up to what is free."""

    def __init__(self, free: int, needs: dict[str, int]) -> None:
        self.free = free
        self.needs = needs

    def __call__(self, model, options, announce):
        assert options.no_room
        room = min(options.least or 1000, self.free)
        answer = partial(self._answer, room=room)
        return ScriptedEngine(answer, description=f"{room} tokens", slot_tokens=room)

    def _answer(self, request: Request, *, room: int) -> Completion:
        row, phase = request.id.split(":")[:2]
        needed = self.needs.get(f"{row}:{phase}", 500)
        if needed > CONTEXT:
            return Completion(request.id, "", "too_long")
        return said(request) if needed <= room else Completion(request.id, "", "no_room")


def said(request: Request) -> Completion:
    """Whatever is asked for, by its constraint."""
    if isinstance(request.constraint, Choice):
        first, *others = request.constraint.labels
        shares = dict.fromkeys(others, 0.0) | {first: 1.0}
        return Completion(request.id, first, "stop", probabilities=shares)
    if isinstance(request.constraint, Json):
        wanted = json.loads(request.constraint.schema)["properties"]
        marks = dict.fromkeys(wanted.get("verdicts", {}).get("properties", ()), "yes")
        text = json.dumps({"reason": "r", "verdicts": marks, "score": 4})
        return Completion(request.id, text, "stop")
    return Completion(request.id, "An answer.", "stop")


@pytest.fixture(params=["sysbench", "multifacet"])
def benchmark(request, tmp_path: Path) -> Benchmark:
    rows = [dialogue(n) if request.param == "sysbench" else instance(n) for n in (1, 2, 3)]
    return load(request.param, write(tmp_path / "b.jsonl", rows))


def examined(benchmark: Benchmark, path: Path, lines: list[str]) -> Outcome | None:
    with Evaluation.open(path) as store:
        of = BenchmarkRun(benchmark, "builtin", "builtin")
        return run_benchmark(of, store, [], Options(), announce=lines.append)


@pytest.mark.parametrize("phase", ["answer", "judge"])
def test_a_question_waits_for_memory_and_is_taken_up_by_the_next_call(
    benchmark, phase, tmp_path, monkeypatch, capsys
):
    machine = Machine(2500, {f"2:{phase}": 3000, f"3:{phase}": CONTEXT + 1})
    monkeypatch.setattr(executor, "open_engine", machine)
    lines: list[str] = []
    found = examined(benchmark, tmp_path / "e.duckdb", lines)
    assert "still pending, for want of memory: 1 row;" in lines[-1]
    scores = benchmark.score(found.cases)
    ended = {f"{phase}_too_long": 1}
    assert scores["questions"] == {
        "all": 3, "judged": 1, "failed": ended, "pending": 1, "answers_cut_off": 0
    }  # fmt: skip
    cli.warn(scores)
    told = capsys.readouterr().err
    assert f"1 of 3 questions; without verdicts: {phase}_too_long 1, pending for want" in told
    assert "the same command asks what is pending once more memory is free" in told
    entrant = study.StudyModel("m", "m")
    note = study._note(study.StudyResult(entrant, benchmark, found))
    assert "pending for want of memory 1" in note
    machine.free = 4000
    scores = benchmark.score(examined(benchmark, tmp_path / "e.duckdb", lines).cases)
    assert (scores["questions"]["judged"], scores["questions"]["pending"]) == (2, 0)
    assert scores["questions"]["failed"] == ended  # that is the model's


@pytest.mark.model  # the command looks at the template of its model
def test_where_all_wait_the_reason_is_told(benchmark, tmp_path, monkeypatch):
    needs = {f"{row}:answer": 3000 for row in (1, 2, 3)}
    monkeypatch.setattr(executor, "open_engine", Machine(2500, needs))
    with pytest.raises(SysgenError, match="pending for want of memory 3") as caught:
        examined(benchmark, tmp_path / "e.duckdb", [])
    assert "the same command" in caught.value.hint


def test_a_row_waits_for_memory_until_it_is_judged(tmp_path, monkeypatch):
    fill(tmp_path / "x.duckdb", 4)
    with Store.open(tmp_path / "x.duckdb") as store:
        store.set_recipe("respond", "r", {"model": "builtin"})
    machine = Machine(2500, {"2:judge": 3000, "3:judge": CONTEXT + 1})
    monkeypatch.setattr(executor, "open_engine", machine)
    options = ["--db", str(tmp_path / "x.duckdb"), "--json", "-q"]

    def judged() -> tuple[dict, str]:
        done = CliRunner().invoke(judge, options)
        assert not done.exit_code, done.stderr
        return json.loads(done.stdout)[0]["datasets"][""], done.stderr

    found, told = judged()
    preferred = found["preference"]
    assert (sum(preferred[x] for x in ("wins", "losses", "ties")), found["dropped"]) == (2, 1)
    assert "not judged yet, for want of memory that is free now: 1 row:" in told
    machine.free = 4000
    found, told = judged()
    preferred = found["preference"]
    assert (sum(preferred[x] for x in ("wins", "losses", "ties")), found["dropped"]) == (3, 1)
    assert not told
