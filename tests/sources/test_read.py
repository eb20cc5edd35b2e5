"""Files of every kind, whole and broken."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from sysgen_local.core.errors import UsageError
from sysgen_local.core.records import Conversation, Reject
from sysgen_local.sources import find, read

ROW = {"instruction": "Q", "output": "A"}
LINE = json.dumps(ROW)


def records(path: Path, **more) -> list[Conversation | Reject]:
    [source] = find([str(path)], **more)
    return list(read(source))


def written(tmp_path: Path, name: str, content: str | bytes) -> Path:
    path = tmp_path / name
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def outline(found: list[Conversation | Reject]) -> list[tuple[int, str]]:
    return [(r.line, getattr(r, "reason", "ok")) for r in found]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.jsonl", f"{LINE}\n\n{LINE}\n", [(1, "ok"), (3, "ok")]),
        ("a.jsonl", f"{LINE}\r\n{LINE}", [(1, "ok"), (2, "ok")]),
        ("a.ndjson.gz", f"{LINE}\n{LINE}\n", [(1, "ok"), (2, "ok")]),
        ("a.jsonl", b"\xef\xbb\xbf" + LINE.encode(), [(1, "ok")]),
        ("a.jsonl", f'{LINE}\n{{"x": "y\n{LINE}', [(1, "ok"), (2, "bad_json"), (3, "ok")]),
        ("a.jsonl", LINE.encode() + b'\n{"a":"\xff"}\n' + LINE.encode(),
         [(1, "ok"), (2, "bad_encoding"), (3, "ok")]),
        ("a.jsonl", "[1]\n3\nnull", [(1, "not_an_object"), (2, "not_an_object"),
                                      (3, "not_an_object")]),
        ("a.jsonl", "[" * 100_000, [(1, "bad_json")]),
        ("a.jsonl", "", []),
        ("a.json", f"[{LINE},\n{LINE}]", [(1, "ok"), (2, "ok")]),
        ("a.json.gz", f" [{LINE}]", [(1, "ok")]),
        ("a.json", b"\xef\xbb\xbf[" + LINE.encode() + b"]", [(1, "ok")]),
        ("a.json", "[]", []),
        ("a.json", "", []),
        ("a.json", f'{{"version": 1, "data": [{LINE}, {LINE}]}}', [(1, "ok"), (2, "ok")]),
        ("a.json", f'{{"rows":[{{"row_idx":0,"row":{LINE}}}]}}', [(1, "ok")]),
        ("a.json", f"{LINE}\n{LINE}\n", [(1, "ok"), (2, "ok")]),
        ("a.json", json.dumps(ROW, indent=1), [(1, "ok")]),
        ("a.json", f"[{LINE}, {LINE[:-3]}", [(1, "ok"), (2, "bad_json")]),
        ("a.json", "nonsense", [(1, "bad_json")]),
        ("a.json", LINE.encode("utf-16"), [(1, "bad_encoding")]),
        ("a.json", b"[" + LINE.encode() + b", \xff]", [(1, "ok"), (2, "bad_encoding")]),
        ("a.jsonl", f"{LINE}\n{LINE}".encode("utf-16-be"),
         [(1, "bad_encoding"), (2, "bad_encoding")]),
        ("a.jsonl", '{"instruction": "Grüße", "output": "A"}'.encode("latin-1"),
         [(1, "bad_encoding")]),
        ("a.jsonl", f"{LINE}\n{LINE}\n{LINE}", [(1, "ok"), (2, "ok"), (3, "ok")]),
        ("a.jsonl", '{"query": "a\0b", "response": "A"}\n{"query": "Q", "response": "A"}',
         [(1, "ok"), (2, "ok")]),
        ("a.csv", 'instruction,output\nQ,A\n"a ""b"",\nc",A\n', [(2, "ok"), (3, "ok")]),
        ("a.csv", "instruction,output\nQ\nQ,A,B\n\nQ,A",
         [(2, "bad_row"), (3, "bad_row"), (5, "ok")]),
        ("a.csv", b"instruction,output\n\xff,A\nQ,A", [(2, "bad_encoding"), (3, "ok")]),
        ("a.csv", "", []),
        ("a.tsv.gz", "question\tanswer\nQ\tA\n", [(2, "ok")]),
    ],
)  # fmt: skip
def test_files_whole_and_broken(tmp_path, name, content, expected):
    assert outline(records(written(tmp_path, name, content))) == expected


def test_a_lone_surrogate_does_no_harm_later(tmp_path):
    from sysgen_local.store import Store

    path = written(tmp_path, "a.jsonl", '{"instruction": "a\\ud800b", "output": "x\\u0000y"}')
    with Store.open(tmp_path / "a.duckdb") as store:
        [source] = find([str(path)])
        store.ingest(source, read(source))
        turns = store.row(1).conversation.turns
    assert turns[0].content.startswith("a")
    assert turns[1].content == "x\0y"


def test_parquet_with_nested_columns(tmp_path):
    import duckdb

    path = tmp_path / "a.parquet"
    duckdb.sql(
        "COPY (SELECT [{'role': 'user', 'content': 'Q'}, {'role': 'assistant', 'content': 'A'}] "
        f"AS messages FROM range(600)) TO '{path}' (FORMAT parquet)"
    )
    found = records(path)
    assert outline(found) == [(i, "ok") for i in range(1, 601)]
    path.write_bytes(path.read_bytes()[:200])
    assert outline(records(path)) == [(1, "bad_row")]


def test_a_directory_is_read_in_order_without_what_is_hidden(tmp_path):
    for name in ("b/2.jsonl", "a.json", "notes.txt", ".hidden/x.jsonl", "b/1.csv.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        written(tmp_path, name, "[]")
    found = find([str(tmp_path)])
    assert [Path(s.path).relative_to(tmp_path).as_posix() for s in found] == [
        "a.json", "b/1.csv.gz", "b/2.jsonl",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "said"),
    [("none.jsonl", "there is no file"), ("a.txt", "ending"), ("empty", "no data file")],
)
def test_what_cannot_be_opened_is_one_sentence(tmp_path, name, said):
    written(tmp_path, "a.txt", "x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=said):
        find([str(tmp_path / name)])


def test_a_cut_off_gzip_file_says_so(tmp_path):
    path = written(tmp_path, "a.jsonl.gz", "\n".join(LINE for _ in range(5000)))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UsageError, match=r"a\.jsonl\.gz cannot be read"):
        records(path)


def test_the_same_content_has_the_same_fingerprint(tmp_path):
    [a] = find([str(written(tmp_path, "a.jsonl", LINE))])
    [b] = find([str(written(tmp_path, "b.jsonl", LINE))])
    [c] = find([str(written(tmp_path, "c.jsonl", LINE + "\n"))])
    assert a.fingerprint == b.fingerprint != c.fingerprint


def test_known_datasets_bring_their_licence(tmp_path):
    [known] = find([str(written(tmp_path, "MetaMathQA-395K.json", "[]"))])
    assert (known.dataset, known.license) == ("MetaMath", "mit")
    [other] = find([str(written(tmp_path, "mine.json", "[]"))])
    assert (other.dataset, other.license) == ("mine", None)


def test_nothing_is_read_whole(tmp_path):
    """The first record comes before the file's broken end is met."""
    for name, head, tail in (("a.json", "[", "!"), ("a.jsonl", "", "!")):
        path = tmp_path / name
        separator = "," if head else "\n"
        with path.open("w") as file:
            file.write(head + separator.join([LINE] * 200_000) + separator + tail)
        [source] = find([str(path)])
        assert isinstance(next(read(source)), Conversation)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lfs_instruction_data.json", {"ok": 1100}),
        ("lfs_preference_data.json", {"ok": 1100}),
        ("gsm8k_test.jsonl", {"ok": 1319}),
        ("glaive_toolcall_en_demo.json", {"ok": 300}),
        ("ms_swift_alpaca.csv", {"ok": 3}),
        ("ms_swift_chatml.jsonl", {"ok": 3}),
        ("ms_swift_multi_modal_1.jsonl", {"ok": 1, "not_text": 2}),
        ("ms_swift_sharegpt.jsonl", {"ok": 3}),
        ("ms_swift_swift_pre.csv", {"no_instruction": 3}),
        ("ms_swift_swift_single.jsonl", {"ok": 3}),
    ],
)
def test_real_files(shared_data, name, expected):
    found = records(shared_data / "sft" / name)
    assert Counter(reason for _, reason in outline(found)) == expected
