"""How recipes differ, in words that a person would use."""

from __future__ import annotations

import json

import pytest

from sysgen_local.workflows.difference import difference

BEFORE = {
    "model": "/home/ann/models/qwen.gguf",
    "model_file": "a" * 64,
    "model_parameters": "500",
    "prompt_set": "compact",
    "prompts": "b" * 64,
    "grammar": '{"$defs": {}}',
    "chat": json.dumps({"end": ["<|im_end|>"], "prompts": "e0ab24b94122a75e"}),
    "sampling": json.dumps({"temperature": 0.7, "top_p": 0.95}),
    "seed": "0",
    "max_tokens": "1024",
}


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ({"seed": "3"}, "seed was 0, now 3"),
        ({"sampling": json.dumps({"temperature": 0.2, "top_p": 0.95})},
         "temperature was 0.7, now 0.2"),
        ({"model": "phi-4", "model_file": "c" * 64, "model_parameters": "900",
          "chat": json.dumps({"end": [], "prompts": "0123456789abcdef"})},
         "model was qwen.gguf, now phi-4"),
        ({"model_file": "c" * 64}, "model qwen.gguf has other contents now"),
        ({"prompt_set": "default", "prompts": "d" * 64, "grammar": "{}"},
         "prompt set was compact, now default"),
        ({"prompts": "d" * 64}, "prompt set compact has other contents now"),
        ({"chat": json.dumps({"end": ["<|im_end|>"], "prompts": "0123456789abcdef"})},
         "chat prompts changed"),
        ({"max_tokens": "20", "seed": "1"},
         "longest answer in tokens was 1024, now 20; seed was 0, now 1"),
        ({"existing_system": "keep"}, "existing system message was replace, now keep"),
        ({"context": "900"}, "context was nothing, now 900"),
        ({"model": "/elsewhere/qwen.gguf"}, ""),
        ({"model": "/home/ann/models/qwen.gguf+/x/a.gguf=0.5", "lora": f"{'e' * 64}=0.5"},
         "LoRA adapter was nothing, now a.gguf=0.5"),
        ({"model": "phi-4+/x/a.gguf+/x/b.gguf=2", "model_file": "c" * 64,
          "lora": f"{'e' * 64}=1.0 {'f' * 64}=2.0"},
         "model was qwen.gguf, now phi-4; LoRA adapter was nothing, now a.gguf, b.gguf=2"),
    ],
)  # fmt: skip
def test_it_names_what_a_person_chose(now: dict[str, str], said: str) -> None:
    told = difference(BEFORE, {**BEFORE, **now})
    assert told == said
    assert "a" * 8 not in told
    assert "{" not in told


def test_an_adapter_that_was_trained_further() -> None:
    with_one = {**BEFORE, "model": "qwen+/x/a.gguf", "lora": f"{'e' * 64}=1.0"}
    told = difference(with_one, {**with_one, "model": "qwen+/y/a.gguf", "lora": f"{'f' * 64}=1.0"})
    assert told == "LoRA adapter a.gguf has other contents now"
