"""An empty store in a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sysgen_local.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "s.duckdb") as store:
        yield store
