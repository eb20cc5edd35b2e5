"""LoRA adapters in evaluations: identity of answers and verdicts, and one base for a study."""

from __future__ import annotations

import shutil
from pathlib import Path

import lora
import pytest

from sysgen_local.core.resources import resource
from sysgen_local.engine.options import Options
from sysgen_local.evaluation.benchmarks.benchmark import load
from sysgen_local.models import fingerprint
from sysgen_local.report.benchmarks import section
from sysgen_local.store.evaluation import Evaluation
from sysgen_local.workflows import study
from sysgen_local.workflows.benchmark import BenchmarkRun, Setting, run_benchmark

OPTIONS = Options(slots=2, context=1536, threads=2)
SHORT = Setting(max_answer_tokens=8, max_judge_tokens=48)


@pytest.fixture(scope="module")
def adapter(builtin, tmp_path_factory) -> Path:
    return lora.adapter(tmp_path_factory.mktemp("lora") / "style.gguf", builtin, size=0.2)


def test_a_study_reads_one_base_once(builtin, adapter, reads, tmp_path):
    questions = load("multifacet", resource("examples/instances.jsonl"), limit=1)
    # Other tests keep an engine of the file itself.
    base = shutil.copy(builtin, tmp_path / "own.gguf")
    entrants = [
        study.StudyModel.parse(text)
        for text in (f"before={base}", f"{base}+{adapter}=0.5@user", f"twice={base}+{adapter}=2")
    ]
    with Evaluation.open(tmp_path / "e.duckdb") as store:
        found = study.run(entrants, [questions], str(base), SHORT, store, list, OPTIONS)
        assert found is not None
        assert reads == [base]
        runs = [of["answering"] for of in store.scored()]
        assert [of.get("model_lora") for of in runs] == [
            None, f"{fingerprint(adapter)}=0.5", f"{fingerprint(adapter)}=2.0",
        ]  # fmt: skip
        study.conclude(found, store)
        shown = "\n".join(table.markdown() for table in section(store))
    assert "own+style.gguf=0.5" in shown
    assert str(adapter.parent) not in shown
    assert str(tmp_path) not in shown


def test_the_adapters_of_model_and_judge_are_kept_apart(builtin, adapter, reads, tmp_path):
    questions = load("multifacet", resource("examples/instances.jsonl"), limit=1)
    named = f"builtin+{adapter}=1e-6"  # so weak that the judge keeps to the form
    pairs = [("builtin", "builtin"), (named, "builtin"), ("builtin", named), (named, named)]
    with Evaluation.open(tmp_path / "e.duckdb") as store:
        for model, judge in pairs:
            reads.clear()
            run_benchmark(BenchmarkRun(questions, model, judge, SHORT), store, [], OPTIONS)
            assert len(reads) <= 1
        of = f"{fingerprint(adapter)}=1e-06"
        runs = [(m["answering"], m["judging"]) for m in store.scored()]
        answered = [m.get("model_lora") for m, _ in runs]
        judged = [j.get("judge_lora") for _, j in runs]
        assert sorted(zip(map(str, answered), map(str, judged), strict=True)) == sorted(
            [("None", "None"), (of, "None"), ("None", of), (of, of)]
        )
        assert not any("lora" in facts for run in runs for facts in run)
