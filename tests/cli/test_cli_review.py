"""`sysgen review` as a process: what was decided outlives any end, and wins in what leaves."""

from __future__ import annotations

import http.client
import json
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import pytest
from processes import first_line

from sysgen_local.cli import outputs

MAIN = [sys.executable, "-m", "sysgen_local.cli.main"]
QUESTIONS = ["How do I make green tea?", "Explain rain to my daughter.", "Bake bread."]


def sysgen(*arguments, cwd, code=0):
    done = subprocess.run(
        [*MAIN, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A store that the built-in model finished."""
    folder = tmp_path_factory.mktemp("made")
    rows = [{"instruction": q, "output": f"{q} This is how it is done."} for q in QUESTIONS]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    sysgen("run", "rows.jsonl", "-q", cwd=folder)
    return folder


@pytest.fixture
def folder(made, tmp_path):
    shutil.copy(made / "sysgen.duckdb", tmp_path)
    return tmp_path


class Review:
    def __init__(self, process, stream=None):
        self.process = process
        self.url = urlsplit((stream.readline() if stream else first_line(process)).split()[0])
        self.token = parse_qs(self.url.query)["token"][0]

    def ask(self, path, body=None):
        con = http.client.HTTPConnection(self.url.netloc, timeout=10)
        headers = {"Authorization": f"Bearer {self.token}"}
        con.request("POST" if body else "GET", path, body and json.dumps(body), headers)
        answer = con.getresponse()
        assert answer.status == 200
        return json.loads(answer.read())

    def end(self, kind):
        """Exit code and what was said."""
        self.process.send_signal(kind)
        _, said = self.process.communicate(timeout=20)
        return self.process.returncode, said


@contextmanager
def reviewing(folder, *arguments):
    process = subprocess.Popen(
        [*MAIN, "review", "--no-open", *map(str, arguments)],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield Review(process, process.stderr if "--json" in arguments else None)
    finally:
        process.kill()
        process.communicate(timeout=60)


def messages(folder):
    sysgen("export", "-o", "out.jsonl", cwd=folder)
    lines = (folder / "out.jsonl").read_text().splitlines()
    return [json.loads(line)["messages"] for line in lines]


def test_a_kill_keeps_what_was_decided(folder):
    before = messages(folder)
    with reviewing(folder) as review:
        assert review.ask("/rows/0")["rows"] == len(before)
        review.ask("/rows/0", {"decision": "rejected"})
        review.ask("/rows/1", {"decision": "accepted"})
        review.end(signal.SIGKILL)
    assert messages(folder) == before[1:]
    reviews = json.loads(sysgen("stats", "--json", cwd=folder).stdout)["reviews"]
    assert reviews == {
        "accepted": 1, "rejected": 1, "edited": 0, "earlier": 0, "stale": 0
    }  # fmt: skip


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_is_how_it_ends(folder, kind):
    total = len(messages(folder))
    with reviewing(folder) as review:
        review.ask("/rows/0", {"decision": "accepted"})
        code, said = review.end(kind)
    assert code == 0, said
    assert f"1 of {total} rows decided (1 now): 1 accepted, 0 declined" in said
    assert "interrupted" not in said


def test_while_it_is_open_others_read_what_was_decided_and_write_nothing(folder):
    before = json.loads(sysgen("stats", "--json", cwd=folder).stdout)
    with reviewing(folder) as review:
        review.ask("/rows/0", {"decision": "accepted"})
        said = sysgen("run", cwd=folder, code=1).stderr
        assert f"in use by another process (PID {review.process.pid})" in said
        assert "Ctrl-C" in said
        read = sysgen("stats", "--json", cwd=folder)
        assert "sysgen.duckdb is in use: read as of " in read.stderr
        now = json.loads(read.stdout)
        assert now["rows"] == before["rows"]
        assert (now["reviews"]["accepted"], before["reviews"]["accepted"]) == (1, 0)
        assert "accepted" in sysgen("show", "--where", "review = 'accepted'", cwd=folder).stdout


def test_edited_rows_leave_as_decided_and_are_answered_anew_when_asked(folder):
    phrases = [{"tag": "role", "text": "You are a poet."}, {"tag": "format", "text": "Use a list."}]
    system = "You are a poet. Use a list."
    [_, question, answer] = messages(folder)[0]
    with reviewing(folder) as review:
        row = review.ask("/rows/0", {"decision": "accepted", "phrases": phrases})["row"]
        review.end(signal.SIGINT)
    exported = sysgen("export", "-o", "x.jsonl", cwd=folder)
    assert "answered before a person edited the system message: 1 row" in exported.stderr
    assert messages(folder)[0] == [{"role": "system", "content": system}, question, answer]
    assert "written before the system message was edited" in sysgen("show", row, cwd=folder).stdout
    done = sysgen("respond", "--edited", cwd=folder)
    assert "1 row with an edited system message" in done.stderr
    anew = [m for m in messages(folder) if m[0]["content"] == system]
    assert anew != [[{"role": "system", "content": system}, question, answer]]
    state = json.loads(sysgen("stats", "--json", cwd=folder).stdout)
    assert state["reviews"]["stale"] == 0
    rows = state["rows"]
    assert rows["input"] == rows["final"] + rows["dropped"] == len(QUESTIONS)


def test_edited_answers_leave_as_edited_and_are_not_answered_anew(folder):
    first, *others = messages(folder)
    phrases = [{"tag": "role", "text": "You are a poet."}]
    with reviewing(folder, "--reviewer", "ann") as review:
        decision = {"decision": "accepted", "phrases": phrases, "answers": ["By hand."]}
        row = review.ask("/rows/0", decision)["row"]
        review.end(signal.SIGINT)
    by_hand = [{"role": "system", "content": "You are a poet."}, first[1],
               {"role": "assistant", "content": "By hand."}]  # fmt: skip
    assert messages(folder) == [by_hand, *others]
    shown = sysgen("show", row, cwd=folder).stdout
    assert "By hand." in shown
    assert "accepted by ann" in shown
    done = sysgen("respond", "--edited", cwd=folder).stderr
    assert "0 rows with an edited system message" in done
    assert "not answered anew: 1 row whose answer a person edited too" in done
    assert messages(folder) == [by_hand, *others]


def test_the_page_can_end_it_and_the_next_commands_are_told(folder):
    total = len(messages(folder))
    with reviewing(folder) as review:
        review.ask("/rows/0", {"decision": "accepted"})
        assert review.ask("/end", {"end": True})["accepted"] == 1
        _, said = review.process.communicate(timeout=20)
    assert review.process.returncode == 0
    assert f"1 of {total} rows decided" in said
    assert "sysgen export --db sysgen.duckdb -o sysgen.jsonl" in said


def test_decisions_move_to_another_copy_of_the_rows(folder, made, tmp_path):
    shutil.copy(made / "sysgen.duckdb", folder / "copy.duckdb")
    with reviewing(folder, "--reviewer", "ann") as review:
        review.ask("/rows/0", {"decision": "rejected", "note": "no"})
        read = sysgen("review", "--export", "d.jsonl", cwd=folder).stderr
        assert "sysgen.duckdb is in use: read as of " in read
        busy = sysgen("review", "--import", "d.jsonl", cwd=folder, code=1).stderr
        assert f"in use by another process (PID {review.process.pid})" in busy
        review.end(signal.SIGINT)
    assert (
        "1 decision written to d.jsonl"
        in sysgen("review", "--export", "d.jsonl", cwd=folder).stderr
    )
    moved = sysgen("review", "--db", "copy.duckdb", "--import", "d.jsonl", cwd=folder).stderr
    assert moved == "1 new, 0 changed, 0 the same, 0 kept as the store has them\n"
    again = sysgen("review", "--db", "copy.duckdb", "--import", "d.jsonl", cwd=folder).stderr
    assert again.startswith("0 new, 0 changed, 1 the same")
    reviews = json.loads(sysgen("stats", "--json", "--db", "copy.duckdb", cwd=folder).stdout)
    assert reviews["reviews"]["rejected"] == 1
    with reviewing(folder, "--db", "copy.duckdb") as review:
        review.ask("/rows/0", {"decision": "accepted"})
        review.end(signal.SIGINT)
    kept = sysgen("review", "--db", "copy.duckdb", "--import", "d.jsonl", cwd=folder).stderr
    assert "1 kept as the store has them" in kept
    assert "--overwrite" in kept
    taken = sysgen(
        "review", "--db", "copy.duckdb", "--import", "d.jsonl", "--overwrite", cwd=folder
    ).stderr
    assert "1 changed" in taken


def test_a_file_of_decisions_for_other_rows_is_refused(folder, tmp_path):
    other = {"instruction": "Who?", "output": "Nobody at all, as far as I know."}
    (folder / "other.jsonl").write_text(json.dumps(other))
    sysgen("generate", "other.jsonl", "--db", "other.duckdb", "-q", cwd=folder)
    with reviewing(folder) as review:
        review.ask("/rows/0", {"decision": "accepted"})
        review.end(signal.SIGINT)
    sysgen("review", "--export", "d.jsonl", cwd=folder)
    said = sysgen("review", "--db", "other.duckdb", "--import", "d.jsonl", cwd=folder, code=2)
    assert "is for other rows than those of other.duckdb: 0 of 1 decisions fit" in said.stderr
    assert "nothing was imported" in said.stderr
    said = sysgen("review", "--import", "other.jsonl", cwd=folder, code=2).stderr
    assert "other.jsonl, line 1 is not a decision" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--overwrite"], "--overwrite is for --import"),
        (["--export", "d.jsonl", "--import", "d.jsonl"], "cannot go with --export"),
        (["--export", "d.jsonl", "--where", "true"], "cannot go with --where"),
        (["--import", "d.jsonl", "--unsure"], "cannot go with --unsure"),
        (["--import", "gone.jsonl"], "gone.jsonl cannot be read: No such file"),
        (["--export", "d.jsonl"], "has no decision"),
    ],
)
def test_what_cannot_go_together_is_said_in_a_sentence(folder, arguments, said):
    told = sysgen("review", *arguments, cwd=folder, code=2).stderr
    assert said in told
    assert "->" in told
    assert not (folder / "d").exists()


def test_which_rows(folder):
    with reviewing(folder, "--sample", 1) as review:
        assert review.ask("/rows/0")["rows"] == 1
    with reviewing(folder, "--where", "row = 2") as review:
        assert review.ask("/rows/0")["row"] == 2
    unsure = sysgen("review", "--unsure", "--where", "turns > 9", cwd=folder, code=2).stderr
    assert "no finished row to review that is unsure and meets --where" in unsure
    none = sysgen("review", "--no-open", "--where", "turns > 9", cwd=folder, code=2)
    assert "no finished row to review that meets --where" in none.stderr
    assert "p_good" in sysgen("review", "--where", "nonsense", cwd=folder, code=2).stderr
    assert "no store" in sysgen("review", "--db", "gone.duckdb", cwd=folder, code=2).stderr.lower()


def test_a_port_may_be_chosen_and_may_be_taken(folder, tmp_path):
    shutil.copy(folder / "sysgen.duckdb", folder / "other.duckdb")
    with reviewing(folder) as review:
        port = review.url.port
        taken = sysgen(
            "review", "--no-open", "--db", "other.duckdb", "--port", port, cwd=folder, code=2
        )
        assert f"port {port} cannot be had" in taken.stderr
    with reviewing(folder, "--port", port) as review:
        assert review.url.port == port


def test_a_blind_review_keeps_every_reviewer_and_says_what_comes_next(folder):
    with reviewing(folder, "--blind", "phrases", "--reviewer", "ann", "--sample", 3) as review:
        thing = review.ask("/things/0")
        assert not {"verdict", "p"} & thing.keys()
        decision = {"said": "good", "thing": thing["thing"]}
        assert review.ask("/things/0", decision)["decided"] == 1
        code, said = review.end(signal.SIGINT)
        assert code == 0
        assert "1 of 3 decided by ann, " in said
        assert "sysgen judge --trust --db sysgen.duckdb" in said
    with reviewing(folder, "--blind", "--reviewer", "bob", "--json") as review:
        [first] = [i for i in range(6) if review.ask(f"/things/{i}")["thing"] == thing["thing"]]
        decision = {"said": "bad", "thing": thing["thing"]}
        review.ask(f"/things/{first}", decision)
        review.process.send_signal(signal.SIGTERM)
        out, _ = review.process.communicate(timeout=20)
    labelled = outputs.Labelled.model_validate_json(out)
    assert (labelled.reviewer, labelled.decided) == ("bob", 1)
    found = json.loads(sysgen("judge", "--trust", "--json", cwd=folder).stdout)
    assert found["labels"]["phrase"]["all"] == 2
    [both] = found["reviewers"]
    assert (both["reviewers"], both["cases"], both["agreed"]) == (["ann", "bob"], 1, 0)
    for more in ("--unsure", "--where=true", "--seed=1"):
        said = sysgen("review", "--blind", more, cwd=folder, code=2)
        assert f"--blind cannot go with {more.split('=')[0]}" in said.stderr
