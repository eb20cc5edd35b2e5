"""`--pairs`: files of preference pairs that rules chose, as dpo and as kto."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sysgen_local.core.errors import UsageError
from sysgen_local.core.pairs import PAIR_RULES
from sysgen_local.core.records import (
    Attempt,
    Checked,
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
from sysgen_local.exporting import ExportOptions
from sysgen_local.phases import pairs
from sysgen_local.store import Store
from sysgen_local.workflows.export import export

ONE = Phrase("format", "Answer in one sentence.")
WARM = Phrase("style", "Be friendly.")
BROKEN = "sentences: exactly 1 sentence"
LONG = "Rinse the {0}. Boil the {0}. Let it rest. Then eat it."
TWO = "Rinse the {0}. Boil the {0}."
GOOD = "Boil the {0} in water."
FOOD = ("rice", "peas", "corn", "kale", "beans", "beets")


def fill(store: Store, *, checked: bool = True) -> None:
    """Six finished rows. 1: another answer with two sentences. 2: one with four. 3: another one
    that was cut off. 4: no other one. 5: no demand. 6: the answer that stays breaks the demand."""
    said = [
        (GOOD, [(TWO, "disobeys")]), (GOOD, [(LONG, "disobeys"), (TWO, "disobeys")]),
        (GOOD, [(TWO, "cut_off")]), (GOOD, []), (GOOD, [(TWO, "disobeys")]), (TWO, []),
    ]  # fmt: skip
    asked = [f"How do I cook {food} for two people?" for food in FOOD]
    olds = [LONG.format(food) for food in FOOD]
    talks = [
        Conversation((Turn("user", ask), Turn("assistant", old)), n)
        for n, (ask, old) in enumerate(zip(asked, olds, strict=True), 1)
    ]
    store.ingest(Source("x.jsonl", "/x.jsonl", "f", None, "mit"), talks)
    for n, (new, others) in enumerate(said, 1):
        phrase = WARM if n == 5 else ONE
        verdict = Verdict(phrase.tag, phrase.text, "good", 0.9, 0.1, 0.0)
        answer = Turn("assistant", new.format(FOOD[n - 1]))
        attempts = tuple(
            Attempt(1, text.format(FOOD[n - 1]), False, None, 0.1, fault) for text, fault in others
        )
        results: list[Any] = [
            (n, "generate", Generated((phrase,))),
            (n, "filter", Filtered((phrase,))),
            (n, "verify", Verified((verdict,), phrase.text)),
            (n, "respond", Responded((Turn("user", asked[n - 1]), answer))),
        ]
        store.commit(results + ([(n, "check", Checked(attempts=attempts))] if checked else []))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "s.duckdb") as store:
        fill(store)
        yield store


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def said(row: dict[str, Any]) -> list[str]:
    """(user's last turn, chosen, rejected, broken) of a row of dpo."""
    one = row["prompt"][-1]["content"], row["chosen"][0]["content"], row["rejected"][0]["content"]
    return [*one, *row["broken"]]


def dpo(store: Store, path: Path, **options: Any) -> tuple[list[Any], dict[str, int]]:
    done = export(store, path, format="dpo", **options)
    [file] = done.files
    rows = read(path)
    assert len(rows) == file.rows
    assert file.rows + sum(file.left_out.values()) == 6
    for why, number in file.left_out.items():
        assert any(note.startswith("no pair from") and why in note for note in done.notes), why
        assert number > 0
    return [said(row) for row in rows], dict(file.left_out)


def ask(n: int) -> str:
    return f"How do I cook {FOOD[n - 1]} for two people?"


def text(of: str, n: int) -> str:
    return of.format(FOOD[n - 1])


def test_best_worst(store: Store, tmp_path: Path) -> None:
    found, left_out = dpo(store, tmp_path / "o.jsonl", pairs="best-worst")
    by_model = "follows: what a phrase asks, by the model"
    assert found == [
        [ask(1), text(GOOD, 1), text(TWO, 1), BROKEN],
        [ask(2), text(GOOD, 2), text(LONG, 2), BROKEN],
        [ask(5), text(GOOD, 5), text(TWO, 5), by_model],
    ]
    assert left_out == {pairs.UNUSABLE: 1, pairs.NO_CANDIDATE: 1, pairs.BREAKS: 1}


def test_obey_violate(store: Store, tmp_path: Path) -> None:
    found, left_out = dpo(store, tmp_path / "o.jsonl", pairs="obey-violate")
    assert found == [
        [ask(1), text(GOOD, 1), text(TWO, 1), BROKEN],
        [ask(2), text(GOOD, 2), text(LONG, 2), BROKEN],
        [ask(3), text(GOOD, 3), text(LONG, 3), BROKEN],
        [ask(4), text(GOOD, 4), text(LONG, 4), BROKEN],
    ]
    assert left_out == {pairs.NO_DEMAND: 1, pairs.BREAKS: 1}


def test_conflict(store: Store, tmp_path: Path) -> None:
    found, left_out = dpo(store, tmp_path / "o.jsonl", pairs="conflict")
    assert [row[1:] for row in found] == [
        [text(GOOD, n), text(LONG, n), BROKEN] for n in range(1, 5)
    ]
    for n, (prompt, *_) in enumerate(found, 1):
        assert prompt.startswith(f"{ask(n)} ")
        assert "at least 3 sentences" in prompt
    assert left_out == {pairs.NO_DEMAND: 1, pairs.BREAKS: 1}
    assert len({prompt.removeprefix(ask(n)) for n, (prompt, *_) in enumerate(found, 1)}) > 1
    folded, _ = dpo(store, tmp_path / "o.jsonl", pairs="conflict", fold_system=True)
    assert [row[0] for row in folded] == [f"{ONE.text}\n\n{row[0]}" for row in found]
    card = (tmp_path / "o.card.md").read_text()
    assert "asks for the opposite of a phrase" in card
    assert "`broken` lists what the rejected answer does not do" in card
    assert f"- no pair from 1 row: {pairs.NO_DEMAND}" in card


@pytest.mark.parametrize("rule", PAIR_RULES)
def test_kto_has_both_answers_of_each_pair(store: Store, tmp_path: Path, rule: Any) -> None:
    export(store, tmp_path / "d.jsonl", format="dpo", pairs=rule)
    done = export(store, tmp_path / "k.jsonl", format="kto", pairs=rule)
    pairs_, halves = read(tmp_path / "d.jsonl"), read(tmp_path / "k.jsonl")
    assert done.rows == len(halves) == 2 * len(pairs_)
    for pair, good, bad in zip(pairs_, halves[::2], halves[1::2], strict=True):
        for half, answer, label in ((good, "chosen", True), (bad, "rejected", False)):
            assert half["prompt"] == pair["prompt"]
            assert half["completion"] == pair[answer]
            assert half["label"] is label
            assert half["broken"] == ([] if label else pair["broken"])
    assert "a pair is two rows" in (tmp_path / "k.card.md").read_text()
    export(store, tmp_path / "k.parquet", format="kto", pairs=rule)
    parquet = store.query(f"SELECT label, broken FROM '{tmp_path}/k.parquet'").fetchall()
    assert parquet == [(half["label"], half["broken"]) for half in halves]


def test_the_older_pairs_have_no_column_broken(store: Store, tmp_path: Path) -> None:
    export(store, tmp_path / "k.jsonl", format="kto")
    halves = read(tmp_path / "k.jsonl")
    assert {frozenset(half) for half in halves} == {frozenset({"prompt", "completion", "label"})}
    assert [half["label"] for half in halves] == [True, False] * 6


def test_parts_of_the_data_add_up(store: Store, tmp_path: Path) -> None:
    splits = {"train": 0.5, "test": 0.5}
    done = export(store, tmp_path / "o.jsonl", format="dpo", pairs="obey-violate", splits=splits)
    assert done.rows == 4
    assert sum(of.skipped for of in done.files) == 2
    done = export(store, tmp_path / "o.jsonl", format="dpo", pairs="conflict", where="row < 3")
    assert done.rows == 2
    done = export(store, tmp_path / "o.jsonl", format="dpo", pairs="conflict", sources=["x.jsonl"])
    assert done.rows == 4
    assert "| x.jsonl | x.jsonl (f) | mit | 6 | 4 |" in (tmp_path / "o.card.md").read_text()
    with pytest.raises(UsageError, match="--where nonsense"):
        export(store, tmp_path / "o.jsonl", format="dpo", pairs="conflict", where="nonsense")


def test_answers_of_a_person_count(store: Store, tmp_path: Path) -> None:
    """An edited answer is looked at anew, and so is one under an edited system message."""
    store.review(6, "accepted", answers=[text(GOOD, 6)])
    store.review(5, "accepted", [Phrase("format", "Answer in one sentence.")])
    store.review(4, "accepted", answers=[text(TWO, 4)])
    store.review(3, "rejected")
    done = export(store, tmp_path / "o.jsonl", format="dpo", pairs="obey-violate")
    rows = [said(row) for row in read(tmp_path / "o.jsonl")]
    assert [row[0] for row in rows] == [ask(1), ask(2), ask(5), ask(6)]
    assert rows[2][1:] == [text(GOOD, 5), text(TWO, 5), BROKEN]
    assert rows[3][1:] == [text(GOOD, 6), text(LONG, 6), BROKEN]
    assert dict(done.files[0].left_out) == {pairs.BREAKS: 1}


def test_a_store_for_reading_alone_and_without_checks(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s.duckdb") as store:
        fill(store, checked=False)
    with Store.open(tmp_path / "s.duckdb", read_only=True) as store:
        done = export(store, tmp_path / "o.jsonl", format="dpo", pairs="obey-violate")
        assert done.rows == 4
        assert export(store, tmp_path / "k.jsonl", format="kto", pairs="conflict").rows == 8
        with pytest.raises(UsageError, match="were not checked"):
            export(store, tmp_path / "o.jsonl", format="dpo", pairs="best-worst")
        assert store.query("SELECT * FROM duckdb_tables() WHERE temporary").fetchall() == []


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"pairs": "best-worst"}, "--pairs best-worst chooses between two answers, and messages"),
        ({"format": "dpo", "pairs": "conflict", "prefer": "checked"}, "both say which answers"),
        ({"format": "kto", "pairs": "conflict", "variant": "common"}, "only the original answers"),
        ({"format": "kto", "prefer": "judged"}, "no judge has compared"),
        ({"format": "kto", "variant": "original"}, "only the original answers"),
        ({"format": "dpo", "pairs": "any"}, "pairs cannot be 'any'"),
        ({"format": "kto", "checks": True}, "kto has no place for what was checked"),
    ],
)
def test_options_that_do_not_go_together(
    store: Store, tmp_path: Path, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        export(store, tmp_path / "o.jsonl", **options)
    assert "\n" not in caught.value.message
    assert not list(tmp_path.glob("o.*"))


def test_the_options_have_one_rule(store: Store) -> None:
    selection = ExportOptions("dpo", pairs="conflict").selection()
    with store.paired(selection, lambda row: pairs.pair_of(row, "conflict")):
        assert [row for row, _ in store.instructions("dpo", "full", selection)] == [1, 2, 3, 4]
        assert sum(part.rows for part in store.lineage("dpo", selection)) == 4
