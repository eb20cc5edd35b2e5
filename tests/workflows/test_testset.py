"""Test sets of real stores: what is in them, what is not, and that no training has seen them."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from questions import run

import sysgen_local as sysgen
from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.core.language import language_of
from sysgen_local.core.records import (
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
from sysgen_local.evaluation.benchmarks.by_rule import rule_of
from sysgen_local.evaluation.benchmarks.distractors import REMARKS, REQUESTS
from sysgen_local.evaluation.benchmarks.own import read_items
from sysgen_local.exporting import ExportOptions, export
from sysgen_local.exporting.near_duplicates import NEAR
from sysgen_local.exporting.normalized import normalized
from sysgen_local.phases.checks.countable import demands
from sysgen_local.store import Store
from sysgen_local.workflows.testset import WrittenItems

ROLE = Phrase("role", "You are a cook.")
ONE = Phrase("format", "Answer in one sentence.")
LIST = Phrase("format", "Use a numbered list of five items.")
WARM = Phrase("style", "Be friendly.")
LONG = "That depends on the time that you have, and on what you like best."


def talk(question: str, answer: str = LONG, line: int = 1, **more) -> Conversation:
    return Conversation((Turn("user", question), Turn("assistant", answer)), line, **more)


def add(store: Store, rows: list[tuple[Conversation, tuple[Phrase, ...]]], upto: str = "") -> None:
    """The rows with these phrases. `upto`: the last phase, by default verify for odd rows, and
    check, which drops every fourth row, for even ones."""
    store.ingest(Source("/home/me/rows.jsonl", "/rows.jsonl", "f"), [of for of, _ in rows])
    for number, (conversation, phrases) in enumerate(rows, 1):
        verdicts = tuple(Verdict(p.tag, p.text, "good", 0.9, 0.1, 0.0) for p in phrases)
        system = " ".join(phrase.text for phrase in phrases)
        results = [
            (number, "generate", Generated(phrases)),
            (number, "filter", Filtered(phrases)),
            (number, "verify", Verified(verdicts, system or None, None if system else "no_good")),
        ]
        if system and number % 2 == 0 and upto != "verify":
            new = (*conversation.turns[:-1], Turn("assistant", f"New {number}."))
            dropped = "disobeys" if number % 4 == 0 else None
            results += [
                (number, "respond", Responded(new)),
                (number, "check", Checked(dropped=dropped)),
            ]
        store.commit(results)


ASKED: dict[str, Any] = {"held_out": 1, "kinds": ("obey", "plain")}


def made(path: Path, rows, **options) -> tuple[WrittenItems, list[dict]]:
    with Store.open(path / "s.duckdb") as store:
        add(store, rows)
        done = sysgen.write_testset(store, path / "test.jsonl", **{**ASKED, **options})
    return done, read(path / "test.jsonl")


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def jaccard(one: str, other: str) -> float:
    some, others = normalized(one).ngrams, normalized(other).ngrams
    return len(some & others) / len(some | others)


def test_an_item_has_all_that_a_grading_needs(tmp_path):
    done, [obey, plain] = made(tmp_path, [(talk("What is 7 times 8?", "56", 9), (ROLE, ONE, WARM))])
    result = {"kind": "result", "text": "56"}
    sentence = {"phrase": ONE.text, "kind": "sentences", "text": "exactly 1 sentence"}
    shared = {
        "messages": [{"role": "user", "content": "What is 7 times 8?"}],
        "original": "56", "source": "rows.jsonl", "line": 9,
    }  # fmt: skip
    system = "You are a cook. Answer in one sentence. Be friendly."
    warm = {"phrase": WARM.text, "kind": "read", "text": WARM.text}  # a role is not in an answer
    assert obey == {
        "kind": "obey", "id": "1-obey", "system": system, "checks": [sentence, result, warm],
        **shared,
    }  # fmt: skip
    assert plain == {"kind": "plain", "id": "1-plain", "checks": [result], **shared}
    assert done.items == {"obey": 1, "plain": 1}
    assert done.checks == {
        "obey": {"sentences": 1, "result": 1, "read": 1}, "plain": {"result": 1}
    }  # fmt: skip
    for item in read_items(tmp_path / "test.jsonl"):
        assert all(rule_of(item, check) or check.kind == "read" for check in item.checks)


def test_rows_of_every_state_are_in_it_and_every_other_row_has_a_reason(tmp_path):
    tools = (
        Turn("user", "How warm is it?"), Turn("function_call", '{"name": "f", "arguments": {}}'),
        Turn("observation", "4"), Turn("assistant", "4 degrees."),
    )  # fmt: skip
    rows = [
        (talk("How do I bake bread?"), (ONE,)),  # only verified
        (talk("Where do whales sleep?"), (ONE,)),  # final
        (talk("When was the moon landing?"), (ROLE, WARM)),
        (talk("Why do cats purr at night?"), (ONE,)),  # dropped by the checks
        (talk("Who wrote the first novel?"), (ONE, LIST)),
        (talk("What is 3 plus 4?", "7"), ()),  # dropped in verify
        (Conversation(tools, 1), (ONE,)),
        (talk("Which key opens a file?", tools="[]"), (ONE,)),
        (talk("Say how one sails.\nIn French."), (ONE, Phrase("format", "Answer in French."))),
    ]
    done, items = made(tmp_path, rows)
    assert sorted(item["id"] for item in items) == ["1-obey", "2-obey", "4-obey", "6-plain",
                                                    "9-obey"]  # fmt: skip
    assert done.looked_at == 9
    assert done.left_out["obey"] == {
        "it has tools": 2, "no phrase that a rule can test": 1, "no system message": 1,
        "its demands contradict one another": 1,
    }  # fmt: skip
    assert done.left_out["plain"] == {"no result that a rule can compare": 6, "it has tools": 2}


def test_no_result_is_compared_in_another_language_and_no_code_where_it_is_forbidden(tmp_path):
    french = Phrase("format", "Answer in French.")
    bare = Phrase("format", "Do not use code.")
    code = "```python\nprint(1)\n```"
    rows = [
        (talk("Is ice cold?", "Yes"), (french,)),
        (talk("How do I print one?", code), (bare,)),
        (talk("How do I print one in this language?", code), (ONE,)),
    ]
    _, items = made(tmp_path, rows)
    kinds = {item["id"]: [check["kind"] for check in item["checks"]] for item in items}
    assert kinds == {
        "1-obey": ["language"], "1-plain": ["result"], "2-obey": ["without"], "2-plain": ["code"],
        "3-obey": ["sentences", "code"], "3-plain": ["code"],
    }  # fmt: skip


def test_a_person_decides_last(tmp_path):
    rows = [(talk(f"How do I cook meal {n}?"), (ONE,)) for n in (2, 14, 26)]
    rows.append((talk("Where do whales sleep?"), (ONE, WARM)))
    rows.append((talk("Why do cats purr at night?"), (ONE, WARM)))
    with Store.open(tmp_path / "s.duckdb") as store:
        add(store, rows)
        store.review(2, "rejected")
        store.review(4, "accepted")
        store.review(1, "accepted", [Phrase("format", "Use bullet points.")])
        done = sysgen.write_testset(store, tmp_path / "test.jsonl", **ASKED)
    items = {item["id"]: item for item in read(tmp_path / "test.jsonl")}
    assert items.keys() == {"1-obey", "3-obey", "4-obey", "5-obey"}
    warm = {"phrase": WARM.text, "kind": "read", "text": WARM.text}
    assert items["4-obey"]["checks"][-1] == warm | {"verdict": "accepted"}
    assert items["5-obey"]["checks"][-1] == warm
    assert items["1-obey"]["system"] == "Use bullet points."
    assert [check["kind"] for check in items["1-obey"]["checks"]] == ["bullets"]
    assert done.left_out["obey"] == {"declined by a person": 1}


WORDS = "bread boat cat door egg fish garden hat ice jam key lamp moon nail oak pen rope".split()


def questions(rng: random.Random, number: int) -> list[str]:
    """Questions, some of which come again, or nearly again."""
    found: list[str] = []
    while len(found) < number:
        words = " ".join(rng.choices(WORDS, k=7))
        text = f"What do you know about the {words} of {rng.randint(1, 9)} people?"
        again = rng.random()
        if found and again < 0.1:
            text = rng.choice(found)
        elif found and again < 0.3:
            text = f"{rng.choice(found)} Please."
        found.append(text)
    return found


@pytest.mark.parametrize(("seed", "share"), [(1, 0.3), (2, 0.5), (3, 0.15), (4, 0.9)])
def test_no_instruction_is_in_the_training_share(tmp_path, seed, share):
    rng = random.Random(seed)
    asked = questions(rng, 120)
    rows = [(talk(text, "7", line), (ONE,)) for line, text in enumerate(asked, 1)]
    train = 1 - share
    with Store.open(tmp_path / "s.duckdb") as store:
        add(store, rows)
        done = sysgen.write_testset(store, tmp_path / "test.jsonl", held_out=share)
        splits = {"train": round(train, 9)}
        [exported] = export(store, tmp_path / "out.jsonl", ExportOptions(splits=splits))
        finished = [row.conversation.turns[0].content for row in store.rows()]
    trained = {
        line["messages"][1]["content"] for line in read(exported.path)
    }  # fmt: skip
    items = read(tmp_path / "test.jsonl")
    tested = [item["messages"][0]["content"] for item in items if item["kind"] in ASKED["kinds"]]
    by_id = {item["id"]: item for item in items}
    for item in items:
        if item["kind"] in ("conflict", "distract"):
            [question] = by_id[item["aligned"]]["messages"]
            assert question["content"] in item["messages"][-1]["content"]
    assert done.items["conflict"] == done.items["distract"] == done.items["obey"]
    assert trained
    assert tested
    assert trained <= set(finished)
    assert trained.isdisjoint(tested)
    for text in set(tested):
        assert tested.count(text) == 2  # an obey and a plain item of one row
        for other in trained:
            same = normalized(text).exact == normalized(other).exact
            assert not same or jaccard(text, other) < NEAR
    assert 0 < done.looked_at < len(asked)
    near = done.left_out["obey"]
    assert done.items["obey"] + sum(near.values()) == done.looked_at
    assert near.keys() <= {"like a row that is not held out", "like another row of the test set"}
    if seed == 2:
        assert len(near) == 2


def test_a_smaller_test_set_is_the_end_of_a_larger_one(tmp_path):
    rows = [(talk(f"What do you know about {n} boats?"), (ONE,)) for n in range(60)]
    done, items = made(tmp_path, rows)
    few, first = made_again(tmp_path, limit=5)
    assert first == items[:5]
    assert few.left_out["obey"]["more than 5 items"] == len(items) - 5
    half, last = made_again(tmp_path, held_out=0.5)
    assert half.looked_at < done.looked_at
    assert last == items[: len(last)]
    some, chosen = made_again(tmp_path, where='"row" <= 10')
    assert some.looked_at == 10
    assert {item["id"] for item in chosen} == {f"{n}-obey" for n in range(1, 11)}


def made_again(path: Path, **options) -> tuple[WrittenItems, list[dict]]:
    with Store.open(path / "s.duckdb") as store:
        done = sysgen.write_testset(store, path / "again.jsonl", **{**ASKED, **options})
    return done, read(path / "again.jsonl")


def test_what_is_refused(tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text("")
    with Store.open(tmp_path / "s.duckdb") as store:
        store.ingest(Source("rows.jsonl", str(rows.resolve()), "f"), [talk("How do I bake bread?")])
        with pytest.raises(UsageError, match="is an input of"):
            sysgen.write_testset(store, rows)
        with pytest.raises(UsageError, match="no ending"):
            sysgen.write_testset(store, tmp_path / "test.parquet")
        with pytest.raises(UsageError, match="does not exist"):
            sysgen.write_testset(store, tmp_path / "none" / "test.jsonl")
        with pytest.raises(UsageError, match="held_out cannot be 0"):
            sysgen.write_testset(store, tmp_path / "test.jsonl", held_out=0)
        with pytest.raises(UsageError, match="--where nonsense"):
            sysgen.write_testset(store, tmp_path / "test.jsonl", where="nonsense")
        with pytest.raises(SysgenError, match="none of 1 held-out row gives an item") as none:
            sysgen.write_testset(store, tmp_path / "test.jsonl", held_out=1)
    assert "no system message 1" in none.value.message
    assert not (tmp_path / "test.jsonl").exists()


def test_the_commands_from_a_run_to_the_scores(tmp_path):
    """A run of the built-in model, its test set, and the training share."""
    source = [
        {"instruction": f"How do I make {what}?", "output": "With care."}
        for what in ("bread", "green tea", "a boat", "a garden", "soup", "a kite", "ink", "jam")
    ]
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in source))
    db, test = tmp_path / "s.duckdb", tmp_path / "test.jsonl"
    run("run", rows, "--db", db, "--no-check", "-q", "--yes")
    test.write_text("something else")
    said = run("testset", "--db", db, "-o", test, "--held-out", 0.6)
    assert "held-out rows looked at: the last 0.6" in said.stderr
    assert f"written to {test}" in said.stderr
    items = read(test)
    done = json.loads(
        run("testset", "--db", db, "-o", test, "--held-out", 0.6, "-q", "--json").stdout
    )
    assert read(test) == items
    kinds = [item["kind"] for item in items]
    assert done["items"] == {
        kind: kinds.count(kind) for kind in ("obey", "plain", "conflict", "distract", "turns")
    }
    assert 0 < done["items"]["conflict"] <= done["items"]["obey"] == done["items"]["distract"]
    run("export", "--db", db, "-o", tmp_path / "out.jsonl", "--split", "train=0.4", "-q")
    run("export", "--db", db, "-o", tmp_path / "all.jsonl", "--exclude", test, "-q")
    tested = {item["messages"][0]["content"] for item in items if item["kind"] == "obey"}
    for name in ("out-train.jsonl", "all.jsonl"):
        trained = {row["messages"][1]["content"] for row in read(tmp_path / name)}
        assert trained.isdisjoint(tested)
    options = ("--model", "builtin", "--db", tmp_path / "e.duckdb", "--max-answer-tokens", 24)
    scores = json.loads(run("evaluate", "own", test, *options, "-q", "--json").stdout)
    counts = scores["counts"]
    assert {kind: counts[kind] for kind in ("obey", "conflict", "distract")} == {
        kind: kinds.count(kind) for kind in ("obey", "conflict", "distract")
    }
    assert counts["conflict_pairs"] == counts["gave_in_of"] == counts["conflict"]
    assert scores["conflict_drop"] is not None
    said = run("testset", "--db", db, "-o", rows, code=2)
    assert "is an input of" in said.stderr


# Conflicts, distractors, several turns


def test_a_conflict_is_the_obey_item_with_the_opposite(tmp_path):
    done, [obey, conflict] = made(
        tmp_path, [(talk("How do I bake bread?"), (ROLE, ONE))], kinds=("conflict", "obey")
    )
    asks = conflict["asks"]
    assert asks["text"] == "at least 3 sentences"
    assert "3 sentences" in asks["sentence"]
    assert conflict["messages"] == [
        {"role": "user", "content": f"How do I bake bread?\n\n{asks['sentence']}"}
    ]
    assert conflict["checks"] == obey["checks"]
    assert (conflict["id"], conflict["aligned"]) == ("1-conflict", "1-obey")
    assert conflict["system"] == obey["system"]
    assert done.items == {"obey": 1, "conflict": 1}
    assert len(read_items(tmp_path / "test.jsonl")) == 2


def test_a_list_of_a_program_has_no_opposite(tmp_path):
    returns = Phrase("format", "Return a list of all subsets.")
    rows = [
        (talk("Which subsets have a sum of 14?"), (returns,)),
        (talk("Find subsets by code."), (Phrase("task", "Write the function in Python."), returns)),
        (talk("How is an array sorted?"), (Phrase("format", "Sort the numbers in a list."),)),
        (talk("What are indexes?"), (Phrase("format", "Create a table in the database."),)),
    ]
    done, items = made(tmp_path, rows, kinds=("obey", "conflict"))
    assert [item["id"] for item in items] == ["1-obey", "1-conflict"]
    assert items[1]["asks"]["text"] == "no lists"
    for kind in ("obey", "conflict"):
        assert done.left_out[kind] == {"no phrase that a rule can test": 3}


def test_a_conflict_is_about_one_demand_and_varies(tmp_path):
    warm = Phrase("format", 'Use the word "tea".')
    rows = [(talk(f"How do I bake a cake of {word}?"), (ONE, warm)) for word in WORDS]
    _, items = made(tmp_path, rows, kinds=("conflict",))
    assert len(items) == len(WORDS)
    assert {len(item["checks"]) for item in items} == {1}
    assert {item["checks"][0]["kind"] for item in items} == {"sentences", "use words"}
    assert len({item["asks"]["sentence"] for item in items}) > 5
    assert all("aligned" not in item for item in items)  # there is no obey item in the file
    assert len(read_items(tmp_path / "test.jsonl")) == len(WORDS)


def test_a_distractor_is_in_the_language_of_the_row(tmp_path):
    german = [
        (talk(f"{ask} ich am besten {what}?", "Mit Geduld und gutem Werkzeug."), (ONE,))
        for ask, what in (
            ("Wie backe", "einen Apfelkuchen"),
            ("Wo finde", "frische Pilze"),
            ("Wann pflanze", "junge Bäume im Garten"),
            ("Womit putze", "alte Schuhe"),
            ("Warum verliere", "so viel Schlaf"),
            ("Welche Bücher lese", "zuerst im Urlaub"),
            ("Wie lange koche", "rote Bohnen"),
            ("Mit wem bespreche", "meine Steuern"),
        )
    ]
    done, items = made(tmp_path, german, kinds=("obey", "distract"))
    assert done.items == {"obey": 8, "distract": 8}
    kinds = {item["distractor"] for item in items if item["kind"] == "distract"}
    assert kinds == {"remark", "request"}
    by_id = {item["id"]: item for item in items}
    known = (*REMARKS["de"], *REQUESTS["de"])
    for item in (of for of in items if of["kind"] == "distract"):
        [question] = by_id[item["aligned"]]["messages"]
        texts = [message["content"] for message in item["messages"]]
        assert question["content"] in texts[-1]
        assert len(texts) == (1 if item["distractor"] == "remark" else 2)
        rest = "".join(texts).replace(question["content"], "").strip()
        assert rest in known
        assert item["checks"] == by_id[item["aligned"]]["checks"]


def test_all_turns_of_the_user_are_asked(tmp_path):
    two = (Turn("user", "How do I bake bread?"), Turn("assistant", LONG),
           Turn("user", "And rolls, which are smaller?"), Turn("assistant", LONG))  # fmt: skip
    call = (*two, Turn("user", "How warm is it?"), Turn("function_call", "f()"),
            Turn("observation", "4"), Turn("assistant", "4."))  # fmt: skip
    rows = [(Conversation(two, 1), (ONE,)), (talk("Where do whales sleep?"), (ONE,)),
            (Conversation(call, 3), (ONE,)),
            (Conversation(two[:2] + call[4:], 4), (WARM,))]  # fmt: skip
    done, [item] = made(tmp_path, rows, kinds=("turns",))
    assert item["messages"] == [
        {"role": "user", "content": text}
        for text in ("How do I bake bread?", "And rolls, which are smaller?")
    ]
    assert done.left_out["turns"] == {
        "one turn of the user alone": 1, "it has tools": 1, "no phrase that a rule can test": 1,
    }  # fmt: skip


def test_no_later_turn_is_in_the_training_share(tmp_path):
    """Every second question is a later turn of another row, or nearly so."""
    rng = random.Random(7)
    asked = list(dict.fromkeys(questions(rng, 90)))
    rows = []
    for n, text in enumerate(asked):
        later = f"{asked[n - 1]} Please." if n % 2 else f"What else is there about number {n}?"
        talked = (Turn("user", text), Turn("assistant", LONG), Turn("user", later),
                  Turn("assistant", LONG))  # fmt: skip
        rows.append((Conversation(talked, n + 1), (ONE,)))
    with Store.open(tmp_path / "s.duckdb") as store:
        add(store, rows)
        done = sysgen.write_testset(store, tmp_path / "test.jsonl", held_out=0.5, kinds=("turns",))
        trained = list(store.instructions_before(0.5))
    items = read(tmp_path / "test.jsonl")
    assert items
    assert done.left_out["turns"]["like a row that is not held out"] > 5
    for item in items:
        for message in item["messages"]:
            for other in trained:
                same = normalized(message["content"]).exact == normalized(other).exact
                assert not same or jaccard(message["content"], other) < NEAR


def test_what_has_no_wording_is_counted(tmp_path):
    japanese = "パンはどうやって焼きますか。教えてください。"
    rows = [
        (talk(japanese, "オーブンで焼きます。"), (ONE,)),
        (talk("How do I bake a large loaf of bread?"), (Phrase("format", "Do not use commas."),)),
    ]
    done, items = made(tmp_path, rows, kinds=("conflict", "distract"))
    assert [item["kind"] for item in items] == ["distract"]
    assert done.left_out["conflict"] == {
        "no wording of the opposite in its language": 1, "no demand that has an opposite": 1,
    }  # fmt: skip
    assert done.left_out["distract"] == {"no distractor in its language": 1}
    for kind, left in done.left_out.items():
        assert done.items[kind] + sum(left.values()) == done.looked_at == 2
    with pytest.raises(UsageError, match="kind cannot be 'other'"):
        made_again(tmp_path, kinds=("other",))


@pytest.mark.parametrize("language", ["en", "de", "fr", "es"])
def test_distractors_are_in_their_language_and_do_nothing_that_is_asked_for(language):
    for texts in (REMARKS[language], REQUESTS[language]):
        assert len(set(texts)) == len(texts) == 6
        assert language_of(" ".join(texts)) == language
        assert not any(char.isdigit() or char in "*#-|`" for text in texts for char in text[1:])
    assert not any(demands(text) for text in (*REMARKS[language], *REQUESTS[language]))
