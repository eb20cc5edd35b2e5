"""The tokenizer, and a wired model that has not been trained. Need the extra `builtin-model`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from builtin_model.model import Model
    from builtin_model.tokenizer import Encoder


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    from builtin_model.tokenizer import Encoder

    return Encoder()


@pytest.fixture(scope="session")
def model(encoder: Encoder) -> Model:
    """Wired, where no word tells a domain. To be left as it is."""
    import torch

    from builtin_model.domains import Telling
    from builtin_model.model import Config, Model
    from builtin_model.wiring import wire

    torch.manual_seed(0)
    model = Model(Config(vocabulary=encoder.size)).eval()
    wire(model, Telling.nothing(encoder.size), encoder)
    return model
