import pytest
from tiny import HEAD, HEADS, LAYERS, make

from sysgen_local.engine.llama import weights
from sysgen_local.engine.llama.plan import (
    KEPT_TOKENS,
    MIN_PREFIX_SLOTS,
    PREFIX_SLOTS,
    fit_layout,
    kv_bytes_per_token,
    layers_that_fit,
)
from sysgen_local.engine.options import Options

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


@pytest.mark.parametrize(
    ("options", "trained", "cells", "plan"),
    [
        (Options(longest=2500), 32768, 10**9, (16, 2560, PREFIX_SLOTS)),
        (Options(longest=300), 32768, 10**9, (16, 1024, PREFIX_SLOTS)),
        (Options(longest=300), 512, 10**9, (16, 512, PREFIX_SLOTS)),
        (Options(), 32768, 10**9, (16, 4096, PREFIX_SLOTS)),
        # Memory is short: kept prefixes go first, then slots down to eight, then the long rows,
        # then slots again.
        (Options(longest=16000), 32768, 200_000, (9, 16128, MIN_PREFIX_SLOTS)),
        (Options(longest=16000), 32768, 110_000, (7, 10240, MIN_PREFIX_SLOTS)),
        (Options(longest=16000), 32768, 30_000, (4, 4096, MIN_PREFIX_SLOTS)),
        (Options(longest=16000), 32768, 5_000, (1, 4096, MIN_PREFIX_SLOTS)),
        # What a slot has to hold goes before their number, as far as there is memory.
        (Options(longest=300, least=16000), 32768, 10**9, (16, 16128, PREFIX_SLOTS)),
        (Options(least=16000), 32768, 110_000, (3, 16128, MIN_PREFIX_SLOTS)),
        (Options(least=16000, slots=8), 32768, 110_000, (3, 16128, MIN_PREFIX_SLOTS)),
        (Options(least=40000), 32768, 110_000, (1, 27392, MIN_PREFIX_SLOTS)),
        (Options(least=16000, context=8000), 32768, 10**9, (16, 8192, PREFIX_SLOTS)),
        # What is set by hand is kept.
        (Options(longest=300, context=8000), 32768, 200_000, (16, 8192, PREFIX_SLOTS)),
        (Options(slots=40), 32768, 10**9, (40, 4096, PREFIX_SLOTS)),
    ],
)
def test_slots_and_their_length_follow_memory_and_jobs(options, trained, cells, plan):
    """Here for a model whose prefixes are kept in slots."""
    found = fit_layout(options, trained=trained, cells=cells, slots=16, in_slots=True)
    assert found == (*plan, 0)


@pytest.mark.parametrize(
    ("options", "cells", "plan"),
    [
        (Options(longest=2500), 10**9, (16, 2560, 0, KEPT_TOKENS)),
        (Options(longest=2500), 16 * 2560 * 8 // 7, (16, 2560, 0, 5851)),
        (Options(longest=16000), 200_000, (11, 16128, 0, KEPT_TOKENS)),
        (Options(longest=16000), 30_000, (6, 4096, 0, 3750)),
        (Options(least=40000), 110_000, (2, 32768, 0, 13750)),
        (Options(slots=40), 10**9, (40, 4096, 0, KEPT_TOKENS)),
    ],
)
def test_prefixes_outside_of_slots_leave_the_memory_to_slots(options, cells, plan):
    found = fit_layout(options, trained=32768, cells=cells, slots=16)
    assert found == plan
    if not options.slots:
        assert found.slots * found.slot_tokens + found.kept_tokens <= cells


@pytest.mark.parametrize(
    ("architecture", "size"), [("llama", HEAD), ("qwen2", HEAD), ("gemma2", 2 * HEAD)]
)
def test_a_token_takes_a_key_and_a_value_of_each_head(tmp_path, architecture, size):
    """Also where heads are larger than the width divided by their number, as in Gemma's."""
    model = weights.load(make(tmp_path / "tiny.gguf", architecture), 0)
    assert kv_bytes_per_token(model) == 2 * 2 * size * HEADS * LAYERS
    assert weights.metadata(model, "no.such.key") == ""
