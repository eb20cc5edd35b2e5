"""Advice on poor data: from counts that leave no doubt, the same in memory as from a store."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import fields, replace
from typing import Any

import pytest
from rich.console import Console

from sysgen_local.core.advice import ENDLESS, FEWEST, findings, past
from sysgen_local.core.quality import LANGUAGES, PHRASES, QualityCounts
from sysgen_local.core.records import (
    PHASES,
    Checked,
    Conversation,
    Filtered,
    Generated,
    Phrase,
    Removed,
    Responded,
    Row,
    Source,
    Turn,
    Verdict,
    Verified,
)
from sysgen_local.report.live import Plain, note, view
from sysgen_local.report.status import state
from sysgen_local.report.tables import tables
from sysgen_local.store import Store
from sysgen_local.workflows.plan import progress_of

THINGS = ("rivers", "old maps", "bread", "violins", "taxes", "the moon", "glass", "winter")


def conversation(i: int, question: str = "How do people make things like that?") -> Conversation:
    return Conversation((Turn("user", question), Turn("assistant", f"It depends on {i}.")), i)


def good_row(i: int) -> dict[Any, Any]:
    """Tags and phrases as a good model writes them: no two sets alike for long."""
    tags = ["role", "content", "task", *("action", "style", "background", "format")[i % 4 :: 2]]
    verdicts = [
        Verdict(tag, f"Speak of {THINGS[(i + k) % 8]} number {i}.",
                "good" if (i + k) % 6 else "bad", 0.4 + 0.5 * ((i + k) % 6 / 6), 0.1, 0.0)
        for k, tag in enumerate(tags)
    ]  # fmt: skip
    phrases = tuple(Phrase(v.tag, v.text) for v in verdicts)
    system = " ".join(v.text for v in verdicts if v.label == "good")
    turns = (Turn("user", "How?"), Turn("assistant", "So."))
    return {
        "generate": Generated(phrases),
        "filter": Filtered(phrases),
        "verify": Verified(tuple(verdicts), system),
        "respond": Responded(turns),
        "check": Checked(agrees=True, obeys=0.9),
    }


def seen(rows: int, change=lambda i, results: None, **known) -> QualityCounts:
    """The counts of rows that are good but for what `change` does to the results of each."""
    counts = QualityCounts(**{"model": "m", "parameters": 7_000_000_000} | known)
    for i in range(1, rows + 1):
        results = good_row(i)
        change(i, results)
        row = Row(i, conversation(i))
        for phase in PHASES:
            counts.add(row, phase, results[phase])
            if results[phase].dropped:
                break
    return counts


def names(counts: QualityCounts) -> list[str]:
    return [finding.name for finding in findings(counts)]


def same_tags(i, results):
    verdicts = (Verdict("tool", f"Use tool {i}.", "good", 0.5 + i % 7 / 20, 0.1, 0.0),)
    results["verify"] = Verified(verdicts, verdicts[0].text)


def same_phrase(i, results):
    verified = results["verify"]
    own = Verdict("style", "Be clear.", "good", 0.7, 0.1, 0.2)
    if i % 2:
        results["verify"] = replace(verified, verdicts=(*verified.verdicts, own))


def lifted(i, results):
    removed = tuple(Removed("tool", "Use it.", "lifted") for _ in range(2))
    results["filter"] = replace(results["filter"], removed=removed)


def all_good(i, results):
    verdicts = tuple(v._replace(label="good") for v in results["verify"].verdicts)
    results["verify"] = replace(results["verify"], verdicts=verdicts)


def flat(i, results):
    verdicts = tuple(v._replace(good=0.61) for v in results["verify"].verdicts)
    results["verify"] = replace(results["verify"], verdicts=verdicts)


def no_roles(i, results):
    verdicts = tuple(
        v._replace(label="none") if v.tag == "role" else v for v in results["verify"].verdicts
    )
    results["verify"] = replace(results["verify"], verdicts=verdicts)


def wrong_script(i, results):
    if i % 5 == 0:
        removed = (Removed("role", "Du bist.", "wrong_script"),)
        results["filter"] = replace(results["filter"], removed=removed)


def other_language(i, results):
    system = "Du bist ein erfahrener Koch und erklärst jeden Schritt genau."
    results["verify"] = replace(results["verify"], system=system)


def tries(i, results):
    results["check"] = Checked(agrees=True, tries=2 if i % 4 else 1)


def disagrees(i, results):
    results["check"] = Checked(agrees=False, tries=1, dropped="disagrees" if i % 4 == 0 else None)


def too_long(i, results):
    results["generate"] = Generated(dropped="too_long" if i % 3 == 0 else None)


POOR = {
    "same_tags": (same_tags, "In 80 of 80 rows the good phrases have the same tags (tool)"),
    "often_tool": (same_tags, "In 80 of 80 rows there is a good phrase under `tool`"),
    "same_phrase": (same_phrase, "In 40 of 80 rows stands the same phrase, “Be clear.”"),
    "lifted": (lifted, "160 of 520 phrases were lifted"),
    "same_verdict": (all_good, "is good: it hardly tells them apart"),
    "removed_role": (no_roles, "The verdict removed 80 of 80 phrases under `role`, most as none"),
    "wrong_script": (wrong_script, "In 16 of 80 rows phrases were removed"),
    "other_language": (other_language, "In 80 of 80 rows the system message is in another"),
    "tries": (tries, "In 60 of 80 rows the first new answer"),
    "check_disagrees": (disagrees, "20 of 80 rows were dropped by `check` as disagrees"),
    "generate_too_long": (too_long, "26 of 80 rows were dropped by `generate` as too_long"),
}


def test_a_few_rows_prove_nothing():
    assert not past(3, 5, 0.4)
    assert not past(5, 5, 0.1)
    assert not past(25, 50, 0.4)
    assert past(30, 50, 0.4)
    assert not past(900, 1000, 0.88)  # the interval begins at 0.8798
    assert past(900, 1000, 0.879)


def test_good_data_is_left_alone():
    assert names(seen(300)) == []


@pytest.mark.parametrize("name", POOR)
def test_each_finding_has_counts_and_comes_with_fifty_rows(name):
    change, says = POOR[name]
    assert names(seen(FEWEST - 1, change)) == []
    found = {finding.name: finding.says for finding in findings(seen(80, change))}
    assert says in found[name]
    assert all(of.count(".") <= 3 and not of.endswith(".") for of in found.values())


def test_a_model_that_never_ends_is_noticed_after_a_few_rows():
    def endless(i, results):
        results["respond"] = Responded(dropped="cut_off")

    assert names(seen(ENDLESS - 1, endless)) == []
    [finding] = findings(seen(ENDLESS, endless))
    assert finding.name == "endless"
    assert f"All of the first {ENDLESS} answers were cut off" in finding.says
    assert names(seen(ENDLESS, lambda i, results: endless(i, results) if i % 8 else None)) == []


def test_probabilities_that_do_not_differ():
    [finding] = findings(seen(80, flat))
    assert finding.name == "same_verdict"
    assert "0.61 for all" in finding.says


def test_the_built_in_model_is_not_scolded():
    assert findings(seen(80, same_tags, model="builtin")) == []
    assert findings(seen(80, same_tags, model="/x/builtin_model/builtin.gguf")) == []


def test_a_small_model_is_named_as_such():
    [finding] = findings(seen(80, parameters=135_000_000))
    assert finding.name == "small_model"
    assert "0.14 billion parameters" in finding.says
    assert names(seen(FEWEST - 1, parameters=135_000_000)) == []

    def poor(i, results):
        same_tags(i, results)
        lifted(i, results)
        tries(i, results)

    first = findings(seen(80, poor, parameters=1_500_000_000))[0]
    assert first.name == "small_model"
    assert "1.5 billion" in first.says
    assert findings(seen(80, poor, parameters=None))[0].name == "small_model"
    assert "small_model" not in names(seen(80, poor, parameters=8_000_000_000))


def test_a_language_that_was_asked_for():
    assert "other_language" not in names(seen(80, other_language, language="de"))
    found = {f.name: f.says for f in findings(seen(80, language="de"))}
    assert "asked for (de)" in found["other_language"]


def test_phrases_of_a_long_run_take_little_memory():
    counts = QualityCounts()
    for i in range(6000):
        texts = (f"Phrase {i}.", "The same.") if i % 3 == 0 else (f"Phrase {i}.",)
        verdicts = tuple(Verdict("style", text, "good", 0.9, 0.1, 0.0) for text in texts)
        counts.add(Row(i, conversation(i)), "verify", Verified(verdicts))
    assert len(counts.good_phrases) <= PHRASES
    assert counts.good_phrases["The same."] == 2000


@pytest.fixture
def store(tmp_path):
    """Eighty rows of which most are poor in every way."""
    with Store.open(tmp_path / "s.duckdb") as store:
        yield filled(store)


def filled(store: Store, model: str | None = "some-model") -> Store:
    store.ingest(Source("a.jsonl", "a", "0"), [conversation(i) for i in range(1, 81)])
    facts = {"model_parameters": "3000000000"} | ({"model": model} if model else {})
    store.set_recipe("generate", "f" * 64, facts)
    store.commit([(i, phase, result) for i in range(1, 81) for phase, result in made(i)])
    return store


def made(i: int):
    results = good_row(i)
    if i <= 60:
        for change in (same_tags, lifted, wrong_script, tries, disagrees):
            change(i, results)
    if i == 70:
        results["generate"] = Generated(dropped="cut_off")
    for phase in PHASES:
        yield phase, results[phase]
        if results[phase].dropped:
            return


def test_a_store_says_the_same_as_what_passed_by(store):
    passed = store.quality_counts(blank=True)
    for i in range(1, 81):
        for phase, result in made(i):
            passed.add(Row(i, conversation(i)), phase, result)
    stored = store.quality_counts()
    assert stored.model == "some-model"
    for field in fields(QualityCounts):
        mine, theirs = getattr(passed, field.name), getattr(stored, field.name)
        if field.name == "good_phrases":
            [(text, rows)] = theirs.items()
            assert mine[text] == rows == max(mine.values())
        elif isinstance(theirs, Counter):
            assert +mine == +theirs, field.name
        else:
            assert mine == pytest.approx(theirs), field.name
    assert findings(passed) == findings(stored)
    assert len(findings(stored)) >= 3


def test_languages_are_sampled_from_a_large_store(tmp_path):
    with Store.open(tmp_path / "s.duckdb") as store:
        number = LANGUAGES + 50
        store.ingest(Source("a", "a", "0"), [conversation(i) for i in range(1, number + 1)])
        for phase in ("generate", "filter", "verify"):
            store.commit([(i, phase, good_row(i)[phase]) for i in range(1, number + 1)])
        assert 0 < store.quality_counts().language_known <= LANGUAGES


def test_a_run_says_it_once_and_its_end_all_of_it(store, tmp_path):
    """In the plain log, on a terminal, in the side file, in `stats` and in the report's data."""
    progress = progress_of(store)
    for i in range(1, 81):
        for phase, result in made(i):
            row = Row(i, conversation(i))
            progress.begin_row(row, phase)
            progress.finish_row(row, phase, result)
            if progress.evidence.rows_done["verify"] < FEWEST:
                assert not [f for f in progress.advice if "rows" not in f.says]
    said = [finding.says for finding in progress.advice]
    assert any("the same tags" in sentence for sentence in said)
    with (tmp_path / "log").open("w+") as log:
        plain = Plain(log)
        progress.started -= 60
        plain.show(progress)
        plain.show(progress)
        log.seek(0)
        lines = log.read().splitlines()
    assert [line for line in lines if line.startswith("note: ")] == [note(of) for of in said]
    console = Console(width=100)
    with console.capture() as capture:
        console.print(view(progress, 100))
    assert "the same tags" in capture.get()
    assert [of["says"] for of in json.loads(json.dumps(state(progress)))["advice"]] == said
    stats = store.stats()
    assert {of["name"] for of in stats["advice"]} >= {"lifted"}
    with console.capture() as capture:
        for table in tables({**stats, "first_rejects": [], "judgements": []}):
            console.print(table)
    assert "were lifted from the" in capture.get()


def test_of_the_built_in_model_nothing_is_collected(store):
    store.set_recipe("generate", "f" * 64, {"model": "builtin"})
    assert progress_of(store).evidence is None
    assert store.advice() == []


def test_the_command_says_it_at_its_end(tmp_path):
    import subprocess
    import sys

    path = tmp_path / "s.duckdb"
    with Store.open(path) as store:
        filled(store, model=None)  # a command would look for it
    command = [sys.executable, "-m", "sysgen_local.cli.main"]
    done = subprocess.run(
        [*command, "filter", "--db", path], capture_output=True, text=True, timeout=300
    )
    assert "note: " in done.stderr, done.stderr
    page = tmp_path / "report.html"
    subprocess.run([*command, "report", "--db", path, "-o", page], check=True, timeout=300)
    assert "What is poor, and what to try" in page.read_text()
    told = subprocess.run(
        [*command, "stats", "--db", path], capture_output=True, text=True, timeout=300
    )
    assert "note: " in told.stdout
