"""Which bases `sysgen train` refuses before torch is needed."""

from __future__ import annotations

import lora
import pytest
from tiny import make

from sysgen_local.core.errors import UsageError
from sysgen_local.workflows.train_base import find_base


def test_a_base_with_an_adapter_is_refused(tmp_path):
    base = make(tmp_path / "base.gguf", "llama")
    adapter = lora.adapter(tmp_path / "a.gguf", base)
    with pytest.raises(UsageError, match="is trained without LoRA adapters") as caught:
        find_base(f"{base}+{adapter}", tmp_path, tmp_path, lambda line: None)
    assert "name the base alone" in str(caught.value.hint)
