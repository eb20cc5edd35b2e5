"""Shares, estimates and medians, worked out by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks.quality.figures import (
    Share,
    mean,
    medians,
    plain,
    shares,
    walk,
)
from benchmarks.quality.printing import lines
from benchmarks.quality.tags import PAPER, distance, entropy, tags
from sysgen_local.core.intervals import Estimate, bootstrap
from sysgen_local.core.records import TAGS, Phrase
from sysgen_local.evaluation.trust import auc
from sysgen_local.report import paper


def test_wilsons_interval():
    # n = 10, p = 0.8, z = 1.95996: centre 0.99207 / 1.38415, half 0.22658
    assert Share(8, 10).interval() == pytest.approx((0.4902, 0.9433), abs=1e-4)
    # k = 0: from 0 to z^2 / (n + z^2) = 3.84146 / 7.84146
    assert Share(0, 4).interval() == pytest.approx((0.0, 0.4899), abs=1e-4)
    assert Share(4, 4).interval() == pytest.approx((0.5101, 1.0), abs=1e-4)


def test_a_share_of_nothing_is_no_number():
    assert Share.among([]).value is None
    assert Share.among([]).interval() is None
    assert Share.among([True, False, True]) == Share(2, 3)
    assert Share(1, 2) + Share(2, 3) == Share(3, 5)


@pytest.mark.parametrize(
    ("scored", "right"),
    [
        ([(0.9, True), (0.8, True), (0.2, False)], 1.0),
        ([(0.1, True), (0.8, False)], 0.0),
        # of four pairs three are won and one is a tie
        ([(0.9, True), (0.5, True), (0.5, False), (0.1, False)], 0.875),
        ([(0.5, True), (0.5, False), (0.5, False)], 0.5),
        ([(0.5, True)], None),
        ([(0.5, False), (0.1, False)], None),
        ([], None),
    ],
)
def test_auc_counts_a_tie_as_half(scored, right):
    assert auc(scored) == right


def test_entropy_in_bits():
    assert entropy(["a", "a", "b", "c"]) == pytest.approx(1.5)
    assert entropy(["a", "a"]) == 0
    assert entropy(range(8)) == pytest.approx(3)


def test_distance_to_the_paper():
    # 5 + 5 + 3 + 28 + 34 + 38 + 90 + 42 = 245 points over eight tags
    assert distance([frozenset(TAGS)]) == pytest.approx(245 / 8)
    # 95 + 95 + 97 + 72 + 66 + 62 + 10 + 58 = 555
    assert distance([frozenset()]) == pytest.approx(555 / 8)
    # half of the rows with all tags: 45 + 45 + 47 + 22 + 16 + 12 + 40 + 8 = 235
    assert distance([frozenset(TAGS), frozenset()]) == pytest.approx(235 / 8)


def test_the_papers_shares_are_those_of_its_tables():
    rows = paper.SURVIVED["filter"]
    for tag in TAGS:
        shares_ = [1e5 * n / of for n, of in zip(paper.TAGGED[tag], rows, strict=True)]
        assert PAPER[tag] == pytest.approx(sum(shares_) / len(shares_), abs=2)


def test_tags_of_rows():
    def row(*of):
        return [Phrase(tag, "...") for tag in of]

    found = tags([row("role", "task"), row("task", "task", "role"), row("style"), row()])
    assert found["rows"] == 4
    assert found["phrases_a_row"].value == (2 + 3 + 1 + 0) / 4
    assert found["tags_a_row"].value == (2 + 2 + 1 + 0) / 4
    assert found["different_tag_sets"] == 3
    assert found["most_frequent_tag_set"] == Share(2, 4)
    assert found["that_is"] == "role task"
    assert found["entropy_of_tag_sets_in_bits"].value == pytest.approx(1.5)
    assert found["rows_with"]["role"] == Share(2, 4)
    assert found["rows_with"]["tool"] == Share(0, 4)


def test_tags_of_no_rows():
    found = tags([])
    assert found["most_frequent_tag_set"] == Share(0, 0)
    assert found["distance_to_paper_in_points"] == Estimate(None, None, None, 0)


def test_a_bootstrap_of_what_is_always_the_same_has_no_width():
    assert mean([2.0, 2.0, 2.0]) == Estimate(2.0, 2.0, 2.0, 3)
    assert mean([2.0]) == Estimate(2.0, None, None, 1)


def test_a_bootstraps_interval_is_about_as_wide_as_the_error_of_a_mean():
    found = mean([0.0, 1.0] * 50)  # standard error 0.05
    assert found.value == 0.5
    assert found.low == pytest.approx(0.5 - 1.96 * 0.05, abs=0.02)
    assert found.high == pytest.approx(0.5 + 1.96 * 0.05, abs=0.02)
    assert found == mean([0.0, 1.0] * 50)


def test_an_entropy_that_few_rows_bound_has_its_interval_above():
    """A resample has never more sets than the sample, so percentiles would all lie below."""
    found = bootstrap(range(8), entropy, biased=True)
    assert found.value == pytest.approx(3)
    assert found.low >= 3
    assert found.high > found.low


def test_medians_of_several_runs():
    trees: list[Any] = [
        {"rows": 5, "share": Share(1, 4), "dropped": shares({"cut_off": 2}, 4), "name": "a"},
        {"rows": 7, "share": Share(3, 4), "dropped": {}, "name": "b"},
        {"rows": 6, "share": Share(0, 0), "dropped": {}, "name": "b"},
    ]
    # What is a part of the rows is 0 where it is not named; a share of nothing is left out.
    assert medians(trees) == {"rows": 6, "share": 0.5, "dropped": {"cut_off": 0.0}}


def test_lines_of_one_run_and_of_several():
    one = {"rows": {"final": Share(3, 4), "seconds": None}}
    assert lines(["seed 0"], [one]) == [
        "",
        "rows",
        f"{'  final':46} 3 of 4: 75.0% [30, 95]",
        f"{'  seconds':46} -",
    ]
    two = {"rows": {"final": Share(1, 4), "seconds": 9}}
    shown = "\n".join(lines(["seed 0", "seed 1"], [one, two]))
    assert "3 of 4: 75.0% [30, 95]" in shown
    assert "1 of 4: 25.0% [5, 70]" in shown
    assert "50.0%" in shown
    assert "median" in shown


def test_a_tree_as_json():
    tree: Any = {"a": {"b": Share(1, 2, part=True)}, "c": Estimate(1.0, 0.5, 1.5, 4), "d": None}
    found = json.loads(json.dumps(plain(tree)))
    assert found["a"]["b"]["count"] == 1
    assert found["a"]["b"]["of"] == 2
    assert found["a"]["b"]["share"] == 0.5
    assert found["c"] == {"value": 1.0, "low": 0.5, "high": 1.5, "of": 4}
    assert found["d"] is None


def test_branches_that_only_some_trees_have():
    paths = dict(walk([{"a": {"x": 1}}, {"b": 2}]))
    assert paths == {("a",): None, ("a", "x"): [1, None], ("b",): [None, 2]}
