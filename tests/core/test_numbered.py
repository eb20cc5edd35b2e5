"""What a record's number is called."""

from __future__ import annotations

import pytest

from sysgen_local.core.numbered import numbered


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("a.jsonl", "line 3"),
        ("a.csv", "line 3"),
        ("-", "line 3"),
        ("rows 1a2b3c4d", "line 3"),
        ("A.JSON", "item 3"),
        ("x/a.json.gz", "item 3"),
        ("a.json.zst", "item 3"),
        ("hf://datasets/o/n/train.parquet", "record 3"),
        ("a.arrow", "record 3"),
    ],
)
def test_by_the_ending(path: str, said: str) -> None:
    assert numbered(path, 3) == said
