"""Which columns there are, and what is drawn for them."""

from __future__ import annotations

import json

import pytest

from sysgen_local.core.errors import UsageError
from sysgen_local.core.settings import Reading, Settings
from sysgen_local.workflows.tryout import combinations, draw_rows


def test_every_model_with_every_prompt_set(builtin):
    found = combinations(Settings(), ["builtin", str(builtin)], ["compact", "default"])
    assert [(of.settings.model, of.settings.prompts) for of in found] == [
        ("builtin", "compact"),
        ("builtin", "default"),
        (str(builtin), "compact"),
        (str(builtin), "default"),
    ]
    # Both are called `builtin`, so each is named as it was spelled.
    assert found[0].label == "builtin · compact"
    assert found[3].label == f"{builtin} · default"


def test_labels_say_what_differs(builtin, tmp_path):
    (tmp_path / "other.gguf").symlink_to(builtin)
    assert [of.label for of in combinations(Settings())] == ["builtin"]
    two = combinations(Settings(), ["builtin", str(tmp_path / "other.gguf")])
    assert [of.label for of in two] == ["builtin", "other"]
    assert [of.prompts for of in two] == ["compact", "default"]  # what suits each
    assert [of.label for of in combinations(Settings(), [], ["default", "compact"])] == [
        "default",
        "compact",
    ]


def test_what_is_named_twice_is_said():
    with pytest.raises(UsageError, match="prompt set default is named twice"):
        combinations(Settings(), [], ["default", "default"])


def test_the_files_of_an_input_and_a_file_named_twice(tmp_path):
    (tmp_path / "data").mkdir()
    for name in ("a", "b", "c"):
        rows = [json.dumps({"instruction": f"Q{n}", "output": name}) for n in range(50)]
        (tmp_path / "data" / f"{name}.jsonl").write_text("\n".join(rows))
    said: list[str] = []
    inputs = [str(tmp_path / "data"), str(tmp_path / "data" / "a.jsonl")]
    drawn = draw_rows(inputs, 6, 0, say=said.append)
    assert [len(of.rows) for of in drawn] == [2, 2, 2]
    assert [line.split(": ")[1] for line in said[:3]] == ["50 rows"] * 3
    assert said[3] == "6 of 150 rows are tried, drawn with seed 0"
    head = draw_rows(inputs, 6, 0, Reading(limit=4))
    assert [len(of.rows) for of in head] == [2, 2, 2]
    assert all(row.line <= 4 for of in head for row in of.rows)
