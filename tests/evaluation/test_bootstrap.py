"""The paired bootstrap: right where the answer is known, and the same sums as the scores."""

from __future__ import annotations

import random

import pytest
from places import DATA

from sysgen_local.core.intervals import compare
from sysgen_local.evaluation.benchmarks.multifacet import Rated
from sysgen_local.evaluation.benchmarks.multifacet import score as score_multifacet
from sysgen_local.evaluation.benchmarks.multifacet import summary as summary_multifacet
from sysgen_local.evaluation.benchmarks.sysbench import score, summary
from sysgen_local.evaluation.benchmarks.verdicts import read_verdicts
from sysgen_local.evaluation.statistics import multifacet_units, sysbench_units


@pytest.mark.e2e  # thousands of samples of all sessions take seconds
def test_the_whole_sample_gives_the_official_numbers():
    folder = DATA / "sysbench"
    structure = folder / "sysbench_structure.jsonl.gz"
    before = read_verdicts(structure, folder / "verdicts_llama3_8b.jsonl.gz")
    after = read_verdicts(structure, folder / "verdicts_gpt4o.jsonl.gz")
    found = compare(sysbench_units(before), sysbench_units(after))
    scores = summary(score(before)), summary(score(after))
    assert found
    assert found.keys() == scores[0].keys()
    for metric, of in found.items():
        assert of.before == pytest.approx(scores[0][metric], abs=1e-12)
        assert of.after == pytest.approx(scores[1][metric], abs=1e-12)
        assert 0 < of.low < of.difference < of.high


def test_the_interval_is_that_of_a_paired_difference():
    """Of a mean of independent differences: 1.96 standard errors to each side."""
    rng = random.Random(3)
    before = [Rated(str(i), "koala", (rng.randint(1, 5),)) for i in range(400)]
    after = [Rated(r.id, "koala", (r.scores[0] + rng.choice([0, 0, 1]),)) for r in before]
    found = compare(multifacet_units(before), multifacet_units(after))["average"]
    changes = [b.scores[0] - a.scores[0] for a, b in zip(before, after, strict=True)]
    mean = sum(changes) / 400
    error = (sum((c - mean) ** 2 for c in changes) / 400) ** 0.5 / 20
    assert found.difference == pytest.approx(mean)
    assert found.low == pytest.approx(mean - 1.96 * error, abs=0.003)
    assert found.high == pytest.approx(mean + 1.96 * error, abs=0.003)


def test_units_of_multifacet_sum_to_its_summary():
    rated = [Rated("a", "koala", (1, 2)), Rated("b", "mt_bench", (5,)), Rated("c", "koala", (3,))]
    found = compare(multifacet_units(rated), multifacet_units(rated))
    expected = summary_multifacet(score_multifacet(rated))
    assert {metric: of.before for metric, of in found.items()} == expected
    assert found["average"].difference == 0
    assert found["mt_bench"].low is None  # one question: nothing to resample


def test_nothing_in_common():
    assert compare({}, {}) == {}
    assert compare(multifacet_units([]), multifacet_units([])) == {}
