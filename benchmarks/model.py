"""A GGUF with random weights in the shape of Qwen2.5-0.5B, which costs as much time as the real
one.

It can write JSON and end its answers: the layers do all their computation but hardly change their
input, and the output layer is a table of the tokens that may follow each token. The vocabulary is
that of the built-in model, extended to Qwen's 151,936 tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from random import Random

import gguf
import numpy as np
from numpy.typing import NDArray

from benchmarks.build import CACHE
from sysgen_local.core.resources import resource
from sysgen_local.engine.llama.tokenizer import PromptPart, Tokenizer
from sysgen_local.engine.llama.weights import load_vocab_only

WIDTH, LAYERS, HEADS, KV_HEADS, FEED, VOCABULARY, CONTEXT = 896, 24, 14, 2, 4864, 151_936, 32_768
END = "<|im_end|>"
CERTAIN = 25.0
"""Logit of a token that always follows. The other 150,000 have about 0."""

RARE = 1e-4

PATH = CACHE / "qwen2-0.5b-shape-q8_0.gguf"

TAGS = ("role", "task", "style", "format", "content")


def model() -> Path:
    """The path of the model. The first call writes the file (650 MB)."""
    if not PATH.exists():
        CACHE.mkdir(exist_ok=True)
        unfinished = PATH.with_suffix(".part")
        _write(unfinished)
        unfinished.rename(PATH)
    return PATH


def _write(path: Path) -> None:
    random = np.random.default_rng(0)
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_name("random weights in the shape of Qwen2.5-0.5B")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(1_000_000.0)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    _add_vocabulary(writer)
    embeddings, output = _tables(random)
    _add(writer, "token_embd.weight", embeddings)
    _add(writer, "output.weight", output)
    _add(writer, "output_norm.weight", np.ones(WIDTH))
    kv = KV_HEADS * WIDTH // HEADS
    for layer in range(LAYERS):
        for name, shape, scale in (
            ("attn_q", (WIDTH, WIDTH), 0.02),
            ("attn_k", (kv, WIDTH), 0.02),
            ("attn_v", (kv, WIDTH), 0.02),
            ("attn_output", (WIDTH, WIDTH), 1e-6),
            ("ffn_gate", (FEED, WIDTH), 0.02),
            ("ffn_up", (FEED, WIDTH), 0.02),
            ("ffn_down", (WIDTH, FEED), 1e-6),
        ):
            _add(writer, f"blk.{layer}.{name}.weight", random.normal(0, scale, shape))
        for name, size in (("attn_q", WIDTH), ("attn_k", kv), ("attn_v", kv)):
            _add(writer, f"blk.{layer}.{name}.bias", np.zeros(size))
        _add(writer, f"blk.{layer}.attn_norm.weight", np.ones(WIDTH))
        _add(writer, f"blk.{layer}.ffn_norm.weight", np.ones(WIDTH))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add(writer: gguf.GGUFWriter, name: str, values: NDArray[np.floating]) -> None:
    values = values.astype(np.float32)
    if values.ndim == 1:
        writer.add_tensor(name, values)
        return
    kind = gguf.GGMLQuantizationType.Q8_0
    writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)


def _add_vocabulary(writer: gguf.GGUFWriter) -> None:
    """The built-in model's tokenizer with more tokens, which no text is encoded to."""
    source = gguf.GGUFReader(resource("builtin_model/builtin.gguf"))
    for name, field in source.fields.items():
        if name.startswith("tokenizer.") and name not in (
            "tokenizer.ggml.tokens",
            "tokenizer.ggml.token_type",
        ):
            kind = field.types[0]
            sub = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(name, field.contents(), kind, sub)
    tokens = source.fields["tokenizer.ggml.tokens"].contents()
    kinds = source.fields["tokenizer.ggml.token_type"].contents()
    more = VOCABULARY - len(tokens)
    random = Random(0)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = {"".join(random.choices(letters, k=random.randint(4, 9))) for _ in range(more + more)}
    fresh = sorted(f"Ġ{word}" for word in words if f"Ġ{word}" not in set(tokens))[:more]
    writer.add_token_list(tokens + fresh)
    writer.add_token_types(kinds + [gguf.TokenType.NORMAL] * more)
    writer.add_vocab_size(VOCABULARY)


def _tables(random: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The embeddings, and the output layer, which gives the next token for each embedding."""
    follows = _bigrams()
    known = sorted(follows)
    assert len(known) <= WIDTH, "each needs a direction of its own"
    embeddings = random.normal(0, WIDTH**-0.5, (VOCABULARY, WIDTH)).astype(np.float32)
    directions = np.linalg.qr(random.normal(size=(WIDTH, WIDTH)))[0][: len(known)]
    output = random.normal(0, 0.01, (VOCABULARY, WIDTH)).astype(np.float32)
    for token, direction in zip(known, directions, strict=True):
        embeddings[token] = direction
        for successor, share in follows[token].items():
            # The norm before the output layer gives the direction a length of WIDTH ** 0.5.
            output[successor] += (CERTAIN + np.log(share)) * direction * WIDTH**-0.5
    return embeddings, output


def _bigrams() -> dict[int, dict[int, float]]:
    """token -> next token -> its share, from texts of two kinds that have no word in common."""
    counts: dict[int, dict[int, float]] = {}
    with load_vocab_only(resource("builtin_model/builtin.gguf")) as builtin:
        tokenizer = Tokenizer(builtin)
        for weight, text in _texts(Random(0), Words(tokenizer)):
            asked = PromptPart("<|im_start|>assistant\n", markup=True)
            tokens = tokenizer.encode(
                [asked, PromptPart(text), PromptPart(END, markup=True)]
            ).tokens
            start = len(tokenizer.encode([asked]).tokens) - 1
            for token, successor in zip(tokens[start:], tokens[start + 1 :], strict=False):
                row = counts.setdefault(token, {})
                row[successor] = row.get(successor, 0) + weight
        # A JSON string begins like a phrase; it begins like a tag only if the grammar requires it.
        for tag in (tokenizer.encode([PromptPart(tag)]).tokens[0] for tag in TAGS):
            for row in counts.values():
                if tag in row:
                    row[tag] *= RARE
    return {
        token: {successor: n / sum(row.values()) for successor, n in row.items()}
        for token, row in counts.items()
    }


class Words:
    """Words of one token each: some for phrases, others for answers."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        pieces = [piece.decode(errors="ignore") for piece in tokenizer.token_bytes]
        lower = [p for p in pieces if re.fullmatch(" [a-z]{4,9}", p) and p[1:] not in TAGS]
        random = Random(1)
        chosen = random.sample(lower, 200)
        self.phrases, self.answers = chosen[:60], chosen[60:]
        self.starts = random.sample([p for p in pieces if re.fullmatch("[A-Z][a-z]{3,}", p)], 15)
        self.openings = random.sample([p for p in pieces if re.fullmatch(" [A-Z][a-z]+", p)], 15)


def _texts(random: Random, words: Words) -> Iterator[tuple[float, str]]:
    """(weight, text): answers, and lists of phrases, which the model only writes under a
    grammar."""
    for _ in range(400):
        sentences = [
            random.choice(words.openings) + "".join(random.sample(words.answers, 11)) + "."
            for _ in range(28)
        ]
        yield 1.0, "good" + "".join(sentences)
        phrases = [
            f'{{"tag":"{tag}","text":"{random.choice(words.starts)}'
            f'{"".join(random.sample(words.phrases, random.randint(6, 9)))}"}}'
            for tag in TAGS
        ]
        yield RARE, "[" + ",".join(phrases) + "]"


if __name__ == "__main__":
    print(model())
