import numpy as np
import pytest

from sysgen_local.engine.request import Sampling
from sysgen_local.engine.sampler import draw, shares


def logits(*probabilities: float) -> np.ndarray:
    return np.log(np.array(probabilities)).astype(np.float32)


def frequencies(row: np.ndarray, sampling: Sampling, n: int = 20_000) -> np.ndarray:
    random = np.random.Generator(np.random.PCG64(1))
    drawn = [draw(row, sampling, random) for _ in range(n)]
    return np.bincount(drawn, minlength=len(row)) / n


def test_temperature_zero_is_greedy():
    assert draw(logits(0.2, 0.5, 0.3), Sampling(), np.random.default_rng(0)) == 1


def test_draws_from_the_distribution():
    p = [0.1, 0.6, 0.05, 0.25]
    assert frequencies(logits(*p), Sampling(temperature=1)) == pytest.approx(p, abs=0.015)


def test_temperature_sharpens():
    p = np.array([0.2, 0.8]) ** 2
    assert frequencies(logits(0.2, 0.8), Sampling(temperature=0.5)) == pytest.approx(
        p / p.sum(), abs=0.015
    )


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=1, top_k=2),
        Sampling(temperature=1, top_p=0.7),
        Sampling(temperature=1, min_p=0.4),
    ],
)
def test_filters_cut_the_tail_and_nothing_else(sampling):
    got = frequencies(logits(0.1, 0.5, 0.1, 0.3), sampling)
    assert got == pytest.approx([0, 0.625, 0, 0.375], abs=0.015)


def test_what_is_masked_is_never_drawn():
    row = logits(0.5, 0.3, 0.2)
    row[0] = -np.inf
    assert frequencies(row, Sampling(temperature=2), 2000)[0] == 0


def test_shares_sum_to_one_over_all_spellings():
    got = shares(logits(0.1, 0.2, 0.3, 0.4), [[0, 1], [2], [3]])
    assert got == pytest.approx([0.3, 0.3, 0.4])
    assert got.sum() == pytest.approx(1)


@pytest.mark.parametrize("top_k", [1, 5, 40, 2000])
def test_the_best_of_a_large_vocabulary_are_found_without_sorting_it(top_k):
    row = np.random.default_rng(top_k).normal(size=5003).astype(np.float32)
    row[7] = row.max()  # one that is there twice
    drawn = set(np.flatnonzero(frequencies(row, Sampling(temperature=50, top_k=top_k), 5000)))
    assert row[list(drawn)].min() >= np.sort(row)[-top_k]
