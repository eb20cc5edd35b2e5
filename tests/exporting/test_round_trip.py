"""What was exported can be read again: as many rows as lines, and each says what it said."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sysgen_local.core.errors import UsageError
from sysgen_local.core.records import (
    Conversation,
    Filtered,
    Generated,
    Phrase,
    Responded,
    Source,
    Turn,
    Verified,
)
from sysgen_local.exporting import ExportOptions, export
from sysgen_local.sources import find, read, shape
from sysgen_local.store import FORMATS, PAIR_FORMATS, VARIANTS, Format, Store, Variant
from sysgen_local.store.copying import COMMON

pytestmark = pytest.mark.e2e  # 160 exports to files, each read again

NASTY = "nul \x00 quote ' \" back\\slash\r\n\ttab é 中文 😀 \u2028 \ufeff <|im_end|> {{x}} \x1f"
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {}}}]


def call(number: str | None, town: str) -> dict[str, Any]:
    made = {"type": "function", "function": {"name": "weather", "arguments": {"town": town}}}
    return made if number is None else {"id": number, **made}


def one(by: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"role": by, "content": content, **more}


USER, REPLY = one("user", f"Rain? {NASTY}"), one("assistant", f"Yes. {NASTY}")
ROWS: list[dict[str, Any]] = [
    {"messages": [USER, REPLY]},
    {"messages": [one("system", f"You know the sky. {NASTY}"), USER, REPLY, USER, REPLY]},
    {"messages": [USER, one("assistant", "Yes.", reasoning_content=f"Clouds. {NASTY}")]},
    {"messages": [USER, one("assistant", "Yes.", thinking="First."), USER,
                  one("assistant", "No.", thinking="Second.")]},
    {"tools": TOOLS, "messages": [
        USER, one("assistant", f"Wait. {NASTY}", tool_calls=[call("a1", NASTY), call("a2", "Bonn")],
                  reasoning_content="Two towns."),
        one("tool", f"rain {NASTY}", tool_call_id="a1"), one("tool", "sun", tool_call_id="a2"),
        REPLY, one("user", "And Kiel?"), one("assistant", "", tool_calls=[call(None, "Kiel")]),
        one("tool", ""), REPLY]},
    {"tools": "weather(town)", "conversations": [
        {"from": "human", "value": "Rain?"}, {"from": "function_call", "value": "weather(Ulm)"},
        {"from": "observation", "value": "rain"}, {"from": "gpt", "value": "Yes."}]},
    {"instruction": '[{"role": "user"}]', "output": '{"role": "tool", "content": "x"}'},
]  # fmt: skip
NEW = f"New. {NASTY}"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """All rows finished, each answer new, under the system message `S<row>`."""
    with Store.open(tmp_path_factory.mktemp("store") / "s.duckdb") as store:
        found = [shape(row, line) for line, row in enumerate(ROWS, 1)]
        assert all(isinstance(row, Conversation) for row in found)
        store.ingest(Source("x", "x", "0"), found)
        for row in store.due("generate"):
            turns = (answered(turn) for turn in row.conversation.turns)
            role = Phrase("role", "r")
            store.commit([(row.row, "generate", Generated((role,)))])
            store.commit([(row.row, "filter", Filtered((role,)))])
            store.commit([(row.row, "verify", Verified((), f"S{row.row} {NASTY}"))])
            store.commit([(row.row, "respond", Responded(tuple(turns)))])
        yield store


def answered(turn: Turn) -> Turn:
    return Turn("assistant", NEW) if turn.role == "assistant" else turn


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
@pytest.mark.parametrize("reasoning", [False, True])
@pytest.mark.parametrize("fold", [False, True])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("form", FORMATS)
def test_exports_come_back_whole(
    store: Store, tmp_path: Path, form: Format, variant: Variant, fold: bool, reasoning: bool,
    ending: str,
) -> None:  # fmt: skip
    path = tmp_path / f"o.{ending}"
    options = ExportOptions(form, variant, fold_system=fold, reasoning=reasoning)
    if form in PAIR_FORMATS and variant != "full":
        with pytest.raises(UsageError, match="makes no pair"):
            export(store, path, options)
        assert not path.exists()
        return
    [written] = export(store, path, options)
    pairs = written.rows // 2 if form == "kto" else written.rows
    assert pairs + written.skipped == len(ROWS)
    [source] = find([str(path)])
    rows = list(read(source))
    assert len(rows) == written.rows
    rejected = [row.detail for row in rows if not isinstance(row, Conversation)]
    no_answer = "its label is false: the answer is a rejected one"
    assert rejected == ([no_answer] * pairs if form == "kto" else [])
    rows = [row for row in rows if isinstance(row, Conversation)]
    came = [(row.system, plain(row.turns), row.repairs) for row in rows]
    assert sorted(came, key=repr) == sorted(wanted(store, form, variant, fold, reasoning), key=repr)
    if form not in ("alpaca", *PAIR_FORMATS):
        tools = {row.tools for row in rows}
        assert tools == {"[]", json.dumps(TOOLS)}  # text that is no JSON defines nothing


def wanted(
    store: Store, form: Format, variant: Variant, fold: bool, reasoning: bool
) -> list[tuple[str | None, tuple[Turn, ...], tuple[()]]]:
    """What the rows with a place in the format say."""
    found = []
    for number in range(1, len(ROWS) + 1):
        row = store.row(number)
        assert row is not None
        old = row.conversation
        turns = row.answers if variant == "full" else old.turns
        systems = {"full": row.verified.system, "system-only": row.verified.system,
                   "common": COMMON, "original": old.system}  # fmt: skip
        system = systems[variant]
        calls = any(turn.role == "function_call" for turn in turns)
        if form == "alpaca" and calls:
            continue
        if form in PAIR_FORMATS:
            if turns[1].role != "assistant":
                continue
            turns = turns[:2]
        if not reasoning:
            turns = tuple(turn._replace(thought="") for turn in turns)
        if fold and system is not None:
            turns = (Turn("user", f"{system}\n\n{turns[0].content}"), *turns[1:])
            system = None
        found.append((system, plain(turns), ()))
    return found


def plain(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """Without the ids that calls get which came without one."""
    made = re.compile(r'"id": "call\d{5}", ')
    return tuple(
        turn._replace(
            content=made.sub("", turn.content),
            call="" if re.fullmatch(r"call\d{5}", turn.call) else turn.call,
        )
        for turn in turns
    )
