"""The shipped model, its tokenizer, and a model with its circuits set that has not been trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sysgen_local.core.resources import resource

if TYPE_CHECKING:
    from builtin_recipe.model import Model
    from builtin_recipe.tokenizer import Encoder


@pytest.fixture(scope="session")
def builtin() -> Path:
    from sysgen_local.engine.llama.amx import disable_if_broken

    disable_if_broken()  # some tests give the file to `llama_cpp.Llama`
    return resource("builtin_model/builtin.gguf")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data of other projects; only where a checkout has it beside it."""
    folder = Path(__file__).resolve().parents[4] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no ../shared/data beside this checkout")
    return folder


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    from builtin_recipe.tokenizer import Encoder

    return Encoder()


@pytest.fixture(scope="session")
def model(encoder: Encoder) -> Model:
    """Circuits set, domain vectors zero, not trained. To be left as it is."""
    import torch

    from builtin_recipe.circuits import build_circuits
    from builtin_recipe.domains import SIZE, DomainVectors
    from builtin_recipe.model import Config, Model

    torch.manual_seed(0)
    model = Model(Config(vocabulary=encoder.size)).eval()
    nothing = DomainVectors(torch.zeros(encoder.size, SIZE), torch.zeros(encoder.size))
    build_circuits(model, nothing, encoder)
    return model


@pytest.fixture(scope="session")
def grown(model: Model) -> Model:
    """The same, as soon as training has made texts larger behind block 0 than starts of turns: by a
    quarter."""
    import copy

    import torch

    from builtin_recipe.layout import Entries

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
def shipped(builtin: Path, encoder: Encoder) -> Model:
    """As the file has it."""
    from weights import weights

    from builtin_recipe.model import Config, Model

    model = Model(Config(vocabulary=encoder.size)).eval()
    model.load_state_dict(weights(builtin))
    return model
