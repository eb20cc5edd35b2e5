"""`sysgen judge --trust`: the figures on a terminal, as JSON and on the report page."""

from __future__ import annotations

import json

import pytest
from filled import ROLE, TOOL, fill
from questions import run

from sysgen_local.cli.outputs import Trust
from sysgen_local.store import Judged, Label, Store


@pytest.fixture
def db(tmp_path):
    path = tmp_path / "s.duckdb"
    fill(path, 30)
    with Store.open(path) as store:
        store.set_recipe("verify", "a" * 64, {"model": str(tmp_path / "home" / "writer.gguf")})
    return path


def label(store, rows, reviewer, said, random=True):
    store.add_labels([
        Label(row, "phrase", said(row), reviewer, phrase.tag, phrase.text, random=random)
        for row in rows for phrase in (ROLE, TOOL)
    ])  # fmt: skip


def test_a_store_without_labels_says_how_to_get_some(db):
    said = run("judge", "--trust", "--db", db)
    assert "no label of phrases counts yet" in " ".join(said.stdout.split())
    assert "sysgen review --blind --db" in said.stdout.replace("\n", " ")
    assert "pairs of answers" not in said.stdout  # no judge has compared any


def test_the_figures_are_those_of_the_labels(db):
    with Store.open(db) as store:
        # The model says good of every role, and of two in three tools.
        label(store, range(1, 25), "ann", lambda row: "good" if row % 4 else "bad")
        label(store, range(1, 13), "bob", lambda row: "good")
        label(store, range(25, 29), "ann", lambda row: "bad", random=False)
        queue = store.judge_queue("b" * 64, {"model": "j"}, pairs=30, aligned=0, seed=0)
        pairs = {pair.row: Judged(0.9, 0.1 if pair.row % 2 else 0.8) for pair in queue.due("judge")}
        queue.commit([(row, "judge", judged) for row, judged in pairs.items()])
        shown = {row: store.pair_texts(row)[0] for row in pairs}
        store.add_labels([Label(row, "pair", "new", "ann", shown=shown[row]) for row in pairs])
    found = Trust.model_validate_json(run("judge", "--trust", "--db", db, "--json").stdout)
    phrases, of_pairs = found.judges
    assert (phrases.of, of_pairs.of, of_pairs.judge) == ("phrase", "pair", "j")
    # Of rows 1 to 12 two reviewers are divided on 4, 8 and 12, two phrases each: ann came first.
    assert (phrases.cases, phrases.divided) == (48, 6)
    assert found.labels["phrase"].asked_for_doubt == 8
    expected = 0
    for row in range(1, 25):
        person = "good" if row % 4 else "bad"
        expected += (person == "good") + (person == ("good" if row % 3 else "bad"))
    assert phrases.agreement.agreed == expected
    assert {*phrases.by_tag} == {"role", "tool"}
    [both] = found.reviewers
    assert (both.reviewers, both.cases, both.agreed) == (["ann", "bob"], 24, 18)
    odd = sum(row % 2 for row in pairs)
    assert (of_pairs.order.pairs, of_pairs.order.flipped) == (len(pairs), odd)
    assert of_pairs.agreement.agreed == len(pairs) - odd  # a tie is no new answer
    said = " ".join(run("judge", "--trust", "--db", db).stdout.split())
    assert "it agrees with people on" in said
    assert "order: the verdict changes with the order in" in said
    assert "labels that do not count: 8 asked because the judge was unsure" in said
    assert "are its probabilities right?" in said


def test_the_report_shows_it_without_names_and_paths(db, tmp_path):
    page = tmp_path / "page.html"
    run("report", "-o", page, "--db", db)
    assert "Can the judge be trusted?" not in page.read_text()
    with Store.open(db) as store:
        label(store, range(1, 25), "ann-marie", lambda row: "good" if row % 4 else "bad")
        label(store, range(1, 25), "bob-and-co", lambda row: "good" if row % 4 else "bad")
    run("report", "-o", page, "--db", db)
    text = page.read_text()
    assert "Can the judge be trusted?" in text
    assert "<figcaption>writer.gguf and people</figcaption><svg" in text
    assert "reviewer 1 and reviewer 2, phrases" in text
    for private in ("ann-marie", "bob-and-co", str(tmp_path)):
        assert private not in text


def test_what_goes_with_a_model_does_not_go_with_it(db):
    for more in (("--judge", "builtin"), ("--retry-failed",), ("--prompts", "compact")):
        said = run("judge", "--trust", "--db", db, *more, code=2)
        assert f"--trust asks no model and cannot go with {more[0]}" in said.stderr


def test_the_store_is_only_read(db):
    before = db.read_bytes()
    assert json.loads(run("judge", "--trust", "--db", db, "--json").stdout)["judges"]
    assert db.read_bytes() == before
