"""Intervals and corrections: values worked out by hand, and coverage where the truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sysgen_local.core.intervals import (
    Share,
    Z,
    bootstrap,
    compare,
    detectable,
    holm,
    share,
    trials_for,
    wilson,
)


def test_the_interval_of_a_share_is_wilsons():
    assert wilson(7, 10) == pytest.approx((0.7, 0.3968, 0.8922), abs=1e-4)
    # n = 10, p = 0.8, z = 1.95996: centre 0.99207 / 1.38415, half 0.22658
    assert wilson(8, 10) == pytest.approx((0.8, 0.4902, 0.9433), abs=1e-4)
    # k = 0: from 0 to z^2 / (n + z^2) = 3.84146 / 7.84146
    assert wilson(0, 4) == pytest.approx((0.0, 0.0, 0.4899), abs=1e-4)
    assert wilson(4, 4) == pytest.approx((1.0, 0.5101, 1.0), abs=1e-4)
    assert wilson(900, 1000)[1] == pytest.approx(0.8798, abs=1e-4)
    assert wilson(0, 0) == (None, None, None)


@pytest.mark.parametrize("true", [0.05, 0.3, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("trials", [20, 100, 400])
def test_wilsons_interval_covers_the_share(true, trials):
    """Summed over all counts, so this is the coverage itself, without chance."""
    covered = 0.0
    for count in range(trials + 1):
        _, low, high = wilson(count, trials)
        if low <= true <= high:
            covered += math.comb(trials, count) * true**count * (1 - true) ** (trials - count)
    assert 0.92 <= covered <= 0.985


def test_a_share_of_groups_of_one_trial_is_wilsons():
    found = share([(1, 1)] * 7 + [(0, 1)] * 3 + [(0, 0)])
    assert (found.value, found.low, found.high) == wilson(7, 10)
    assert (found.trials, found.effective) == (10, 10)
    assert share([]) == share([(0, 0)]) == Share(None, None, None, 0, 0)


def test_a_share_of_groups_by_hand():
    # 4 groups of 2: shares 1, 1, 0.5, 0; p = 5/8. Squared deviations of the counts from 2 p = 1.25:
    # 0.5625 + 0.5625 + 0.0625 + 1.5625 = 2.75; variance 2.75 * 4/3 / 64 = 0.057292, while
    # p q = 0.234375. Of three degrees of freedom t is 3.182 (here 3.159), so that the trials are
    # (1.960 / 3.159)^2 * 0.234375 / 0.057292 = 1.575.
    found = share([(2, 2), (2, 2), (1, 2), (0, 2)])
    assert (found.value, found.trials) == (5 / 8, 8)
    assert found.effective == pytest.approx(1.575, abs=0.002)
    assert (found.value, found.low, found.high) == wilson(5 / 8 * found.effective, found.effective)


def test_where_all_trials_succeed_each_group_tells_as_much_as_one_trial():
    assert share([(3, 3)] * 6).effective == 6
    assert share([(0, 3)] * 6).high == wilson(0, 6)[2]
    # sizes 1, 2, 3: (1 + 2 + 3)^2 / (1 + 4 + 9)
    assert share([(1, 1), (2, 2), (3, 3)]).effective == pytest.approx(36 / 14)
    assert share([(0, 2), (0, 1)]).low == 0  # and not 1e-16
    assert share([(2, 2), (1, 1)]).high == 1
    assert share([(4, 9)]).effective == 1  # one row says nothing of others


def test_groups_whose_trials_are_independent_tell_no_more_than_their_trials():
    found = share([(1, 2)] * 10)  # less spread than chance would give
    assert found.effective == 20
    assert (found.low, found.high) == wilson(10, 20)[1:]


@pytest.mark.parametrize("chance", [0.1, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("alike", [0.0, 0.3, 0.8])
@pytest.mark.parametrize("groups", [8, 20, 60])
def test_the_interval_covers_the_share_where_trials_of_a_group_are_alike(groups, alike, chance):
    """`alike` is the correlation of two trials of a group. Wilson's interval of all trials covers
    the share in 70 to 75 % of samples where it is 0.8."""
    rng = np.random.default_rng(3)
    samples, covered, as_wilson = 600, 0, 0
    for _ in range(samples):
        sizes = rng.integers(1, 6, size=groups)
        spread = (1 - alike) / alike if alike else None
        own = rng.beta(chance * spread, (1 - chance) * spread, groups) if spread else chance
        counts = rng.binomial(sizes, own)
        found = share(zip(counts.tolist(), sizes.tolist(), strict=True))
        covered += found.low <= chance <= found.high
        _, low, high = wilson(int(counts.sum()), int(sizes.sum()))
        as_wilson += low <= chance <= high
    assert covered / samples >= (0.89 if chance == 0.95 else 0.91)
    if alike == 0.8 and chance in (0.5, 0.8):
        assert as_wilson / samples < 0.8


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("half_width", [0.05, 0.1])
def test_so_many_trials_make_the_interval_that_narrow_and_one_fewer_do_not(share, half_width):
    needed = trials_for(share, half_width)
    for trials, narrow in ((needed, True), (needed - 1, False)):
        middle = (share + Z * Z / (2 * trials)) / (1 + Z * Z / trials)
        _, low, high = wilson(share * trials, trials)
        half = max(high - middle, middle - low)  # an end may be cut off at 0 or 1
        assert (half <= half_width + 1e-12) is narrow
    if share == 0.5:  # 1.96^2 / (4 * 0.05^2) = 384.1, less 1.96^2 = 3.84
        assert needed == {0.05: 381, 0.1: 93}[half_width]


def test_holm_by_hand():
    # in order: 4 * 0.005, 3 * 0.01, 2 * 0.03, and 1 * 0.04, which is less than the one before it
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


def units(before, after):
    return ({"m": [(b, 1.0) for b in before]}, {"m": [(a, 1.0) for a in after]})


def test_the_standard_error_is_that_of_a_mean_and_gives_what_can_be_detected():
    rng = np.random.default_rng(5)
    before, change = rng.normal(size=200), rng.normal(0.3, 1.0, size=200)
    found = compare(*units(before, before + change))["m"]
    error = float(change.std() / math.sqrt(200))
    assert found.error == pytest.approx(error, rel=0.03)
    # (1.959964 + 0.841621) standard errors
    assert detectable(found.error) == pytest.approx(2.801585 * found.error, rel=1e-6)


def test_the_p_value_is_that_of_a_normal_test_and_agrees_with_the_interval():
    rng = np.random.default_rng(6)
    change = rng.normal(size=300)
    change += 2.2 * change.std() / math.sqrt(300) - change.mean()  # 2.2 standard errors from 0
    found = compare(*units([0.0] * 300, change))["m"]
    assert found.p == pytest.approx(0.0278, abs=0.006)  # 2 (1 - Phi(2.2))
    assert found.low > 0


def test_the_same_answers_differ_in_nothing():
    found = compare(*units([1.0, 0.0, 1.0], [1.0, 0.0, 1.0]))["m"]
    assert (found.difference, found.low, found.high, found.error, found.p) == (0, 0, 0, 0, 1)


@pytest.mark.parametrize(("differing", "least"), [(1, 1.0), (2, 0.5), (5, 1 / 16), (7, 1 / 64)])
def test_a_few_questions_prove_nothing_although_all_point_the_same_way(differing, least):
    """Every resample of only better answers is better: the bootstrap alone would be sure."""
    before = [0.0] * differing
    found = compare(*units(before, [1.0] * differing))["m"]
    if differing > 1:
        assert found.low == found.high == 1
        assert found.p == least
    else:
        assert found.p is None


def samples(count, size, mean, seed):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        before = rng.normal(size=size)
        yield units(before, before + rng.normal(mean, 1.0, size=size))


@pytest.mark.e2e  # hundreds of bootstraps
def test_intervals_cover_the_true_difference_in_95_of_100_samples():
    covered = 0
    for before, after in samples(400, 80, 0.25, seed=1):
        found = compare(before, after, resamples=1000)["m"]
        covered += found.low <= 0.25 <= found.high
    assert 0.92 <= covered / 400 <= 0.98


@pytest.mark.e2e  # hundreds of bootstraps
def test_a_difference_that_is_detectable_is_found_four_times_in_five():
    true = detectable(1 / math.sqrt(80))
    found = [
        compare(before, after, resamples=1000)["m"]
        for before, after in samples(400, 80, true, seed=2)
    ]
    assert sum(of.p < 0.05 for of in found) / 400 == pytest.approx(0.8, abs=0.06)
    assert np.mean([detectable(of.error) for of in found]) == pytest.approx(true, rel=0.02)


@pytest.mark.e2e  # hundreds of bootstraps
def test_of_ten_metrics_without_a_difference_holm_rarely_keeps_any():
    rng = np.random.default_rng(3)
    plain = kept = 0
    for _ in range(200):
        names = [f"m{i}" for i in range(10)]
        before = {name: [(0.0, 1.0)] * 60 for name in names}
        after = {name: [(x, 1.0) for x in rng.normal(size=60)] for name in names}
        p = [of.p for of in compare(before, after, resamples=2000).values()]
        plain += min(p) <= 0.05
        kept += min(holm(p)) <= 0.05
    assert plain / 200 > 0.3  # 1 - 0.95^10 = 0.40
    assert kept / 200 <= 0.09


def test_a_bootstrap_interval_of_a_mean():
    values = np.random.default_rng(4).normal(2.0, 1.0, size=100).tolist()
    found = bootstrap(values, lambda some: sum(some) / len(some))
    error = float(np.std(values)) / 10
    assert found.value == pytest.approx(sum(values) / 100)
    assert found.low == pytest.approx(found.value - Z * error, abs=0.03)
    assert found.high == pytest.approx(found.value + Z * error, abs=0.03)
    assert bootstrap([1.0], sum).low is None
    assert bootstrap([], sum).value is None
