"""Any sequence of commands, options, kills and decisions leaves a file that can be gone on with.

The commands are the real ones, over real files; only the engine is scripted. A kill takes a
process, so each command has one of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from processes import exit_code
from scripted import ScriptedEngine, plain
from test_sums import check

from sysgen_local.cli import commands
from sysgen_local.cli.main import main
from sysgen_local.core.records import PHASES, TABLES, Phrase
from sysgen_local.core.resources import resource
from sysgen_local.engine.llama import plan
from sysgen_local.engine.request import Completion, Request
from sysgen_local.running import executor
from sysgen_local.store import Store

pytestmark = [
    pytest.mark.e2e,  # whole commands, in forked processes
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),
]

ROWS = [
    {"instruction": "Name a fruit.", "output": "An apple, for example, or a pear."},
    {"instruction": "1+1?", "output": "It is 2, as everybody knows."},
    {"messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello there."},
        {"role": "user", "content": "And?"}, {"role": "assistant", "content": "Bye now."},
    ]},
    {"title": "no shape that is known"},
]  # fmt: skip
OTHERS = [{"instruction": "Name a tree.", "output": "An oak."}]

MODEL = st.sampled_from(["builtin", "other.gguf"])
OPTIONS = {
    "--model": MODEL,
    "--seed": st.sampled_from(["0", "3"]),
    "--temperature": st.sampled_from(["0.7", "0.9"]),
    "--min-p-good": st.sampled_from(["0.1", "0.3"]),
    "--turns": st.sampled_from(["all", "first"]),
    "--max-answer-tokens": st.sampled_from(["512", "1024"]),
    "--tries": st.sampled_from(["1", "3"]),
    "--existing-system": st.sampled_from(["replace", "keep"]),
    "--prompts": st.sampled_from(["default", "compact"]),
    "--check": st.none(),
    "--no-check": st.none(),
    "--edited": st.none(),
    "--context": st.sampled_from(["700", "900"]),
}
TAKES = {
    "run": [name for name in OPTIONS if name != "--edited"],
    "generate": ["--model", "--seed", "--temperature", "--existing-system", "--prompts"],
    "filter": [],
    "verify": ["--model", "--min-p-good"],
    "respond": ["--model", "--seed", "--temperature", "--turns", "--context", "--edited"],
    "check": ["--model", "--seed", "--tries", "--temperature"],
}
INPUTS = ["a.jsonl", "./a.jsonl", "copy/a.jsonl", "link.jsonl", "copy/../a.jsonl", "b.jsonl"]


@st.composite
def arguments(draw) -> list[str]:
    """A command with some of its options, and inputs."""
    name = draw(st.sampled_from(["run"] * 4 + list(PHASES)))
    said = [name, *draw(st.lists(st.sampled_from(INPUTS), max_size=2))]
    wanted = st.lists(st.sampled_from(TAKES[name]), max_size=2, unique=True)
    for option in draw(wanted) if TAKES[name] else ():
        value = draw(OPTIONS[option])
        said += [option] if value is None else [option, value]
    if draw(st.booleans()):
        phase = name if name != "run" else draw(st.sampled_from(PHASES))
        said += ["--redo", phase]
    return said


def answer(request: Request) -> Completion:
    """Depends on all that a model would see, and on nothing else."""
    said = json.dumps([request.id, [m.text for m in request.messages], request.seed,
                       str(request.sampling)])  # fmt: skip
    luck = hashlib.sha256(said.encode()).digest()
    completion = plain(request)
    if completion.probabilities and "yes" in completion.probabilities:
        yes = 0.3 + luck[0] / 400
        return replace(completion, probabilities={"yes": yes, "no": 1 - yes})
    if request.constraint is None:
        text = f"Answer {luck.hex()[:6]} is what there is to say." if luck[0] > 20 else ""
        return replace(completion, text=text)
    return completion


class Scripted(ScriptedEngine):
    def __init__(self, left: list[int | None]) -> None:
        super().__init__(self.one)
        self.left = left

    def one(self, request: Request) -> Completion:
        if self.left[0] is not None:
            self.left[0] -= 1
            if self.left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return answer(request)


def sysgen(folder: Path, *said: str, answers: int | None = None) -> tuple[int, str]:
    """The exit code, negative for a signal, and what was said on stderr."""
    log = folder / "stderr"
    child = os.fork()
    if not child:
        code = 99
        try:
            os.chdir(folder)
            sys.stdin = open(os.devnull)  # noqa: SIM115
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115
            sys.stderr = open(log, "w")  # noqa: SIM115
            left = [answers]
            executor.open_engine = lambda *_: Scripted(left)  # type: ignore[attr-defined]
            sys.argv = ["sysgen", *said]
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    return exit_code(child), log.read_text()


def held(path: Path) -> dict[str, object]:
    """All that a refused command must leave as it was."""
    with duckdb.connect(str(path), read_only=True) as con:
        found: dict[str, object] = {
            table: con.execute(f'SELECT * FROM {table} ORDER BY "row"').fetchall()
            for table in (*TABLES.values(), "reviews")
        }
        found["recipes"] = con.execute("FROM recipes ORDER BY phase").fetchall()
    return found


class Sequences(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.db = self.folder / "s.duckdb"
        (self.folder / "copy").mkdir()
        self.rows = list(ROWS)
        self.write()
        (self.folder / "b.jsonl").write_text("\n".join(map(json.dumps, OTHERS)))
        (self.folder / "link.jsonl").symlink_to("a.jsonl")
        other = self.folder / "other.gguf"
        shutil.copy(resource("builtin_model/builtin.gguf"), other)
        with other.open("ab") as file:
            file.write(b"\0")
        self.decided: dict[int, str] = {}
        Store.open(self.db).close()

    def write(self) -> None:
        text = "".join(f"{json.dumps(row)}\n" for row in self.rows)
        (self.folder / "a.jsonl").write_text(text)
        (self.folder / "copy" / "a.jsonl").write_text(text)

    def sysgen(self, *said: str, db: str = "s.duckdb", answers: int | None = None):
        code, told = sysgen(self.folder, *said, "--db", db, answers=answers)
        assert "Traceback" not in told, (said, told)
        assert code in (0, 2, -signal.SIGKILL), (code, said, told)
        return code, told

    @initialize(options=st.booleans(), answers=st.none() | st.integers(5, 30))
    def begin(self, options: bool, answers: int | None) -> None:
        said = ["--seed", "3", "--tries", "1"] if options else []
        self.sysgen("run", "a.jsonl", *said, answers=answers)

    @rule(
        said=arguments(),
        answers=st.none() | st.integers(0, 30),
        decided=st.none() | st.tuples(st.integers(0, 9), st.booleans(), st.booleans()),
        more=st.integers(0, 4),
    )
    def command(
        self,
        said: list[str],
        answers: int | None,
        decided: tuple[int, bool, bool] | None,
        more: int,
    ) -> None:
        if decided is not None:
            self.review(*decided)
        if more == 4 and len(self.rows) < 6:
            self.grow()
        before = held(self.db)
        code, told = self.sysgen(*said, answers=answers)
        if code != 2:
            return
        assert held(self.db) == before, (said, told)
        assert "->" in told, told
        if way := re.search(r"\(--redo (\w+)\)|--no-check --redo (\w+)", told):
            # What the sentence names as a way out is one.
            shutil.copy(self.db, self.folder / "way.duckdb")
            rest = said[: said.index("--redo")] if "--redo" in said else said
            out, reply = self.sysgen(*rest, "--redo", way[1] or way[2], db="way.duckdb")
            another = "(--redo" in reply or "--appended" in reply  # of what comes next
            assert out == 0 or another, (said, told, reply)
        elif "--appended" in told:
            code, told = self.sysgen(*said, "--appended", answers=answers)
            assert "--appended" not in told

    def grow(self) -> None:
        self.rows.append({"instruction": f"And {len(self.rows)}?", "output": "So it is."})
        self.write()

    def review(self, seed: int, edit: bool, accept: bool) -> None:
        with Store.open(self.db) as store:
            final = [row for row, _ in store.queue(_finished())]
            if final:
                row = final[seed % len(final)]
                self.decided[row] = "accepted" if accept else "rejected"
                phrases = [Phrase("role", "You are somebody else.")] if edit else None
                store.review(row, self.decided[row], phrases)
                assert store.reviewed(row).earlier is False

    @invariant()
    def sums_add_up(self) -> None:
        check(self.db, len(self.rows) + len(OTHERS))

    @invariant()
    def nothing_that_was_decided_is_lost(self) -> None:
        with duckdb.connect(str(self.db), read_only=True) as con:
            assert dict(con.execute('SELECT "row", decision FROM reviews').fetchall()) == (
                self.decided
            )

    def teardown(self) -> None:
        try:
            code, told = self.sysgen("run")
            with Store.open(self.db) as store:
                counts = store.counts()
            if counts.input > counts.rejected:
                assert code == 0, told
                assert counts.pending == 0
            check(self.db, len(self.rows) + len(OTHERS))
        finally:
            shutil.rmtree(self.folder)


def _finished():
    from sysgen_local.store import RowQuery

    return RowQuery("final", limit=None)


assert commands, plan  # imported here, so that each process has them at once
TestSequences = Sequences.TestCase
TestSequences.settings = settings(
    max_examples=int(os.environ.get("SEQUENCES", "10")),
    stateful_step_count=6,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
