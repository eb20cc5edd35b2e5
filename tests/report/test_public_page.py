"""The report and the card of a store that was made with absolute paths have none."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner

from sysgen_local.core.records import (
    Conversation,
    Filtered,
    Generated,
    Phrase,
    Responded,
    Source,
    Turn,
    Verdict,
    Verified,
)
from sysgen_local.store import Judged, Store
from sysgen_local.store.evaluation import Comparison, Evaluation

MODEL, JUDGE, PROMPTS, ROWS = "a" * 64, "b" * 64, "c" * 64, "d" * 64


def fill(home):
    """A store and an evaluation, all of whose inputs were named by absolute paths in `home`."""
    model, judge, prompts = f"{home}/writer.gguf", f"{home}/judge.gguf", f"{home}/own-prompts"
    with Store.open(home / "s.duckdb") as store:
        turns = (Turn("user", "How?"), Turn("assistant", "So."))
        rows = [Conversation(turns, n) for n in range(1, 4)]
        for path, digest, dataset in (
            ("a/rows.jsonl", ROWS, None), ("b/rows.jsonl", "e" * 64, None),
            ("more.jsonl [test]", "f" * 64, "more"),
        ):  # fmt: skip
            store.ingest(Source(f"{home}/{path}", f"{home}/{path}", digest, dataset), rows)
        phrase = Phrase("role", "You are a cook.")
        verdict = Verdict("role", phrase.text, "good", 0.9, 0.1, 0.0)
        for n in range(1, 10):
            store.commit([
                (n, "generate", Generated((phrase,))),
                (n, "filter", Filtered((phrase,))),
                (n, "verify", Verified((verdict,), phrase.text)),
                (n, "respond", Responded((turns[0], Turn("assistant", "Thus.")))),
            ])  # fmt: skip
        facts = {"model": model, "model_file": MODEL, "prompt_set": prompts, "prompts": PROMPTS}
        for phase in ("generate", "respond"):
            store.set_recipe(phase, MODEL, {**facts, "seed": "0"})
        store.set_recipe("filter", MODEL, {"prompt_set": prompts, "demonstrations": PROMPTS})
        store.set_recipe(
            "verify", JUDGE, {**facts, "judge": judge, "model": judge, "model_file": JUDGE}
        )
        store.end_run(store.start_run(f"run {home}/a/rows.jsonl --model {model}"), "done")
        graded = {"model": judge, "model_file": JUDGE, "prompt_set": prompts, "prefer": PROMPTS}
        queue = store.judge_queue(JUDGE, graded, pairs=9, aligned=0, seed=0)
        queue.commit([(pair.row, "judge", Judged(0.9, 0.8)) for pair in queue.due("judge")])
        store.write_measures({n: {"rouge1": 0.5} for n in range(1, 10)})
    with Evaluation.open(home / "e.duckdb") as evaluation:
        runs = []
        for path, digest in ((model, MODEL), (f"{home}/tuned/writer.gguf", "9" * 64)):
            answering = {"model": path, "model_file": digest}
            answered = evaluation.answer_run("sysbench", digest, answering)
            runs.append(evaluation.grading_run(answered, JUDGE, {"judge": judge}))
            scores = {"csr.total": 0.5, "questions.judged": 1.0, "questions.all": 1.0}
            evaluation.set_scores(runs[-1], scores)
        first, second = runs
        labels = model, f"{home}/tuned/writer.gguf (user)"
        found = Comparison("sysbench", "CSR", first, second, *labels, 0.5, 0.6, 0.1, 0.0, 0.2, 9)
        evaluation.set_comparisons([found])


@pytest.fixture
def home(tmp_path):
    home = tmp_path / "home-of-ann"
    home.mkdir()
    fill(home)
    return home


def test_the_report_names_files_and_hashes(home):
    from sysgen_local.cli.report import report

    options = ["-o", home / "r.html", "--db", home / "s.duckdb", "--evaluation", home / "e.duckdb"]
    done = CliRunner().invoke(report, [str(option) for option in options])
    assert done.exit_code == 0, done.output
    page = (home / "r.html").read_text()
    assert str(home) not in page
    assert "home-of-ann" not in page
    for name in (
        f"writer.gguf ({'a' * 12})", f"judge.gguf ({'b' * 12})", f"own-prompts ({'c' * 12})",
        f"rows.jsonl ({'d' * 12})", f"rows.jsonl ({'e' * 12})", f"more.jsonl [test] ({'f' * 12})",
        f"writer.gguf (user) ({'9' * 12})", f'"at":"rows.jsonl ({"d" * 12}), line 1"',
        '"at":"more.jsonl [test], line 1"', f"judged by judge.gguf ({'b' * 12})",
    ):  # fmt: skip
        assert name in page, name


def test_the_card_names_files_and_hashes(home):
    from sysgen_local.cli.export import export

    where = f"source <> '{home}/b/rows.jsonl' AND source NOT LIKE '{home}/b/%'"
    options = ["-o", home / "x.jsonl", "--db", home / "s.duckdb", "--where", where]
    options += ["--source", home / "a/rows.jsonl", "--source", home / "b/rows.jsonl"]
    done = CliRunner().invoke(export, [str(option) for option in options])
    assert done.exit_code == 0, done.output
    card = (home / "x.card.md").read_text()
    assert "home-of-ann" not in card
    assert f"- only rows of rows.jsonl ({'d' * 12}), rows.jsonl ({'e' * 12})" in card
    assert f"source <> 'rows.jsonl ({'e' * 12})' AND source NOT LIKE '%'" in card
    name = re.escape(f"rows.jsonl ({'d' * 12})")
    assert re.search(rf"\| {name} \| {name} \| unknown \| 3 \| 3 \|", card)
    assert f"model writer.gguf ({'a' * 12}), prompt_set own-prompts ({'c' * 12})" in card
    assert f"judge judge.gguf ({'b' * 12})" in card
    licences = card[card.index("## Licences") :]
    assert f"| writer.gguf ({'a' * 12}) |" in licences
    assert f"| judge.gguf ({'b' * 12}) |" in licences
    assert f"| rows.jsonl ({'d' * 12}) |" in licences
