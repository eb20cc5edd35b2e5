"""What is chosen where nothing was set, and what is said where it does not fit."""

import pytest

from sysgen_local.core.errors import ModelTooLargeError, UsageError
from sysgen_local.training.settings import (
    Machine,
    ModelShape,
    TrainSettings,
    choose,
    length_limit,
    weight_bytes,
)

GB = 10**9
SMALL = ModelShape(135 * 10**6, 30, 576, 1536, 49_152, 8192)
LARGE = ModelShape(8 * GB, 32, 4096, 14336, 128_256, 131_072)
LAPTOP = Machine("cpu", 16 * GB, bfloat16=False)
GPU = Machine("cuda", 24 * GB, bfloat16=True)


def test_a_small_model_is_trained_whole_and_a_large_one_with_an_adapter():
    small = choose(TrainSettings(), SMALL, LAPTOP, 400, 200)
    assert (small.method, small.rank, small.precision) == ("full", None, "float32")
    large = choose(TrainSettings(), LARGE, GPU, 400, 200)
    assert (large.method, large.rank, large.alpha, large.precision) == (
        "lora", 16, 32.0, "bfloat16",
    )  # fmt: skip
    assert large.learning_rate < small.learning_rate * 10


def test_what_was_set_is_kept():
    settings = TrainSettings(
        method="lora", rank=4, alpha=3.0, epochs=0.5, learning_rate=1e-3, batch=6, at_once=2,
        precision="bfloat16", seed=7,
    )  # fmt: skip
    found = choose(settings, SMALL, LAPTOP, 400, 200)
    assert (found.rank, found.alpha, found.epochs, found.learning_rate) == (4, 3.0, 0.5, 1e-3)
    assert (found.batch, found.at_once, found.precision, found.seed) == (6, 2, "bfloat16", 7)


@pytest.mark.parametrize(
    ("examples", "epochs", "batch"), [(3, 3, 3), (300, 3, 8), (5_000, 2, 16), (90_000, 1, 16)]
)
def test_more_rows_are_seen_less_often(examples, epochs, batch):
    found = choose(TrainSettings(), SMALL, GPU, examples, 200)
    assert (found.epochs, found.batch) == (epochs, batch)


def test_a_batch_is_divided_where_memory_is_short():
    rich = choose(TrainSettings(), LARGE, Machine("cuda", 80 * GB, bfloat16=True), 5_000, 2048)
    poor = choose(TrainSettings(), LARGE, Machine("cuda", 19 * GB, bfloat16=True), 5_000, 2048)
    assert poor.at_once < rich.at_once <= rich.batch
    assert poor.checkpointing
    assert poor.batch == rich.batch
    assert poor.bytes_needed <= 19 * GB


def test_a_model_that_does_not_fit_is_refused_with_what_would():
    with pytest.raises(ModelTooLargeError) as error:
        choose(TrainSettings(method="full"), LARGE, GPU, 400, 200)
    assert "training needs" in error.value.message
    assert "24.00 GB are free" in error.value.message
    assert "--lora 16 needs" in error.value.hint
    assert weight_bytes(LARGE, "lora", "bfloat16", 16) < 24 * GB
    with pytest.raises(ModelTooLargeError) as error:
        choose(TrainSettings(), LARGE, LAPTOP, 400, 200)
    assert "--lora 16" not in error.value.hint
    assert "a base of at most 3.2 billion parameters" in error.value.hint


def test_the_length_is_limited_by_the_context():
    assert length_limit(TrainSettings(), SMALL) == 2048
    assert length_limit(TrainSettings(max_length=100_000), SMALL) == 8192


@pytest.mark.parametrize("batch", [1, 7, 8, 23])
@pytest.mark.parametrize("at_once", [None, 1, 3, 100])
def test_a_step_has_as_many_rows_as_the_recipe_says(batch, at_once):
    found = choose(TrainSettings(batch=batch, at_once=at_once), SMALL, LAPTOP, 400, 200)
    assert found.batch == batch
    assert found.batch % found.at_once == 0
    assert found.at_once <= min(batch, at_once or 8)


def test_the_steps_are_counted_as_the_trainer_counts_them():
    assert choose(TrainSettings(epochs=3, batch=8), SMALL, LAPTOP, 18, 200).steps(18) == 9
    assert choose(TrainSettings(epochs=0.01, batch=8), SMALL, LAPTOP, 18, 200).steps(18) == 1
    assert choose(TrainSettings(epochs=1, batch=100), SMALL, LAPTOP, 18, 200).steps(18) == 1


@pytest.mark.parametrize("method", ["full", None])
def test_an_alpha_without_an_adapter_is_refused(method):
    with pytest.raises(UsageError, match="alpha scales an adapter"):
        choose(TrainSettings(method=method, alpha=8.0), SMALL, LAPTOP, 400, 200)
