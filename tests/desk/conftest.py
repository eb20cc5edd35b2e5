from __future__ import annotations

import pytest
from desks import serving, write_rows


@pytest.fixture
def served(tmp_path):
    """A desk of a store that is not there yet, with three rows to read."""
    rows = write_rows(tmp_path / "rows.jsonl", 3)
    with serving(tmp_path / "s.duckdb", inputs=[str(rows)], model="builtin") as served:
        yield served
