"""Small benchmarks as files."""

from __future__ import annotations

from pathlib import Path

import pytest
from questions import dialogue, instance, write


@pytest.fixture
def dialogues(tmp_path: Path) -> Path:
    return write(tmp_path / "dialogues.jsonl", [dialogue(n) for n in range(1, 4)])


@pytest.fixture
def instances(tmp_path: Path) -> Path:
    return write(tmp_path / "instances.jsonl", [instance(n) for n in range(3)])
