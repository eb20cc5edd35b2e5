"""Tables of a study: intervals, the correction for many comparisons, and what a test set shows."""

from __future__ import annotations

from dataclasses import replace

import duckdb
import pytest

from sysgen_local.report.benchmarks import section, study_tables
from sysgen_local.store.evaluation import Comparison, Evaluation
from sysgen_local.workflows.study import corrected


def compared(metric, p, error=0.02, **more):
    values = {
        "benchmark": "own", "before_run": 1, "after_run": 2, "before_label": "before",
        "after_label": "after", "before": 0.5, "after": 0.6, "difference": 0.1, "low": 0.06,
        "high": 0.14, "units": 300,
    }  # fmt: skip
    return Comparison(metric=metric, p=p, error=error, **(values | more))


MANY = [
    compared("phrases", 0.01), compared("items", 0.04), compared("result", 0.03),
    compared("plain", 0.005), compared("echo", None, None, low=None, high=None),
]  # fmt: skip
SCORES = {name: {c.metric: 0.5 for c in MANY} for name in ("before", "after")}


def test_a_star_marks_what_holds_among_all_comparisons():
    found = corrected(MANY)
    assert [c.p_holm for c in found] == pytest.approx([0.03, 0.06, 0.06, 0.02, None])
    assert [c.family for c in found] == [4, 4, 4, 4, None]
    assert [c.survives for c in found] == [True, False, False, True, None]
    table = study_tables("own", SCORES, found)[1]
    cells: dict[str, str] = dict(table.rows)
    assert cells["phrases"] == "+10.0 [+6.0, +14.0] *"
    assert cells["items"] == "+10.0 [+6.0, +14.0]"
    assert cells["echo"] == "+10.0"
    assert table.notes[1:] == (
        "* significant after Holm's correction for the 4 comparisons of the study (p <= 0.05)",
        # 2.8016 * 0.02
        "phrases: 300 questions show a difference between after and before from 5.6 on (with a "
        "probability of 80 %, at 95 %)",
    )


def test_nothing_holds_where_all_may_be_chance():
    found = corrected([replace(c, p=0.04) for c in MANY[:2]])
    table = study_tables("own", SCORES, found)[1]
    assert not any("*" in cell for _, cell in table.rows)
    assert "no difference is significant after Holm's correction for the 2" in table.notes[1]


def test_the_main_metric_is_that_of_the_benchmark():
    names = ("CSR", "ISR")
    found = corrected([compared(name, 0.5, benchmark="sysbench") for name in names])
    scores = {label: dict.fromkeys(names, 0.5) for label in ("before", "after")}
    assert study_tables("sysbench", scores, found)[1].notes[-1].startswith("ISR: 300 questions")


def test_the_report_has_what_the_study_found_and_results_of_an_older_version(tmp_path):
    db = tmp_path / "e.duckdb"
    with Evaluation.open(db) as store:
        answered = store.answer_run("own", "a" * 64, {"model": "m"})
        for judge in ("b", "c"):
            store.grading_run(answered, judge * 64, {})
    with duckdb.connect(str(db)) as con:  # as an older version made it
        for name in ("error", "p", "p_holm", "family"):
            con.execute(f"ALTER TABLE comparisons DROP COLUMN {name}")
        for table in ("answers", "verdicts"):
            con.execute(f"ALTER TABLE {table} DROP COLUMN tokens_decoded")
        con.execute("DELETE FROM migrations WHERE number > 1")
        con.execute(
            "INSERT INTO comparisons VALUES ('own', 'items', 1, 2, 'before', 'after', 0.5, 0.6, "
            "0.1, 0.02, 0.18, 300, now()::TIMESTAMP)"
        )
    with Evaluation.open(db) as store:
        [old] = store.comparisons()
        assert (old.p, old.survives, old.detectable) == (None, None, None)
        [differences] = [of for of in section(store) if "differences" in of.title]
        assert differences.rows == (("items", "+10.0 [+2.0, +18.0]"),)
        assert len(differences.notes) == 1
        store.set_comparisons(corrected(MANY))
        assert {c.metric: c for c in store.comparisons()} == {
            c.metric: c for c in corrected(MANY)
        }  # the new one is in place of the old one
        [differences] = [of for of in section(store) if "differences" in of.title]
        assert ("plain", "+10.0 [+6.0, +14.0] *") in differences.rows
        assert "the 4 comparisons" in differences.notes[1]
