"""No row ends a run: what goes wrong with one is recorded with its reason, and asked again."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from scripted import ScriptedEngine, plain

from sysgen_local.core.errors import SysgenError
from sysgen_local.core.records import PHASES, Conversation, Source, Turn
from sysgen_local.engine.request import Completion, Request
from sysgen_local.evaluation.preference import PreferenceJudge
from sysgen_local.phases.check import CheckAnswers
from sysgen_local.phases.filter import Filter
from sysgen_local.phases.generate import Generate
from sysgen_local.phases.respond import Respond
from sysgen_local.phases.verify import Verify
from sysgen_local.prompts import PromptSet
from sysgen_local.running.pipeline import DOUBTFUL, Pipeline
from sysgen_local.running.progress import Progress
from sysgen_local.store import Store
from sysgen_local.workflows.plan import progress_of

pytestmark = pytest.mark.e2e  # whole runs through the phases, each in a store of its own

ROWS = 24
ODD = 7
"""The row with which something goes wrong."""

PROMPTS = PromptSet.load("default")
WHY = "the grammar is stuck: nothing fits"


def stages():
    respond = Respond(PROMPTS)
    return [Generate(PROMPTS), Filter(), Verify(PROMPTS), respond, CheckAnswers(PROMPTS, respond)]


@pytest.fixture
def store(tmp_path: Path):
    with Store.open(tmp_path / "s.duckdb") as store:
        turns = (Turn("user", "How are you?"), Turn("assistant", "I am quite well, thank you."))
        rows = [Conversation(turns, line) for line in range(1, ROWS + 1)]
        store.ingest(Source("a.jsonl", "a", "0"), rows)
        store.set_recipe("check", "f", {})
        yield store


def run(store: Store, answer=plain) -> ScriptedEngine:
    engine = ScriptedEngine(answer)
    Pipeline(store, stages(), progress_of(store)).run(engine)
    return engine


def breaks(phase: str, *rows: int, finish="failed", why=WHY):
    """An engine's answers, of which those for these rows in this phase break."""

    def answer(request: Request) -> Completion:
        row, of, *_ = request.id.split(":")
        of = of if of in PHASES else "check"  # what that asks has names of its own
        if of == phase and int(row) in rows:
            return Completion(request.id, why, finish)
        return plain(request)

    return answer


@pytest.mark.parametrize("phase", ["generate", "verify", "respond", "check"])
@pytest.mark.parametrize("finish", ["failed", "refused"])
def test_a_request_that_breaks_is_its_rows_failure_and_asked_again(store, phase, finish):
    run(store, breaks(phase, ODD, finish=finish))
    counts = store.counts()
    reason = "failed" if phase == "check" else finish
    assert counts.phases[phase].dropped == {reason: 1}
    assert counts.rows() | {"final": ROWS - 1, "dropped": 1, "pending": 0} == counts.rows()
    assert run(store).seen == []  # it is not tried again by itself
    row = store.row(ODD)
    result = [row.generated, row.filtered, row.verified, row.responded, row.checked][
        PHASES.index(phase)
    ]
    assert (result.dropped, result.why) == (reason, WHY)
    assert store.forget_failed(PHASES) == 1
    assert store.counts().pending == 1
    assert {request.id.split(":")[0] for request in run(store).seen} == {str(ODD)}
    assert store.counts().final == ROWS


def test_only_the_phases_that_are_named_forget_what_failed(store):
    run(store, breaks("generate", ODD))
    assert store.forget_failed(["respond"]) == 0
    assert store.forget_failed(["generate"]) == 1


def test_a_fault_within_a_phase_is_the_rows(store):
    """As where a server says less than it should: a verdict without probabilities."""

    def silent(request: Request) -> Completion:
        completion = plain(request)
        if request.id.startswith(f"{ODD}:verify"):
            return replace(completion, probabilities={"good": 0.5})
        return completion

    run(store, silent)
    assert store.counts().phases["verify"].dropped == {"failed": 1}
    assert store.row(ODD).verified.why.startswith("KeyError")
    assert store.counts().final == ROWS - 1


@pytest.mark.parametrize("phase", ["generate", "verify", "respond", "check"])
def test_where_all_fail_the_run_ends_and_records_none(store, phase):
    with pytest.raises(SysgenError, match=rf"first {DOUBTFUL} rows that came to `{phase}`.*stuck"):
        run(store, breaks(phase, *range(1, ROWS + 1)))
    assert store.counts().dropped == 0
    run(store)
    assert store.counts().final == ROWS


def test_a_few_rows_that_all_fail_are_recorded(store):
    run(store, breaks("generate", *range(DOUBTFUL, ROWS + 1)))
    assert store.counts().phases["generate"].dropped == {"failed": ROWS - DOUBTFUL + 1}
    store.forget_failed(PHASES)
    run(store, breaks("generate", *range(DOUBTFUL, ROWS + 1)))
    assert store.counts().phases["generate"].dropped == {"failed": ROWS - DOUBTFUL + 1}


def test_a_judge_asks_again_what_failed(store):
    run(store)

    def judged(request: Request) -> Completion:
        if request.id.startswith(f"{ODD}:"):
            return Completion(request.id, WHY, "failed")
        labels = request.constraint.labels
        return Completion(
            request.id, labels[0], "stop", 1, 0, 0.1, dict.fromkeys(labels, 1 / len(labels))
        )

    def judge(answer) -> int:
        queue = store.judge_queue("a" * 64, {"model": "j"}, pairs=99, aligned=99, seed=0)
        engine = ScriptedEngine(answer)
        Pipeline(queue, [PreferenceJudge.of(PROMPTS)], Progress(("judge",), rows=ROWS)).run(engine)
        return len(engine.seen)

    assert judge(judged) == 3 * ROWS
    assert store.judgements()[0]["dropped"] == 1
    assert judge(plain) == 0
    queue = store.judge_queue("a" * 64, {"model": "j"}, pairs=99, aligned=99, seed=0)
    assert queue.forget_failed() == 1
    healthy = lambda request: judged(request._replace(id=f"0{request.id}"))  # noqa: E731
    assert judge(lambda r: replace(healthy(r), id=r.id)) == 3
    assert store.judgements()[0]["dropped"] == 0


def test_the_commands_ask_again(tmp_path: Path):
    """`--retry-failed` of a phase and of the whole run; what went wrong is shown."""
    path = tmp_path / "s.duckdb"
    rows = [{"instruction": f"How do I paint {x}?", "output": "Slowly."} for x in ("a", "b", "c")]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))

    def sysgen(*words: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "sysgen_local.cli.main", *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done

    sysgen("generate", "rows.jsonl", "--db", str(path), "-q")
    with Store.open(path) as store:
        store.redo("generate")
        row = next(store.due("generate"))
        failed = Generate(PROMPTS).failed(WHY)
        store.commit([(row.row, "generate", failed)])
    assert "dropped in generate: failed" in (told := sysgen("show", "1", "--db", str(path)).stdout)
    assert WHY in told
    done = sysgen("run", "--db", str(path), "--phase", "generate")
    assert "1 row failed because something went wrong" in done.stderr
    done = sysgen("generate", "--db", str(path), "--retry-failed")
    assert "tried again: 1 row that failed" in done.stderr
    assert "went wrong" not in done.stderr
    with Store.open(path, read_only=True) as store:
        assert "failed" not in store.counts().phases["generate"].dropped
