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


@pytest.fixture(scope="session")
def grown(model: Model) -> Model:
    """The same, as soon as training has made texts louder behind block 0 than starts of turns: by a
    quarter."""
    import copy

    import torch

    from builtin_model.layout import Entries

    model = copy.deepcopy(model)
    block, entries = model.blk[0], Entries.of(model.config)
    free = block.ffn_down.weight[entries.free]
    torch.manual_seed(0)
    with torch.no_grad():
        block.ffn_gate.weight[0] = 0
        block.ffn_up.weight[0] = 0
        block.ffn_gate.weight[0, entries.constant] = 1
        block.ffn_gate.weight[0, entries.turn] = -1
        block.ffn_up.weight[0, entries.constant] = 1
        block.ffn_down.weight[entries.free, 0] = 0.032 * torch.randn(len(free)).sign()
    return model


@pytest.fixture(scope="session")
def shipped(encoder: Encoder) -> Model:
    """As the file has it."""
    from builtin_model.export import weights
    from builtin_model.model import Config, Model
    from sysgen_local.resources import resource

    model = Model(Config(vocabulary=encoder.size)).eval()
    model.load_state_dict(weights(resource("builtin_model/builtin.gguf")))
    return model
