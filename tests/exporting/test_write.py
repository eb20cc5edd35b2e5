"""Files to train on, judged by reading them again."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from sysgen_local.core.errors import UsageError
from sysgen_local.core.records import (
    Attempt,
    Check,
    Checked,
    Conversation,
    Filtered,
    Generated,
    Phase,
    Phrase,
    Responded,
    Result,
    Source,
    Turn,
    Verified,
)
from sysgen_local.exporting import ExportOptions, export
from sysgen_local.store import (
    CHECKED_FORMATS,
    FORMATS,
    OBJECT_FORMATS,
    PAIR_FORMATS,
    Format,
    Store,
)

NASTY = "nul \x00 quote ' \" back\\slash\r\n\ttab é 中文 😀 \u2028 \ufeff \x1f"


def turns(*said: tuple[str, str]) -> tuple[Turn, ...]:
    return tuple(Turn(role, content) for role, content in said)


SINGLE = turns(("user", NASTY), ("assistant", "old"))
MULTI = turns(
    ("user", "q1"), ("assistant", "a1"), ("user", "q2"), ("assistant", "a2"), ("user", "q3"),
    ("assistant", "a3"),
)  # fmt: skip
TOOLS = turns(
    ("user", "q"), ("function_call", "f()"), ("observation", "42"), ("assistant", "it is 42")
)


def finish(store: Store, *conversations: Conversation) -> None:
    """Every conversation through all phases: "S<row>" before it, its last answer new."""
    store.ingest(Source("x.jsonl", "x.jsonl", "f"), conversations)
    results: list[tuple[int, Phase, Result]] = []
    for row in store.due("generate"):
        new = (*row.conversation.turns[:-1], Turn("assistant", f"new {NASTY}"))
        results += [
            (row.row, "generate", Generated((Phrase("role", "r"),))),
            (row.row, "filter", Filtered((Phrase("role", "r"),))),
            (row.row, "verify", Verified((), f"S{row.row} {NASTY}")),
            (row.row, "respond", Responded(new)),
        ]
    store.commit(results[::-1])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "s.duckdb") as store:
        yield store


def read(path: Path) -> list[dict[str, Any]]:
    lines = path.read_bytes().decode("utf-8").split("\n")
    assert lines.pop() == ""
    return [json.loads(line) for line in lines]


def test_messages(store: Store, tmp_path: Path) -> None:
    finish(store, Conversation(SINGLE, 1, "came with"), Conversation(MULTI, 2))
    path = tmp_path / "out.jsonl"
    [exported] = export(store, path)
    assert (exported.rows, exported.skipped) == (2, 0)
    assert "😀 ".encode() in path.read_bytes()
    first, second = read(path)
    assert first == {
        "messages": [
            {"role": "system", "content": f"S1 {NASTY}"},
            {"role": "user", "content": NASTY},
            {"role": "assistant", "content": f"new {NASTY}"},
        ]
    }
    assert [m["role"] for m in second["messages"]] == ["system", *["user", "assistant"] * 3]
    assert sorted(p.name for p in tmp_path.iterdir() if p.suffix != ".wal") == [
        "out.jsonl",
        "s.duckdb",
    ]


def test_tool_turns_and_tools(store: Store, tmp_path: Path) -> None:
    finish(store, Conversation(TOOLS, 1, None, '[{"name": "f"}]'), Conversation(SINGLE, 2))
    path = tmp_path / "out.jsonl"
    export(store, path)
    with_tools, without = read(path)
    roles = [message["role"] for message in with_tools["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "assistant"]
    assert with_tools["tools"] == '[{"name": "f"}]'
    assert without["tools"] == "[]"
    export(store, path, ExportOptions("sharegpt"))
    spoken = [turn["from"] for turn in read(path)[0]["conversations"]]
    assert spoken == ["human", "function_call", "observation", "gpt"]


def test_tools_and_arguments_as_objects(store: Store, tmp_path: Path) -> None:
    """Whatever the arguments hold stays: members that are null, and text that is no object."""
    asked = {"zone": "UTC", "when": None, "list": [{"a": None}], "text": "{}"}
    tools = [{"type": "function", "function": {"name": "clock", "parameters": {"x": None}}}]
    made = [{"name": "clock", "arguments": asked}, {"name": "clock", "arguments": "noon"},
            {"name": "clock", "arguments": json.dumps(asked)}, {"name": "clock"}]  # fmt: skip
    called = turns(
        ("user", "q"), ("function_call", json.dumps(made)), ("observation", "42"),
        ("assistant", "it is 42"),
    )  # fmt: skip
    finish(
        store, Conversation(called, 1, None, json.dumps(tools)), Conversation(MULTI, 2),
        Conversation(SINGLE, 3, None, json.dumps(tools)),
    )  # fmt: skip
    path = tmp_path / "out.jsonl"
    export(store, path, ExportOptions(tools="objects"))
    with_tools, without, _ = read(path)
    assert with_tools["tools"] == tools
    assert without["tools"] is None
    calls = with_tools["messages"][2]["tool_calls"]
    assert [of["function"]["arguments"] for of in calls] == [asked, "noon", asked, {}]
    export(store, path)
    text = read(path)[0]["messages"][2]["tool_calls"]
    assert [json.loads(of["function"]["arguments"]) for of in text[::2]] == [asked, asked]
    for format_ in OBJECT_FORMATS:
        export(store, path, ExportOptions(format_, tools="objects"))
        assert read(path)[-1]["tools"] == tools
    options: list[tuple[str, Format]] = [
        ("a.jsonl", "sharegpt"), ("a.jsonl", "alpaca"), ("a.parquet", "dpo")
    ]  # fmt: skip
    for name, format_ in options:
        with pytest.raises(UsageError) as caught:
            export(store, tmp_path / name, ExportOptions(format_, tools="objects"))
        assert "objects" in f"{caught.value.message} {caught.value.hint}"
    assert not list(tmp_path.glob("a.*"))


def test_sharegpt(store: Store, tmp_path: Path) -> None:
    finish(store, Conversation(SINGLE, 1))
    export(store, tmp_path / "out.jsonl", ExportOptions("sharegpt"))
    assert read(tmp_path / "out.jsonl") == [
        {
            "conversations": [
                {"from": "human", "value": NASTY},
                {"from": "gpt", "value": f"new {NASTY}"},
            ],
            "system": f"S1 {NASTY}",
        }
    ]


def test_alpaca(store: Store, tmp_path: Path) -> None:
    odd = turns(("user", "q"), ("user", "again"), ("user", "q"), ("assistant", "a"))
    finish(
        store,
        Conversation(SINGLE, 1),
        Conversation(TOOLS, 2),
        Conversation(MULTI, 3),
        Conversation(odd, 4),
    )
    [exported] = export(store, tmp_path / "out.jsonl", ExportOptions("alpaca"))
    assert (exported.rows, exported.skipped) == (2, 2)
    single, multi = read(tmp_path / "out.jsonl")
    assert single == {
        "system": f"S1 {NASTY}",
        "instruction": NASTY,
        "input": "",
        "output": f"new {NASTY}",
        "history": [],
    }
    assert multi["history"] == [["q1", "a1"], ["q2", "a2"]]
    assert multi["instruction"] == "q3"


def test_variants(store: Store, tmp_path: Path) -> None:
    finish(store, Conversation(SINGLE, 1, "came with"), Conversation(SINGLE, 2))
    path = tmp_path / "out.jsonl"

    def said(variant: Any) -> list[list[str]]:
        export(store, path, ExportOptions(variant=variant))
        return [
            [message["content"] for message in row["messages"] if message["role"] != "user"]
            for row in read(path)
        ]

    new = f"new {NASTY}"
    assert said("full") == [[f"S1 {NASTY}", new], [f"S2 {NASTY}", new]]
    assert said("system-only") == [[f"S1 {NASTY}", "old"], [f"S2 {NASTY}", "old"]]
    assert said("original") == [["came with", "old"], ["old"]]
    common = said("common")
    assert common == [[common[0][0], "old"]] * 2
    for format_ in FORMATS:
        if format_ in PAIR_FORMATS:  # no preference between equal answers
            with pytest.raises(UsageError, match="--variant original makes no pair"):
                export(store, path, ExportOptions(format_, "original"))
        else:
            assert export(store, path, ExportOptions(format_, "original"))[0].rows == 2


@pytest.mark.parametrize("format_", FORMATS)
def test_parquet_says_the_same(store: Store, tmp_path: Path, format_: Any) -> None:
    finish(
        store, Conversation(SINGLE, 1), Conversation(MULTI, 2), Conversation(TOOLS, 3, None, "t")
    )
    export(store, tmp_path / "out.jsonl", ExportOptions(format_))
    [counted] = export(store, tmp_path / "out.parquet", ExportOptions(format_))
    result = duckdb.read_parquet(str(tmp_path / "out.parquet"))
    rows = [dict(zip(result.columns, values, strict=True)) for values in result.fetchall()]
    # Every message of a column has every key.
    assert [there(row) for row in rows] == [there(row) for row in read(tmp_path / "out.jsonl")]
    assert len(rows) == counted.rows


def there(value: Any) -> Any:
    """Without the keys that hold null."""
    if isinstance(value, dict):
        return {key: there(of) for key, of in value.items() if of is not None}
    return [there(of) for of in value] if isinstance(value, list) else value


def test_rows_stand_in_order(store: Store, tmp_path: Path) -> None:
    finish(store, *(Conversation(SINGLE, line) for line in range(1, 301)))
    export(store, tmp_path / "out.jsonl")
    heads = [row["messages"][0]["content"] for row in read(tmp_path / "out.jsonl")]
    assert heads == [f"S{n} {NASTY}" for n in range(1, 301)]


@pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
@pytest.mark.parametrize("format_", FORMATS)
def test_no_rows_make_an_empty_file(
    store: Store, tmp_path: Path, ending: str, format_: Any
) -> None:
    path = tmp_path / f"out{ending}"
    path.write_text("an older export")
    assert export(store, path, ExportOptions(format_))[0].rows == 0
    if ending == ".jsonl":
        assert path.read_bytes() == b""
    else:
        assert duckdb.read_parquet(str(path)).fetchall() == []


def test_what_cannot_be_written_is_said_first(store: Store, tmp_path: Path) -> None:
    for name, said in (
        ("out.txt", "ending"),
        ("no/out.jsonl", "folder .* does not exist"),
    ):
        with pytest.raises(UsageError, match=said):
            export(store, tmp_path / name)
    (tmp_path / "dir.jsonl").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        export(store, tmp_path / "dir.jsonl")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_closed(store: Store, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    with pytest.raises(UsageError, match="cannot be written"):
        export(store, closed / "out.jsonl")


def test_odd_file_names(store: Store, tmp_path: Path) -> None:
    finish(store, Conversation(SINGLE, 1))
    path = tmp_path / 'it\'s "50%" é *.jsonl'
    assert export(store, path)[0].rows == 1
    assert len(read(path)) == 1


def attempt(turn: int, content: str, fault: str) -> Attempt:
    return Attempt(turn, content, False, 0.2, 0.3, fault)


def pairs(store: Store, path: Path, **more: Any) -> list[tuple[list[str], str, str]]:
    export(store, path, ExportOptions("dpo", **more))
    return [
        (
            [m["content"] for m in row["prompt"]],
            *(row[k][0]["content"] for k in ("chosen", "rejected")),
        )
        for row in read(path)
    ]


def test_preferences_are_over_an_answer_that_failed_the_checks(
    store: Store, tmp_path: Path
) -> None:
    """In the place where it failed; over the original answer where none did."""
    call = turns(("user", "q"), ("assistant", "a"), ("user", "r"), ("function_call", "f()"),
                 ("observation", "42"), ("assistant", "b"))  # fmt: skip
    finish(
        store,
        *(Conversation(SINGLE, n) for n in (1, 2, 3, 4)),
        *(Conversation(MULTI, n) for n in (5, 6)),
        *(Conversation(TOOLS, n) for n in (7, 8)),
        *(Conversation(call, n) for n in (9, 10)),
    )
    new = f"new {NASTY}"

    def checked(*attempts: Attempt) -> Checked:
        return Checked(attempts=attempts)

    better = turns(("user", "q1"), ("assistant", "b1"), ("user", "q2"), ("assistant", "b2"),
                   ("user", "q3"), ("assistant", "b3"))  # fmt: skip
    results = [
        checked(attempt(1, "bad", "disagrees"), attempt(1, "worse", "disobeys")),
        checked(attempt(1, "", "empty"), attempt(1, "cut", "cut_off"), attempt(1, "as good", "")),
        checked(attempt(1, new, "disobeys"), attempt(1, NASTY, "disobeys")),
        checked(),
        Checked(better, (), (attempt(2, "bad", "disobeys"), attempt(3, "x", "disobeys"))),
        Checked(better),
        checked(attempt(1, "bad", "disagrees")),
        checked(),
        checked(attempt(2, "bad", "disagrees")),
        Checked((call[0], Turn("assistant", "n"), *call[2:]), (), (attempt(2, "x", "disagrees"),)),
    ]
    store.commit([(n, "check", result) for n, result in enumerate(results, 1)])
    [of] = export(store, tmp_path / "o.jsonl", ExportOptions("dpo"))
    assert (of.rows, of.skipped) == (7, 3)  # no answer to compare in 7, 8, 9
    assert sum(part.rows for part in store.lineage("dpo")) == 7
    single = [f"S{{}} {NASTY}", NASTY]
    wanted = [
        (1, single, new, "bad"),
        (2, single, new, "old"),
        (3, single, new, NASTY),
        (4, single, new, "old"),
        (5, [single[0], "q1", "b1", "q2"], "b2", "bad"),
        (6, [single[0], "q1"], "b1", "a1"),
        (10, [single[0], "q"], "n", "a"),
    ]
    assert pairs(store, tmp_path / "o.jsonl") == [
        ([text.format(n) if n else text for text in prompt], chosen, rejected)
        for n, prompt, chosen, rejected in wanted
    ]
    folded = pairs(store, tmp_path / "o.jsonl", fold_system=True)
    assert folded[4] == ([f"S5 {NASTY}\n\nq1", "b1", "q2"], "b2", "bad")
    assert [pair[1:] for pair in folded] == [tuple(line[2:]) for line in wanted]
    before = (tmp_path / "o.jsonl").read_bytes()
    for variant in ("system-only", "common", "original"):
        with pytest.raises(UsageError, match="only the original answers"):
            pairs(store, tmp_path / "o.jsonl", variant=variant)
    assert (tmp_path / "o.jsonl").read_bytes() == before


RULED = Check(1, "result", f"4 {NASTY}", "rule", 1.0, "number")
ASKED = Check(1, "follows", "Be brief.", "model", 0.75, "")


@pytest.mark.parametrize("form", ["messages", "sharegpt"])
def test_what_was_checked_leaves_with_the_rows(store: Store, tmp_path: Path, form: Any) -> None:
    finish(store, *(Conversation(SINGLE, n) for n in (1, 2, 3, 4)))
    results = [
        Checked(),
        Checked(checks=(ASKED,), obeys=0.75),
        Checked(checks=(RULED, ASKED), agrees=True, obeys=1.0),
        Checked(agrees=False, dropped="disagrees"),
    ]
    store.commit([(n, "check", result) for n, result in enumerate(results, 1)])
    path = tmp_path / "o.jsonl"
    export(store, path, ExportOptions(form))
    plain = read(path)
    export(store, path, ExportOptions(form, checks=True))
    rows = read(path)
    assert [list(row)[-3:] for row in rows] == [["agrees", "obeys", "checks"]] * 3
    assert [(row.pop("agrees"), row.pop("obeys"), row.pop("checks")) for row in rows] == [
        (None, None, []),
        (None, 0.75, [ASKED._asdict()]),
        (True, 1.0, [RULED._asdict(), ASKED._asdict()]),
    ]
    assert rows == plain
    export(store, tmp_path / "o.parquet", ExportOptions(form, checks=True))
    made = duckdb.read_parquet(str(tmp_path / "o.parquet"))
    types = dict(zip(made.columns, map(str, made.types), strict=True))
    assert (types["agrees"], types["obeys"]) == ("BOOLEAN", "DOUBLE")
    export(store, path, ExportOptions(form, checks=True))
    assert [dict(zip(made.columns, values, strict=True)) for values in made.fetchall()] == read(
        path
    )
    some = ExportOptions(form, checks=True, where="agrees IS NULL")
    export(store, path, some)
    assert [set(row) & {"agrees", "obeys", "checks"} for row in read(path)] == [
        {"obeys", "checks"}
    ] * 2
    export(store, path, ExportOptions(form, where="agrees and obeys > 0.8"))
    assert read(path) == [plain[2]]


EVERY_WAY = [
    (form, variant, ending, checks)
    for form in FORMATS
    for variant in ("full", "system-only", "common", "original")
    for ending in ("jsonl", "parquet")
    for checks in (False, True)
    if not checks or (form in CHECKED_FORMATS and variant == "full")
    if form not in PAIR_FORMATS or variant == "full"
]


@pytest.mark.e2e  # every format, variant and kind of file takes seconds
@pytest.mark.parametrize(("form", "variant", "ending", "checks"), EVERY_WAY)
def test_every_format_keeps_the_order_of_the_input(
    store: Store, tmp_path: Path, form: Any, variant: Any, ending: str, checks: bool
) -> None:
    """Whichever rows have a history, tools, or something that was checked."""
    kinds = [Conversation(SINGLE, 1), Conversation(MULTI, 2), Conversation(TOOLS, 3, None, "[]")]
    finish(store, *(replace(kinds[n % 3], line=n) for n in range(12)))
    seen = Checked(agrees=True, obeys=0.5, checks=(RULED,))
    store.commit([(n, "check", seen if n == 9 else Checked()) for n in range(1, 13)])
    path = tmp_path / f"o.{ending}"
    [of] = export(store, path, ExportOptions(form, variant, checks=checks, origin=True))
    if ending == "jsonl":
        rows = read(path)
    else:
        made = duckdb.read_parquet(str(path))
        rows = [dict(zip(made.columns, values, strict=True)) for values in made.fetchall()]
    numbers = [row["row"] for row in rows]
    assert numbers == sorted(numbers)
    assert len(numbers) == of.rows > 0
    assert [(row["source"], row["line"]) for row in rows] == [("x.jsonl", n - 1) for n in numbers]
    [of] = export(store, path, ExportOptions(form, variant, checks=checks))
    if ending == "jsonl":
        without = read(path)
        assert [{k: v for k, v in row.items() if k not in ("source", "line", "row")}
                for row in rows] == without  # fmt: skip


@pytest.mark.parametrize("form", ["alpaca", "messages"])
def test_a_column_whose_type_comes_late_is_named(
    store: Store, tmp_path: Path, form: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(store, *(Conversation(SINGLE if n < 9 else MULTI, n) for n in range(10)))
    seen = Checked(agrees=True, obeys=0.5, checks=(RULED,))
    store.commit([(n, "check", seen if n == 10 else Checked()) for n in range(1, 11)])
    path = tmp_path / "o.jsonl"
    options = ExportOptions(form, checks=form == "messages")
    late = ("history",) if form == "alpaca" else ("agrees", "obeys", "checks")
    assert export(store, path, options)[0].late == ()  # all of it is in the first piece
    ninth = sum(len(line) + 1 for line in path.read_bytes().split(b"\n")[:9])
    for piece, found in ((ninth - 1, late), (ninth, late), (ninth + 1, ()), (1, late)):
        monkeypatch.setattr("sysgen_local.store.copying._CHUNK", piece)
        assert export(store, path, options)[0].late == found
        assert export(store, tmp_path / "o.parquet", options)[0].late == ()


def test_all_splits_have_the_same_columns(store: Store, tmp_path: Path) -> None:
    asked = [turns(("user", f"q{n}"), ("assistant", "a")) for n in range(20)]
    finish(store, *(Conversation(said, n) for n, said in enumerate(asked)))
    store.commit([(n, "check", Checked(agrees=True if n == 7 else None)) for n in range(1, 21)])
    splits = {"one": 0.5, "two": 0.5}
    files = export(store, tmp_path / "o.jsonl", ExportOptions(checks=True, splits=splits))
    assert sum(of.rows for of in files) == 20
    assert min(of.rows for of in files) > 0
    rows = [read(of.path) for of in files]
    assert {tuple(row) for of in rows for row in of} == {("messages", "agrees")}
    assert sum(row["agrees"] is True for of in rows for row in of) == 1


def test_all_splits_have_tools_if_one_row_has(store: Store, tmp_path: Path) -> None:
    asked = [turns(("user", f"q{n}"), ("assistant", "a")) for n in range(20)]
    tools = [None] * 19 + ['[{"name": "f"}]']
    both = zip(asked, tools, strict=True)
    finish(store, *(Conversation(of, n, None, tool) for n, (of, tool) in enumerate(both)))
    splits = {"one": 0.5, "two": 0.5}
    files = export(store, tmp_path / "o.jsonl", ExportOptions(splits=splits))
    rows = [read(of.path) for of in files]
    assert all(rows)
    assert {tuple(row) for of in rows for row in of} == {("messages", "tools")}


def test_checks_that_cannot_be_told_are_refused(store: Store, tmp_path: Path) -> None:
    finish(store, Conversation(SINGLE, 1))
    path = tmp_path / "o.jsonl"
    with pytest.raises(UsageError, match="were not checked"):
        export(store, path, ExportOptions(checks=True))
    store.commit([(1, "check", Checked())])
    with pytest.raises(UsageError, match="alpaca has no place"):
        export(store, path, ExportOptions("alpaca", checks=True))
    with pytest.raises(UsageError, match="system-only writes the original answers"):
        export(store, path, ExportOptions(variant="system-only", checks=True))
    assert not path.exists()
    assert export(store, path, ExportOptions(checks=True))[0].rows == 1
    assert list(read(path)[0]) == ["messages"]  # nothing could be looked at
