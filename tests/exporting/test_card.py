"""The licence in the head of a dataset card, in the hub's terms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from stored import fill

from sysgen_local.core.errors import UsageError
from sysgen_local.exporting import Exported, card, generators, permit
from sysgen_local.store import LineageEntry, Store


def head(licences: dict[str, str | None], model: str | None) -> dict[str, Any]:
    """The head of the card of rows from sources with these licences, written by one model."""
    with Store.in_memory() as store:
        fill(store, 1)
        if model is not None:
            store.set_recipe("respond", "f", {"model": "m", "model_license": model})
        stats = store.stats()
    lineage = [LineageEntry(name, of, 1, n, n) for n, (name, of) in enumerate(licences.items(), 1)]
    text = card(
        stats, [Exported(1, {}, Path("o.jsonl"))], lineage, [], name="o", layout="messages",
        variant="full",
    )  # fmt: skip
    return dict(yaml.safe_load(text.split("---\n")[1]))


MIXED = {"license": "other", "license_name": "mixed"}


@pytest.mark.parametrize(
    ("sources", "model", "fields"),
    [
        ({"a": None}, None, {"license": "unknown"}),
        ({"a": None}, "apache-2.0", {"license": "unknown"}),
        ({"a": None, "b": "unknown"}, "unknown", {"license": "unknown"}),
        ({"a": "mit"}, "mit", {"license": "mit"}),
        ({"a": "MIT"}, None, {"license": "mit"}),
        ({"a": "my-own-1.0"}, None, {"license": "other", "license_name": "my-own-1.0"}),
        ({"a": "mrl"}, None, {"license": "other", "license_name": "mrl"}),
        ({"a": "mit"}, "apache-2.0", {**MIXED, "license_details": "apache-2.0, mit"}),
        ({"a": "mit"}, "unknown", {**MIXED, "license_details": "mit, unknown"}),
        ({"a": "mit", "b": None}, "mit", {**MIXED, "license_details": "mit, unknown"}),
    ],
)
def test_the_licence_field(
    sources: dict[str, str | None], model: str | None, fields: dict[str, str]
) -> None:
    found = head(sources, model)
    assert {name: of for name, of in found.items() if name.startswith("license")} == fields


def test_the_card_names_adapters_and_their_licences():
    made = {
        "model": "qwen+/x/a.gguf=0.5+/x/b.gguf", "lora": f"{'2' * 64}=0.5 {'3' * 64}=1.0",
        "model_license": "apache-2.0", "lora_license": "cc-by-nc-4.0 unknown",
    }  # fmt: skip
    first, second = f"a.gguf ({'2' * 12})", f"b.gguf ({'3' * 12})"
    with Store.in_memory() as store:
        fill(store, 1)
        store.set_recipe("generate", "f", {**made, "lora": made["lora"].split()[0],
                                           "model": "qwen+/x/a.gguf=0.5"})  # fmt: skip
        store.set_recipe("verify", "f", {"model": "llama", "model_license": "mit"})
        store.set_recipe("respond", "f", made)
        stats = store.stats()
    lineage = [LineageEntry("a", "mit", 1, 1, 1)]
    text = card(
        stats, [Exported(1, {}, Path("o.jsonl"))], lineage, [], name="o", layout="messages",
        variant="full",
    )  # fmt: skip
    assert (
        f"The model of generate was qwen with the LoRA adapter {first} at scale 0.5. The model of "
        f"respond was qwen with the LoRA adapters {first} at scale 0.5 and {second} at scale 1."
    ) in text
    assert f"| LoRA adapter {first} | cc-by-nc-4.0 | non-commercial |" in text
    assert f"| LoRA adapter {second} | unknown | unknown |" in text
    assert "| qwen | apache-2.0 | permissive |" in text
    assert "/x/" not in text
    with pytest.raises(UsageError, match=r"written or judged by LoRA adapter a\.gguf"):
        permit(lineage, generators(stats))
