"""The table of a judge's verdicts, and its warning about a judge that looks at the order."""

from __future__ import annotations

import pytest

from sysgen_local.evaluation.preference import summary
from sysgen_local.report.judgements import judge_tables


def judged(pairs: list[tuple[float, float]]) -> list[str]:
    """The notes under the table of a judge. A pair: the probability that the new answer is better,
    with the new answer shown first and shown second."""
    found = summary(
        [{"judge": 1, "facts": {"model": "m"}, "dataset": "d", "pairs": pairs, "ratings": [],
          "dropped": 0}]
    )  # fmt: skip
    [table] = judge_tables(found)
    return list(table.notes)


@pytest.mark.parametrize(
    ("pairs", "warned"),
    [
        ([(0.9, 0.1)] * 12, True),  # always the one shown first
        ([(0.1, 0.9)] * 12, True),  # always the one shown second
        ([(0.9, 0.1)] * 5, False),  # too few to say so
        ([(0.9, 0.9)] * 12, False),  # always the new answer
        ([(0.9, 0.1)] * 6 + [(0.9, 0.9), (0.1, 0.1)] * 6, False),
    ],
)
def test_a_judge_that_chooses_by_order_is_named(
    pairs: list[tuple[float, float]], warned: bool
) -> None:
    notes = judged(pairs)
    assert any("shown first in" in note and "order" in note for note in notes) == warned
