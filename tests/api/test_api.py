"""The Python API: what a script or a notebook does with the package."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import resource
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from places import ROOT

import sysgen_local as sysgen

pytestmark = pytest.mark.model  # runs of the built-in model

ROWS = [
    {"instruction": "How do I make green tea?", "output": "Steep it for two minutes."},
    {"instruction": "Explain rain.", "output": "Water falls from clouds."},
    {"instruction": "Name a primary colour.", "output": "Red is a primary colour."},
]


FINAL = 'SELECT "row", system, new_answer FROM journey WHERE state = $$final$$ ORDER BY "row"'


def adds_up(result: sysgen.RunResult, rows: int) -> bool:
    counts = result.counts
    total = counts.final + counts.dropped + counts.rejected + counts.pending
    return result.finished and counts.input == total == rows and counts.pending == 0


def test_every_public_name_is_there_and_explained():
    for name in sysgen.__all__:
        found = getattr(sysgen, name)
        assert name == "__version__" or found.__doc__, name
    with pytest.raises(AttributeError, match="no attribute nonsense"):
        getattr(sysgen, "nonsense")  # noqa: B009
    assert set(sysgen.__all__) <= set(dir(sysgen))


def test_public_functions_stay_functions_whatever_module_is_imported():
    code = (
        "import sysgen_local.cli.commands, sysgen_local.workflows.study, sysgen_local as s\n"
        "import sysgen_local.workflows.export, sysgen_local.workflows.benchmark\n"
        "print([n for n in s.__all__ if n.islower() and n != 'models' and n[0] != '_' "
        "and not callable(getattr(s, n))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import sys, sysgen_local; print(sorted({'llama_cpp', 'duckdb', 'numpy', 'click', "
        "'pydantic', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_dicts_go_in_and_training_files_come_out(tmp_path):
    seen: list[sysgen.Update] = []
    with sysgen.open(tmp_path / "rows.duckdb") as store:
        done = sysgen.run(store, iter(ROWS), seed=1, on_progress=seen.append)
        assert adds_up(done, 3)
        assert seen[-1].final == done.counts.final
        assert "final" in str(seen[-1])
        rows = list(store.rows(where="p_good >= 0"))
        assert len(rows) == done.counts.final
        written = sysgen.export(store, tmp_path / "out.jsonl", format="messages", origin=True)
        lines = (tmp_path / "out.jsonl").read_text().splitlines()
        assert written.rows == len(lines) == done.counts.final
        assert written.card_path.exists()
        assert all(json.loads(line)["source"].startswith("rows ") for line in lines)
        assert store.query("SELECT count(*) FROM final").fetchall() == [(done.counts.final,)]
        again = sysgen.run(store, ROWS, seed=1, on_progress=seen.append)
        assert again.counts.rows() == done.counts.rows()  # the same content is not read twice


def test_one_phase_at_a_time_comes_to_the_same(tmp_path):
    with sysgen.open(tmp_path / "a.duckdb") as store:
        whole = sysgen.run(store, ROWS, views=[])
        expected = store.query(FINAL).fetchall()
    with sysgen.open(tmp_path / "b.duckdb") as store:
        for phase in (sysgen.generate, sysgen.filter, sysgen.verify, sysgen.respond, sysgen.check):
            done = phase(store, ROWS, views=[])
        assert done.counts.rows() == whole.counts.rows()
        assert store.query(FINAL).fetchall() == expected


def test_tables_and_files_go_in_together(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.Table.from_pylist(ROWS[:2])
    file = tmp_path / "one.jsonl"
    file.write_text(json.dumps(ROWS[2]))
    with sysgen.open(tmp_path / "rows.duckdb") as store:
        done = sysgen.generate(store, [table, file], views=[])
        assert done.counts.input == 3
        assert len(done.sources) == 2
        only = sysgen.run(store, file, views=[], output=tmp_path / "one.out.jsonl")
        assert only.written.rows + only.others == only.counts.final
        assert store.counts().input == 3  # the store is not narrowed to the file's rows


def test_a_run_works_in_a_thread_and_under_asyncio(tmp_path):
    def work(name: str) -> sysgen.RunResult:
        assert threading.current_thread() is not threading.main_thread()
        with sysgen.open(tmp_path / name) as store:
            return sysgen.run(store, ROWS, views=[])

    async def main() -> sysgen.RunResult:
        return await asyncio.to_thread(work, "rows.duckdb")

    assert adds_up(asyncio.run(main()), 3)


def test_what_a_callback_raises_costs_no_row(tmp_path):
    def fail(update: sysgen.Update) -> None:
        raise RuntimeError("mine")

    with sysgen.open(tmp_path / "rows.duckdb") as store:
        with pytest.raises(RuntimeError, match="mine"):
            sysgen.run(store, ROWS, on_progress=fail)
        assert store.counts().pending == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"modle": "builtin"}, "run has no option modle: is model meant"),
        ({"zzzz": 1}, "run has no option zzzz; known are model"),
    ],
)
def test_an_unknown_option_is_a_type_error(tmp_path, options, says):
    with (
        sysgen.open(tmp_path / "rows.duckdb") as store,
        pytest.raises(TypeError, match=says),
    ):
        sysgen.run(store, ROWS, **options)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"turns": "nope"}, "turns cannot be 'nope'"),
        ({"existing_system": "nope"}, "existing_system cannot be"),
        ({"temperature": -3}, "temperature cannot be -3"),
        ({"min_p_good": 7}, "min_p_good cannot be 7"),
        ({"tries": 0}, "tries cannot be 0"),
        ({"limit": 0}, "limit cannot be 0"),
        ({"limit": 1.5}, "limit cannot be 1.5"),
        ({"seed": "x"}, "seed cannot be 'x'"),
        ({"slots": -1}, "slots cannot be -1"),
        ({"context": -5}, "context cannot be -5"),
        ({"threads": "x"}, "threads cannot be 'x'"),
        ({"phases": ["genrate"]}, "phases cannot be 'genrate'"),
        ({"redo": "nonsense"}, "redo cannot be 'nonsense'"),
        ({"mapping": {"nothing": "x"}}, "does not understand `nothing=x`"),
    ],
)
def test_a_value_that_will_not_do_is_refused_before_anything_is_read(tmp_path, options, says):
    with sysgen.open(tmp_path / "rows.duckdb") as store:
        with pytest.raises(sysgen.UsageError, match=re.escape(says)):
            sysgen.run(store, ROWS, views=[], **options)
        assert store.counts().input == 0


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ("", "an input has no name"),
        (ROWS[0], "the input is one dict"),
        ({"instruction": ["a"], "output": ["b"]}, "the input is one dict"),
        (["a.jsonl", ROWS[0]], "rows and other inputs in one list"),
        (5, "and this is int"),
    ],
)
def test_an_input_that_is_none_says_so(tmp_path, inputs, says):
    with (
        sysgen.open(tmp_path / "rows.duckdb") as store,
        pytest.raises(sysgen.UsageError, match=says),
    ):
        sysgen.run(store, inputs, views=[])


def test_rows_that_are_none_are_rejected_with_their_number(tmp_path):
    loop: dict[str, Any] = {"instruction": "Why?", "output": "So."}
    loop["more"] = loop
    nested: list[Any] = []
    for _ in range(5000):
        nested = [nested]
    keyed: dict[Any, Any] = {**ROWS[0], ("a", 1): 2}
    odd: list[Any] = [None, 5, keyed, loop, {**ROWS[0], "output": object()},
           {**ROWS[0], "more": nested}]  # fmt: skip
    with sysgen.open(tmp_path / "rows.duckdb") as store:
        done = sysgen.generate(store, [ROWS[1], *odd], views=[])
        assert (done.counts.input, done.counts.rejected) == (7, 6)
        assert [reject.line for _, reject in store.rejects()] == [2, 3, 4, 5, 6, 7]


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 22, resource.RLIM_INFINITY))
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with sysgen.open(tmp_path / "rows.duckdb") as store:
            large = ({**ROWS[0], "more": "x" * 100_000} for _ in range(100))
            with pytest.raises(sysgen.SysgenError, match="rows cannot be kept in"):
                sysgen.run(store, large, views=[])
            assert store.counts().input == 0
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        signal.signal(signal.SIGXFSZ, ignored)


def test_values_that_are_text_become_text(tmp_path):
    row = {"instruction": b"When?", "output": Decimal("2.50"), "input": date(2026, 1, 2)}
    with sysgen.open(tmp_path / "rows.duckdb") as store:
        sysgen.generate(store, [row], mapping={"instruction": "instruction", "answer": "output"},
                        views=[])  # fmt: skip
        [turn, answer] = store.row(1).conversation.turns
        assert turn.content == "When?"
        assert answer.content == "2.50"


def test_a_script_without_a_guard_runs_once(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sysgen_local as sysgen\nprint('begins')\n"
        f"rows = {ROWS!r}\n"
        "with sysgen.open('rows.duckdb') as store:\n"
        "    sysgen.run(store, rows, views=[])\n"
        "    assert sysgen.compare(store).rows\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", script], cwd=tmp_path, capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "begins\n"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"format": "prompt_completion"}, "format cannot be 'prompt_completion'"),
        ({"variant": "nope"}, "variant cannot be"),
        ({"splits": "train"}, "splits cannot be 'train'"),
        ({"min_p_good": 2}, "min_p_good cannot be 2"),
    ],
)
def test_an_export_is_refused_before_it_writes(tmp_path, options, says):
    path = tmp_path / "out.jsonl"
    path.write_text("mine")
    with sysgen.open(tmp_path / "rows.duckdb") as store:
        with pytest.raises(sysgen.UsageError, match=says):
            sysgen.export(store, path, **options)
        with pytest.raises(sysgen.UsageError, match="makes one Dataset"):
            sysgen.to_dataset(store, splits={"train": 0.5})
    assert path.read_text() == "mine"


def test_a_benchmark_that_is_none_and_a_store_that_is_none(tmp_path):
    with pytest.raises(sysgen.UsageError, match="benchmark cannot be 'nonsense'"):
        sysgen.evaluate("nonsense", tmp_path / "x.jsonl", model="builtin")
    with pytest.raises(TypeError, match="a store is what `open` returns"):
        sysgen.run("x.duckdb", ROWS)
    assert sysgen.models.resolve(Path("builtin")).name == "builtin"


def test_errors_say_what_is_wrong(tmp_path):
    with sysgen.open(tmp_path / "rows.duckdb") as store:
        with pytest.raises(sysgen.UsageError, match="there is no file"):
            sysgen.run(store, tmp_path / "none.jsonl")
        with pytest.raises(sysgen.UsageError, match="no usable rows"):
            sysgen.run(store)
        sysgen.run(store, ROWS, views=[])
        with pytest.raises(sysgen.RecipeError):
            sysgen.run(store, temperature=0.9)
    with pytest.raises(sysgen.UsageError):
        sysgen.open(tmp_path / "other.duckdb", create=False)


def test_a_store_that_is_closed_or_read_only_says_so(tmp_path):
    with sysgen.open(tmp_path / "rows.duckdb") as store:
        sysgen.generate(store, ROWS, views=[])
    with pytest.raises(sysgen.SysgenError, match="is closed, or another thread"):
        store.counts()
    with (
        sysgen.open(tmp_path / "rows.duckdb", read_only=True) as store,
        pytest.raises(sysgen.UsageError, match="was opened read-only"),
    ):
        sysgen.run(store)


def test_a_redo_asks_with_what_is_lost(tmp_path):
    asked: list[Any] = []
    with sysgen.open(tmp_path / "rows.duckdb") as store:
        sysgen.run(store, ROWS, views=[])
        with pytest.raises(sysgen.SysgenError, match="nothing was deleted"):
            sysgen.run(store, redo="respond", views=[], confirm=asked.append)
        assert asked[0].results["respond"] > 0
        assert store.counts().pending == 0
        assert adds_up(sysgen.run(store, redo="respond", seed=2, views=[]), 3)


def test_judging_and_comparing(tmp_path):
    with sysgen.open(tmp_path / "rows.duckdb") as store:
        done = sysgen.run(store, ROWS, views=[])
        compared = sysgen.compare(store)
        assert compared.rows == done.counts.final
        judged = sysgen.judge(store, pairs=2, aligned=2)
        assert judged.finished
        assert judged.asked > 0
        assert judged.figures


def test_functions_name_their_options_in_their_documentation():
    for name in ("run", "export", "judge", "compare", "evaluate", "open", "write_testset", "train"):
        found = getattr(sysgen, name)
        documented = inspect.getdoc(found)
        for parameter in inspect.signature(found).parameters.values():
            if parameter.name in (
                "store",
                "path",
                "create",
                "read_only",
                "seed",
                "views",
                "say",
                "questions",
            ):
                continue
            assert parameter.name in documented, f"{name}: {parameter.name}"


def test_the_example_script_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(ROOT / "examples" / "notebook.py"), run_name="__main__")
    assert (tmp_path / "out.jsonl").read_text()
    assert "final" in capsys.readouterr().out


def test_a_dataset_of_the_library_goes_in_and_comes_out(tmp_path):
    datasets = pytest.importorskip("datasets")
    with sysgen.open(tmp_path / "rows.duckdb") as store:
        done = sysgen.run(store, datasets.Dataset.from_list(ROWS), views=[])
        assert done.counts.input == 3
        out = sysgen.to_dataset(store, format="messages")
        assert len(out) == done.counts.final
        assert {turn["role"] for turn in out[0]["messages"]} >= {"system", "user", "assistant"}
