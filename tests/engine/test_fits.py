"""Whether a model fits: a quarter of the memory is left for the KV cache and buffers."""

from __future__ import annotations

import pytest

from sysgen_local.engine.llama.fits import FreeMemory, fit, free_memory

GB = 10**9


@pytest.mark.parametrize(
    ("size", "main", "gpu", "fits"),
    [
        (5, 16, 0, "yes"),
        (12, 16, 0, "yes"),
        (13, 16, 0, "no"),
        (5, 1, 8, "yes"),  # all of it on the GPU
        (5, 16, 4, "part"),
        (5, 1, 5, "no"),
        (14, 16, 4, "part"),
        (14, 16, 0.1, "no"),  # no layer fits on the GPU
        (5, 16, 0.1, "yes"),
    ],
)
def test_where_a_model_fits(size: float, main: float, gpu: float, fits: str) -> None:
    free = FreeMemory(int(main * GB), int(gpu * GB))
    assert fit(int(size * GB), free) == fits


def test_this_machine_has_memory_and_holds_a_small_model() -> None:
    free = free_memory()
    assert free.main > 0
    assert free.gpu >= 0
    assert fit(1_000_000, free) == "yes"
    assert fit(10**15, free) == "no"
