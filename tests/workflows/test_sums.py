"""input = final + dropped + rejected + pending, whatever came in, was asked for, and was killed."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from processes import exit_code
from scripted import ScriptedEngine, plain

from sysgen_local.core.records import PHASES, TABLES
from sysgen_local.core.resources import resource
from sysgen_local.engine.request import Choice, Completion, Json, Request
from sysgen_local.phases.check import CheckAnswers
from sysgen_local.phases.filter import Filter
from sysgen_local.phases.generate import Generate
from sysgen_local.phases.respond import Respond
from sysgen_local.phases.verify import Verify
from sysgen_local.prompts import PromptSet
from sysgen_local.running.pipeline import Pipeline
from sysgen_local.sources import find, read
from sysgen_local.store import RowQuery, Store
from sysgen_local.workflows.plan import progress_of

pytestmark = pytest.mark.e2e  # whole runs through the phases, each in a store of its own

ASKING = {
    "rewrite": "# system\n{{ system }}\n# user\n{{ instruction }}\nNow: {{ answer }}",
    "agree": "# user\n{{ instruction }}\n{{ answer }}\n{{ new }}\nDo they agree?",
    "follow": "# user\n{{ answer }}\nDoes it follow {{ phrase }}?",
}
LINES = st.sampled_from(
    [
        {"instruction": "Name a fruit.", "output": "An apple, for example, or a pear."},
        {"query": "1+1?", "response": "It is 2, as everybody knows."},
        {"messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello there."},
            {"role": "user", "content": "And?"}, {"role": "assistant", "content": "Bye now."},
        ]},
        {"instruction": "No answer."},
        {"instruction": "", "output": "x"},
        ["a list"],
        "{broken",
        "\ud800",
    ]
)  # fmt: skip
WORK = st.tuples(
    st.sampled_from([None] * 6 + list(PHASES)),  # to be done again
    st.sampled_from(
        [[p] for p in PHASES] + [list(PHASES)] * 4 + [list(PHASES[:-1])] * 2 + [list(PHASES[:2])]
    ),
    st.sampled_from(["replace", "keep"]),
    st.integers(0, 60),  # answers until the kill
)


@pytest.fixture(scope="module")
def prompts(tmp_path_factory) -> PromptSet:
    """All that the checks can ask."""
    folder = tmp_path_factory.mktemp("prompts") / "asking"
    shutil.copytree(resource("prompts/compact"), folder)
    for name, text in ASKING.items():
        (folder / f"{name}.md").write_text(text)
    return PromptSet.load(str(folder))


def odd(request: Request) -> Completion:
    """Any answer a model may come up with: of the request alone, so that runs can be repeated."""
    rng = random.Random(request.id)
    completion = plain(request)
    luck = rng.random()
    if luck < 0.1:
        return replace(completion, text="", finish="too_long", probabilities=None)
    if isinstance(request.constraint, Json) and luck < 0.4:
        texts = ["[]", "nothing", '[{"tag":"role","text":"{name}"}]', '[{"tag":"ro']
        return replace(completion, text=rng.choice(texts), finish=rng.choice(["stop", "length"]))
    if completion.probabilities and "yes" in completion.probabilities and luck < 0.5:
        return replace(completion, probabilities={"yes": luck, "no": 1 - luck})
    if isinstance(request.constraint, Choice) and luck < 0.4:
        return replace(completion, probabilities={"good": 0.1, "bad": 0.8, "none": 0.1})
    if request.constraint is None and luck < 0.4:
        return replace(completion, text=rng.choice(["", "Again. " * 60, "<|im_end|>"]))
    return completion


def work(path: Path, data: Path, prompts: PromptSet, redo, phases, keep: bool, answers) -> None:
    """What a run does, `redo` being a phase to forget first; it is killed at that many answers."""

    def answer(request: Request) -> Completion:
        nonlocal answers
        if answers is not None:
            answers -= 1
            if answers < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return odd(request)

    every = {
        "generate": Generate(prompts, keep_system=keep),
        "filter": Filter(keep_system=keep),
        "verify": Verify(prompts, keep_system=keep),
        "respond": (respond := Respond(prompts)),
        "check": CheckAnswers(prompts, respond, tries=4),
    }
    stages = [every[phase] for phase in phases]
    with Store.open(path) as store:
        for source in find([str(data)]):
            store.ingest(source, read(source), batch=3)
        if redo:
            store.redo(redo)
        if "check" in phases:
            store.set_recipe("check", "f", {})
        engine = None if phases == ["filter"] else ScriptedEngine(answer)
        Pipeline(store, stages, progress_of(store)).run(engine)


def in_a_process(*given) -> None:
    """Forked, because a kill takes a process."""
    child = os.fork()
    if not child:
        code = 99
        try:
            work(*given)
            code = 0
        finally:
            os._exit(code)
    assert exit_code(child) in (0, -signal.SIGKILL)


def check(path: Path, lines: int) -> dict[str, int]:
    """By `counts` and, independently of it, by plain SQL; phase by phase and reason by reason."""
    with Store.open(path, read_only=True) as store:
        counts = store.counts()
        stats = store.stats()
    with duckdb.connect(str(path), read_only=True) as con:

        def all_of(sql: str) -> list:
            return con.execute(sql).fetchall()

        [(read_,)] = all_of("SELECT coalesce(sum(records), 0) FROM sources")
        [(usable,)] = all_of("SELECT count(*) FROM conversations")
        rejects = dict(all_of("SELECT reason, count(*) FROM rejects GROUP BY ALL"))
        dropped: Counter[str] = Counter()
        coming = {row for (row,) in all_of('SELECT "row" FROM conversations')}
        pending = 0
        asked = all_of(
            "SELECT phase FROM recipes WHERE phase = 'check' UNION SELECT 'x' FROM checked"
        )
        assert tuple(counts.phases) == (PHASES if asked else PHASES[:-1])
        for phase in counts.phases:
            done = dict(all_of(f'SELECT "row", dropped FROM {TABLES[phase]}'))
            assert done.keys() <= coming
            reasons = Counter(reason for reason in done.values() if reason)
            assert counts.phases[phase].dropped == reasons
            assert counts.phases[phase].pending == len(coming) - len(done)
            pending += len(coming) - len(done)
            dropped.update(reasons)
            coming = {row for row, reason in done.items() if reason is None}
        [(final,)] = all_of("SELECT count(*) FROM final")
        states = dict(all_of("SELECT state, count(*) FROM journey GROUP BY ALL"))
        strange = "len(turns) <> len(old_turns) OR turns[-1].content = ''"
        assert all_of(f'SELECT "row" FROM final WHERE {strange}') == []
    rows = counts.rows()
    assert counts.rejects == rejects
    assert rows == {
        "input": read_, "final": final, "dropped": dropped.total(),
        "rejected": sum(rejects.values()), "pending": pending,
    }  # fmt: skip
    assert read_ == final + dropped.total() + sum(rejects.values()) + pending <= lines
    assert final == len(coming)
    assert usable == read_ - sum(rejects.values())
    assert stats["rows"] == rows
    assert {
        name: states.get(name, 0) for name in ("final", "dropped", "pending")
    }.items() <= rows.items()
    for name in rows:
        assert sum(of[name] for of in stats["datasets"].values()) == rows[name]
    return rows


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(lines=st.lists(LINES, max_size=14), works=st.lists(WORK, max_size=4))
def test_the_sums_add_up(prompts, lines, works):
    with tempfile.TemporaryDirectory() as folder:
        data, path = Path(folder, "rows.jsonl"), Path(folder, "s.duckdb")
        data.write_text("".join(f"{x if x == '{broken' else json.dumps(x)}\n" for x in lines))
        Store.open(path).close()
        for redo, phases, existing, answers in works:
            in_a_process(path, data, prompts, redo, phases, existing == "keep", answers)
            check(path, len(lines))
        work(path, data, prompts, None, list(PHASES), False, None)
        rows = check(path, len(lines))
        assert rows["input"] == len(lines)
        assert rows["pending"] == 0


def test_answers_are_replaced_and_rows_dropped_on_the_way(prompts, tmp_path):
    """What the test above goes through is what it is meant to."""
    rows = [
        {"instruction": f"Name fruit {n}.", "output": "An apple, or a pear."} for n in range(40)
    ]
    data = tmp_path / "rows.jsonl"
    data.write_text("\n".join(map(json.dumps, rows)))
    work(tmp_path / "s.duckdb", data, prompts, None, list(PHASES), False, None)
    with Store.open(tmp_path / "s.duckdb", read_only=True) as store:
        stats = store.stats()
        found = store.find(RowQuery("final", limit=None))
        dropped = store.find(RowQuery("dropped", phase="check", limit=None))
    assert stats["checks"]["tries"].keys() == {"1", "2", "3", "4"}
    assert {"disagrees", "disobeys"} <= stats["checks"]["faults"].keys()
    assert {"disagrees", "disobeys"} & stats["phases"]["check"]["dropped"].keys()
    again = [row for row in found if row.checked.turns]
    assert again
    assert all(row.answers != row.responded.turns for row in again)
    assert all(attempt.fault for row in found for attempt in row.checked.attempts)
    assert dropped
