"""Each result of a tool goes with the call that it answers, in the store and in exports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from stored import RESULTS

from sysgen_local.core.records import Conversation, Source, Turn
from sysgen_local.exporting import ExportOptions, export
from sysgen_local.sources import shape
from sysgen_local.sources.pairing import paired
from sysgen_local.store import Store


def call(name: str, number: str | None = None) -> dict:
    made = {"type": "function", "function": {"name": name, "arguments": "{}"}}
    return {"id": number, **made} if number else made


def calls(*made: dict) -> dict:
    return {"role": "assistant", "content": None, "tool_calls": list(made)}


def result(text: str, **more: str) -> dict:
    return {"role": "tool", "content": text, **more}


def told(name: str) -> dict:
    return {"from": "function_call", "value": json.dumps({"name": name, "arguments": {}})}


def seen(text: str) -> dict:
    return {"from": "observation", "value": text}


BOTH = calls(call("ulm", "c1"), call("bonn", "c2"))
WITHOUT_IDS = calls(call("ulm"), call("bonn"))
ROWS = {
    "by id": [BOTH, result("7", tool_call_id="c2"), result("5", tool_call_id="c1")],
    "one without an id": [BOTH, result("5", tool_call_id="c1"), result("7")],
    "one without, the other order": [BOTH, result("7", tool_call_id="c2"), result("5")],
    "the one without first": [BOTH, result("5"), result("7", tool_call_id="c2")],
    "by name": [WITHOUT_IDS, result("7", name="bonn"), result("5", name="ulm")],
    "by place": [WITHOUT_IDS, result("5"), result("7")],
    "turn by turn": [calls(call("ulm")), result("5"), calls(call("bonn")), result("7")],
    "calls first": [told("ulm"), told("bonn"), seen("5"), seen("7")],
    "a list of calls": [
        {"from": "function_call", "value": json.dumps([{"name": n} for n in ("ulm", "bonn")])},
        seen("5"),
        seen("7"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("turns", ROWS.values(), ids=ROWS)
def test_a_result_goes_with_its_call(turns: list[dict], tmp_path: Path) -> None:
    who, what = ("from", "value") if "from" in turns[0] else ("role", "content")
    ends = [{who: "user", what: "Weather?"}, {who: "assistant", what: "It is 5 and 7 degrees."}]
    row = shape({"messages": [ends[0], *turns, ends[1]]}, 1)
    assert isinstance(row, Conversation)
    with Store.open(tmp_path / "s.duckdb") as store:
        store.ingest(Source("a", "/a", "f"), [row])
        for phase in ("generate", "filter", "verify", "respond"):
            store.commit([(1, phase, RESULTS[phase])])
        export(store, tmp_path / "o.jsonl", ExportOptions("messages", "original"))
    (line,) = (tmp_path / "o.jsonl").read_text().splitlines()
    messages = json.loads(line)["messages"]
    made = {
        one["id"]: one["function"]["name"] for m in messages for one in m.get("tool_calls") or ()
    }
    results = [(made[m["tool_call_id"]], m["content"]) for m in messages if m["role"] == "tool"]
    assert sorted(results) == [("bonn", "7"), ("ulm", "5")]
    assert [m["name"] for m in messages if m["role"] == "tool"] == [name for name, _ in results]


CALL = st.builds(
    lambda name, number: {"name": name, "arguments": {}} | ({"id": number} if number else {}),
    st.sampled_from("ab"), st.sampled_from(["", "c1", "c2"]),
)  # fmt: skip
TURN = st.one_of(
    st.just(Turn("user", "u")),
    st.just(Turn("assistant", "a")),
    st.just(Turn("function_call", "no call")),
    st.lists(CALL, min_size=1, max_size=3).map(lambda of: Turn("function_call", json.dumps(of))),
    st.builds(
        lambda number, name: Turn("observation", "r", "", "", number, name),
        st.sampled_from(["", "c1", "c2", "c3"]), st.sampled_from(["", "a", "b", "c"]),
    ),
)  # fmt: skip


@example(
    [
        Turn("function_call", json.dumps([{"name": "a", "arguments": {}}])),
        Turn("function_call", "no call"),
        Turn("observation", "r"),
        Turn("observation", "r"),
    ]
)
@given(st.lists(TURN, max_size=9))
def test_what_a_result_says_itself_stays_and_nothing_else_changes(turns: list[Turn]) -> None:
    found = paired(turns)
    assert len(found) == len(turns)
    for before, after in zip(turns, found, strict=True):
        assert before.call in ("", after.call)
        assert before.name in ("", after.name)
        assert after._replace(call="", name="") == before._replace(call="", name="")
    assert paired(found) == found
