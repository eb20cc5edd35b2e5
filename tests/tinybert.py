"""A tiny BERT with random weights as an embedding GGUF, built as bge and nomic-embed files are: an
encoder that attends both ways, with WordPiece tokens that this file brings along."""

from __future__ import annotations

import string
from pathlib import Path

import gguf
import numpy as np

WIDTH, LAYERS, HEADS, FEED, CONTEXT = 32, 2, 4, 64, 512
WORDS = ("how", "do", "grow", "mint", "rain", "comes", "from", "clouds", "the", "cat")


def make_bert(path: Path) -> Path:
    """Writes the model and returns its path."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    marks = [*string.ascii_lowercase, *string.digits, *string.punctuation]
    # llama.cpp writes a word's beginning with a mark, and what WordPiece continues with ## plainly.
    tokens = [*special, *(f"\u2581{x}" for x in (*WORDS, *marks)), *string.ascii_lowercase]
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.CLS)
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    kinds = [gguf.TokenType.CONTROL] * len(special)
    writer.add_token_types(kinds + [gguf.TokenType.NORMAL] * (len(tokens) - len(special)))
    writer.add_token_type_count(2)
    writer.add_pad_token_id(0)
    writer.add_unk_token_id(1)
    writer.add_bos_token_id(2)
    writer.add_sep_token_id(3)
    writer.add_mask_token_id(4)
    random = np.random.default_rng(0)
    for name, shape in _shapes(len(tokens)).items():
        if name.endswith(".bias"):
            data = np.zeros(shape)
        elif name.endswith("norm.weight"):
            data = np.ones(shape)
        else:
            data = random.normal(0, 2.0 / np.sqrt(shape[-1]), shape)
        writer.add_tensor(name, data.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _shapes(vocabulary: int) -> dict[str, tuple[int, ...]]:
    weights = {
        "token_embd": (vocabulary, WIDTH),
        "position_embd": (CONTEXT, WIDTH),
        "token_types": (2, WIDTH),
    }
    layers: dict[str, tuple[int, ...]] = {"token_embd_norm": (WIDTH,)}
    for i in range(LAYERS):
        for x in ("attn_q", "attn_k", "attn_v", "attn_output"):
            layers[f"blk.{i}.{x}"] = (WIDTH, WIDTH)
        layers |= {
            f"blk.{i}.ffn_up": (FEED, WIDTH),
            f"blk.{i}.ffn_down": (WIDTH, FEED),
            f"blk.{i}.attn_output_norm": (WIDTH,),
            f"blk.{i}.layer_output_norm": (WIDTH,),
        }
    return {f"{name}.weight": shape for name, shape in (weights | layers).items()} | {
        f"{name}.bias": shape[:1] for name, shape in layers.items()
    }
