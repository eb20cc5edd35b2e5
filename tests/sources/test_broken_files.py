"""A thousand broken files: no traceback, no hang, every line accounted for."""

from __future__ import annotations

import copy
import gzip
import io
import json
import random
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import zstandard

from sysgen_local.core.errors import UsageError
from sysgen_local.core.records import Conversation, Reject
from sysgen_local.sources import REASONS, find, read
from sysgen_local.sources.formats import json_text
from sysgen_local.sources.formats.record import text_of
from sysgen_local.sources.opening import with_line_ends

GOOD = [
    {"instruction": "Name a fruit.", "output": "An apple."},
    {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]},
    {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]},
    {"query": "1+1?", "response": "2"},
    {"conversation": [{"input": "a", "output": "b"}]},
]
VALUES = [None, "", " ", "\ud800", "\x00", 7, True, [], {}, [None], "x" * 5000, "\u202e<|im_end|>",
          [{"type": "text", "text": "a"}], [{"type": "image_url"}], {"a": {"b": []}}]  # fmt: skip
BYTES = [b"\xff\xfe", b"\xef\xbb\xbf", b"\x00", b"\xc3", b"\x1a", b'"', b"{", b"[", b"\\", b"\n",
         b"\r", b"\\ud800", b"NaN", b"1e999", b"}" * 50, b"[" * 3000,
         "é".encode("latin-1")]  # fmt: skip


def broken_row(rng: random.Random) -> object:
    """A row with something odd in it, at any depth."""
    row = json.loads(json.dumps(rng.choice(GOOD)))
    for _ in range(rng.randint(0, 3)):
        target = row
        while True:
            keys = list(target) if isinstance(target, dict) else list(range(len(target)))
            if not keys:
                break
            key = rng.choice(keys)
            if isinstance(target[key], dict | list) and rng.random() < 0.7:
                target = target[key]
                continue
            if rng.random() < 0.3 and isinstance(target, dict):
                del target[key]
            else:
                target[key] = copy.deepcopy(rng.choice(VALUES))
            break
    return rng.choice([row, row, row, rng.choice(VALUES)])


def broken_file(rng: random.Random) -> bytes:
    lines = [json.dumps(broken_row(rng)).encode() for _ in range(rng.randint(0, 12))]
    content = rng.choice([b"\n", b"\n", b"\r\n", b"\n\n"]).join(lines)
    if rng.random() < 0.3:
        content = b"[" + b",".join(lines) + b"]"
    if rng.random() < 0.1:
        content = content.decode("utf-8", "replace").encode("utf-16")
    for _ in range(rng.choice([0, 0, 1, 2, 5])):
        at = rng.randint(0, len(content))
        content = content[:at] + rng.choice(BYTES) + content[at + rng.randint(0, 3) :]
    if rng.random() < 0.2:
        content = content[: rng.randint(0, len(content))]
    return content


def lines_of(content: bytes) -> list[int]:
    """Numbers of the lines that hold anything."""
    content = content.removeprefix(b"\xef\xbb\xbf")
    return [i for i, line in enumerate(content.split(b"\n"), 1) if line.strip()]


def held(path: Path) -> list[tuple[int, list[int]]]:
    """The line of each row or reject of a file, and all lines that its text goes over."""
    found = json_text.rows(
        lambda: path.open("rb"), by_line=True, mapping=None, split=None, path="", say=print
    )
    return [(of.line, [of.line + n for n in range(text_of(of.raw).count("\n") + 1)])
            for of in found]  # fmt: skip


def is_by_line(content: bytes) -> bool:
    """Not a list, nor one object over several lines, whatever the name says."""
    content = content.removeprefix(b"\xef\xbb\xbf")
    first, second = [*(line.strip() for line in content.split(b"\n") if line.strip()), b"", b""][:2]
    if first[:1] != b"{" or second[:1] in (b"{", b""):
        return first[:1] != b"["
    with suppress(ValueError, RecursionError):
        json.loads(first.decode().rstrip(","))
        return True
    return False


PACKS: dict[str, Any] = {"gz": gzip.compress, "zst": zstandard.compress}


@pytest.mark.parametrize("seed", range(10))
def test_every_line_of_a_broken_file_is_accounted_for(tmp_path, seed):
    rng = random.Random(seed)
    records = 0
    for i in range(100):
        content = broken_file(rng)
        ending = rng.choice([".jsonl", ".jsonl", ".json", ".csv", ".jsonl.gz", ".jsonl.zst"])
        path = tmp_path / f"{i}{ending}"
        pack = PACKS.get(ending.rsplit(".")[-1], bytes)
        packed = pack(content)
        if rng.random() < 0.1:
            packed = packed[: len(packed) // 2]
        path.write_bytes(packed)
        [source] = find([str(path)])
        found: list[Conversation | Reject] = []
        if ending in (".jsonl.gz", ".jsonl.zst") and packed != pack(content):
            # A file that cannot be unpacked is one sentence, after what could be.
            with suppress(UsageError):
                found.extend(read(source))
            continue
        found.extend(read(source))
        records += len(found)
        for record in found:
            assert isinstance(record, Conversation | Reject)
            if isinstance(record, Reject):
                assert record.reason in REASONS
        with with_line_ends(partial(io.BytesIO, content))() as stream:
            content, whole = stream.read(), packed == content  # a CR may end lines
        if ending == ".jsonl" and whole and is_by_line(content):
            assert [record.line for record in found] == [line for line, _ in held(path)]
            # A line end that is missing makes two rows in one line, one too many a row of two.
            assert sorted({line for _, all_ in held(path) for line in all_}) == lines_of(content)
    assert records > 100


@pytest.mark.e2e  # large enough to take seconds
def test_a_line_of_fifty_megabytes_is_a_row_like_any_other(tmp_path):
    rows = [{"instruction": "Long?", "output": "x" * 50_000_000}, GOOD[0]]
    path = tmp_path / "long.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    first, second = read(find([str(path)])[0])
    assert isinstance(first, Conversation)
    assert len(first.turns[1].content) == 50_000_000
    assert isinstance(second, Conversation)


def test_deep_nesting_is_a_reject(tmp_path):
    path = tmp_path / "deep.jsonl"
    path.write_text("[" * 100_000 + "\n" + json.dumps(GOOD[0]) + "\n" + '{"a":' * 50_000)
    deep, good, deeper = read(find([str(path)])[0])
    assert isinstance(deep, Reject)
    assert isinstance(good, Conversation)
    assert isinstance(deeper, Reject)


@pytest.mark.parametrize("name", ["rows.jsonl.zst", "rows.json.zst", "rows.csv.zst"])
def test_zstd_files_are_read(tmp_path, name):
    text = {
        "rows.jsonl.zst": "\n".join(map(json.dumps, GOOD)),
        "rows.json.zst": json.dumps({"data": GOOD}),
        "rows.csv.zst": "question,answer\n1+1?,2\n",
    }[name]
    path = tmp_path / name
    # Two frames, as parallel writers make them.
    half = len(text) // 2
    path.write_bytes(b"".join(zstandard.compress(t.encode()) for t in (text[:half], text[half:])))
    records = list(read(find([str(path)])[0]))
    assert all(isinstance(record, Conversation) for record in records)
    assert len(records) == (1 if "csv" in name else len(GOOD))


def test_a_glob_that_the_shell_did_not_expand(tmp_path):
    for name in ("a.jsonl", "b.jsonl", "sub/c.jsonl"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(GOOD[0]))
    assert len(find([f"{tmp_path}/*.jsonl"])) == 2
    assert len(find([f"{tmp_path}/**/*.jsonl"])) == 3
    with pytest.raises(UsageError, match="there is no file"):
        find([f"{tmp_path}/*.csv"])
