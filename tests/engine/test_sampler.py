import numpy as np
import pytest

from sysgen_local.engine.llama.sampler import MIN_TABLE_LOGITS, label_probabilities, sample
from sysgen_local.engine.request import Sampling


def logits(*probabilities: float) -> np.ndarray:
    return np.log(np.array(probabilities)).astype(np.float32)


def frequencies(row: np.ndarray, sampling: Sampling, n: int = 20_000) -> np.ndarray:
    random = np.random.Generator(np.random.PCG64(1))
    drawn = [sample(row, sampling, random) for _ in range(n)]
    return np.bincount(drawn, minlength=len(row)) / n


def test_temperature_zero_is_greedy():
    assert sample(logits(0.2, 0.5, 0.3), Sampling(), np.random.default_rng(0)) == 1


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
    got = label_probabilities(logits(0.1, 0.2, 0.3, 0.4), [[0, 1], [2], [3]])
    assert got == pytest.approx([0.3, 0.3, 0.4])
    assert got.sum() == pytest.approx(1)


@pytest.mark.parametrize("top_k", [1, 5, 40, 2000])
def test_the_best_of_a_large_vocabulary_are_found_without_sorting_it(top_k):
    row = np.random.default_rng(top_k).normal(size=5003).astype(np.float32)
    row[7] = row.max()  # one that is there twice
    drawn = set(np.flatnonzero(frequencies(row, Sampling(temperature=50, top_k=top_k), 5000)))
    assert row[list(drawn)].min() >= np.sort(row)[-top_k]


class At:
    """Stands for a generator of which it is known what it says next."""

    def __init__(self, at: float) -> None:
        self._at = at

    def random(self) -> float:
        return self._at


def plainly(row: np.ndarray, sampling: Sampling) -> tuple[np.ndarray, np.ndarray]:
    """Tokens, the best one first, and the upper ends of their shares of 0 to 1: the filters one
    after the other, each on all that is left, sorted as a whole."""
    values = row.astype(np.float64)
    values -= values.max()
    order = np.argsort(-values, kind="stable")
    if sampling.top_k:
        order = order[: sampling.top_k]
    shares = np.exp(values[order])
    held = np.cumsum(shares)
    if sampling.top_p < 1:
        order = order[: np.searchsorted(held, sampling.top_p * held[-1]) + 1]
    order = order[np.exp(values[order]) >= sampling.min_p]
    tokens = np.append(order[0], np.sort(order[1:]))
    ends = np.cumsum(np.exp(values[tokens] / sampling.temperature))
    return tokens, ends / ends[-1]


def rows_of(size: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(size)
    peaked, shared, masked = random.normal(0, 2, (3, size)).astype(np.float32)
    peaked[size // 3] = 15
    shared[random.integers(0, size, 9)] = random.normal(13, 1.5, 9)
    masked[random.random(size) < 0.9] = -np.inf
    masked[7] = 3
    flat = random.normal(0, 0.3, size).astype(np.float32)
    return {"peaked": peaked, "shared": shared, "masked": masked, "flat": flat}


@pytest.mark.parametrize("size", [64, 4096, MIN_TABLE_LOGITS, MIN_TABLE_LOGITS + 5])
@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=0.7, top_p=0.95),
        Sampling(temperature=1.0),
        Sampling(temperature=1.0, min_p=0.05),
        Sampling(temperature=1.3, top_k=20),
        Sampling(temperature=0.7, top_k=20, top_p=0.8),
        Sampling(temperature=2.5, top_k=40, top_p=0.9, min_p=0.1),
        Sampling(temperature=0.001, top_p=0.5),
        Sampling(temperature=3.0),
    ],
)
def test_shortcuts_draw_what_plain_sorting_draws(size, sampling):
    """All shares are the same, to within what single precision and 30 nats are."""
    random = np.random.default_rng(1)
    for name, row in rows_of(size).items():
        tokens, ends = plainly(row, sampling)
        # Anywhere, and close to the ends of the first shares, where a wrong bound would show.
        points = [*random.random(60), *(ends[:20] + 1e-4), *(ends[:20] - 1e-4)]
        for at in points:
            if 0 <= at < 1 and abs(ends - at).min() > 1e-5:
                wanted = tokens[np.searchsorted(ends, at, side="right")]
                assert sample(row, sampling, At(at)) == wanted, (name, at)


@pytest.mark.parametrize("size", [200, MIN_TABLE_LOGITS])
def test_equals_are_drawn_alike_and_no_more_than_k(size):
    row = np.zeros(size, np.float32)
    row[[3, 130, 131, size - 1]] = 5
    for k in (1, 2, 4):
        got = frequencies(row, Sampling(temperature=1, top_k=k), 3000)
        assert got[got > 0] == pytest.approx([1 / k] * k, abs=0.04)
