import pytest

from sysgen_local.engine.plan import layers_that_fit

GB = 10**9


@pytest.mark.parametrize(
    ("size", "layers", "free", "fit"),
    [
        (5 * GB, 32, 24 * GB, -1),
        (5 * GB, 32, 5 * GB, 24),
        (40 * GB, 80, 24 * GB, 36),
        (40 * GB, 80, 0, 0),
    ],
)
def test_as_many_layers_go_to_the_gpu_as_fit(size, layers, free, fit):
    assert layers_that_fit(size, layers, free) == fit
