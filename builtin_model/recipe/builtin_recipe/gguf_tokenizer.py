"""The tokenizer of a GGUF, as the `tokenizer.json` of Hugging Face's libraries.

Nothing but the vocabulary and the merges differs between such files, and a GGUF has both. Needs
only the package `gguf`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf


def write_tokenizer(model: Path, path: Path) -> None:
    """Write the `tokenizer.json` of a GGUF. ValueError as in `tokenizer_of`."""
    path.write_text(json.dumps(tokenizer_of(model), ensure_ascii=False), encoding="utf-8")


def tokenizer_of(path: Path) -> dict[str, Any]:
    """The content of a `tokenizer.json`, or of that of a GGUF: byte-level BPE, control tokens as
    special ones.

    ValueError where the GGUF has another kind of tokenizer, or one that splits texts in another way
    than GPT-2 before it merges.
    """
    if path.suffix == ".json":
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return content
    fields = gguf.GGUFReader(path).fields

    def value(name: str) -> Any:
        field = fields.get(f"tokenizer.ggml.{name}")
        return field.contents() if field else None

    kind, splitting = value("model"), value("pre")
    if (kind, splitting) != ("gpt2", "gpt-2"):
        raise ValueError(f"{path.name}: its tokenizer is {kind} ({splitting}), not GPT-2's")
    tokens = value("tokens")
    special = [i for i, t in enumerate(value("token_type")) if t == gguf.TokenType.CONTROL]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_special(number, tokens[number]) for number in special],
        "normalizer": None,
        "pre_tokenizer": _BYTES | {"add_prefix_space": False},
        "post_processor": None,
        "decoder": _BYTES,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: number for number, token in enumerate(tokens)},
            "merges": [merge.split(" ") for merge in value("merges")],
        },
    }


def _special(number: int, token: str) -> dict[str, Any]:
    off = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": number, "content": token, **off, "special": True}


_BYTES = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
