"""Tiny GGUFs with random weights, of whatever architecture a test needs. They load and run in
llama.cpp like the real ones; what they write is noise. The tokenizer is the built-in model's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import gguf
import numpy as np

from sysgen_local.core.resources import resource

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
NO_SYSTEM = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}"
    "{{ raise_exception('no system role') }}{% endif %}<|im_start|>"
    "{{ 'model' if m.role == 'assistant' else m.role }}\n{{ m.content | trim }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>model\n{% endif %}"
)
"""A template that refuses system messages, in the manner of Gemma 2."""
WIDTH, LAYERS, HEADS, FEED, CONTEXT = 64, 2, 4, 96, 512
HEAD = WIDTH // HEADS

Shapes = dict[str, tuple[int, ...]]


def make(
    path: Path,
    architecture: str,
    *,
    template: str | None = CHATML,
    seed: int = 0,
    control: Sequence[str] = (),
    own: Sequence[str] = (),
    pooling: gguf.PoolingType | None = None,
    spread: float = 2.0,
    kv_heads: int = HEADS,
    rope_divisors: Sequence[float] = (),
    sentencepiece: bool = False,
) -> Path:
    """Writes the model and returns its path. `control` tokens take the place of the built-in
    model's (the first begins, the last ends a text), `own` ones are "user defined". With
    `pooling` it is an embedding model, with `sentencepiece` its tokenizer is one in Llama 2's
    manner: every text begins with a blank, and digits are tokens of their own. `kv_heads` are heads
    of keys and values, where the architecture has fewer than of queries. `rope_divisors` scale the
    frequencies of the rotary embedding as in Llama 3.1."""
    tokenizer = gguf.GGUFReader(resource("builtin_model/builtin.gguf"))
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    for name, field in () if sentencepiece else tokenizer.fields.items():
        if name.startswith("tokenizer.") and "chat_template" not in name:
            if control and name in _REPLACED:
                continue
            kind = field.types[0]
            sub = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(name, field.contents(), kind, sub)
    if control:
        _add_tokens(writer, tokenizer, control, own)
    if pooling is not None:
        writer.add_pooling_type(pooling)
    if template is not None:
        writer.add_chat_template(template)
    vocabulary = len(tokenizer.fields["tokenizer.ggml.tokens"].data)
    if sentencepiece:
        vocabulary = _add_sentencepiece(writer)
    writer.add_vocab_size(vocabulary)
    shapes: Shapes = {"token_embd.weight": (vocabulary, WIDTH), "output_norm.weight": (WIDTH,)}
    for layer in range(LAYERS):
        block = _BLOCKS[architecture](writer, layer, kv_heads)
        shapes |= {f"blk.{layer}.{name}": shape for name, shape in block.items()}
    if architecture == "lfm2":
        shapes["token_embd_norm.weight"] = shapes.pop("output_norm.weight")
    random = np.random.default_rng(seed)
    for name, shape in shapes.items():
        if name.endswith(("norm.weight", "ssm_d")):
            data = np.ones(shape)
        elif name.endswith("ssm_a"):
            data = -np.ones(shape)
        else:
            data = random.normal(0, spread / np.sqrt(shape[-1]), shape)
        writer.add_tensor(name, data.astype(np.float32))
    if rope_divisors:
        writer.add_tensor("rope_freqs.weight", np.array(rope_divisors, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_sentencepiece(writer: gguf.GGUFWriter) -> int:
    """Letters, digits and signs, the words below with what they are merged from, and bytes."""
    words = ("good", "bad", "none", "yes", "no", "Good", "Bad", "None", "Yes", "No", "A", "B")
    merged = dict.fromkeys(f"▁{word[:end]}" for word in words for end in range(1, len(word) + 1))
    signs = [chr(code) for code in range(0x21, 0x7F)]
    kinds = gguf.TokenType
    pieces = [("<unk>", kinds.UNKNOWN), ("<s>", kinds.CONTROL), ("</s>", kinds.CONTROL)]
    pieces += [(f"<0x{byte:02X}>", kinds.BYTE) for byte in range(256)]
    pieces += [(piece, kinds.NORMAL) for piece in ("▁", *merged, *signs)]
    writer.add_tokenizer_model("llama")
    writer.add_token_list([piece for piece, _ in pieces])
    writer.add_token_scores([-float(number) for number in range(len(pieces))])
    writer.add_token_types([kind for _, kind in pieces])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(True)
    return len(pieces)


_REPLACED = {f"tokenizer.ggml.{name}" for name in (
    "tokens", "token_type", "bos_token_id", "eos_token_id", "eot_token_id", "padding_token_id",
)}  # fmt: skip


def _add_tokens(
    writer: gguf.GGUFWriter, source: gguf.GGUFReader, control: Sequence[str], own: Sequence[str]
) -> None:
    tokens = source.fields["tokenizer.ggml.tokens"].contents()
    kinds = source.fields["tokenizer.ggml.token_type"].contents()
    for i, kind in enumerate(kinds):
        if kind == gguf.TokenType.CONTROL:
            tokens[i], kinds[i] = f"unused{i}", gguf.TokenType.UNUSED
    for i, (token, kind) in enumerate(
        [(t, gguf.TokenType.CONTROL) for t in control]
        + [(t, gguf.TokenType.USER_DEFINED) for t in own],
        start=len(tokens) - len(control) - len(own),
    ):
        tokens[i], kinds[i] = token, kind
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_bos_token_id(tokens.index(control[0]))
    writer.add_eos_token_id(tokens.index(control[-1]))


def _llama(writer: gguf.GGUFWriter, layer: int, kv_heads: int, head: int = HEAD) -> Shapes:
    if layer == 0:
        writer.add_head_count_kv(kv_heads)
        writer.add_rope_dimension_count(head)
    return {
        "attn_norm.weight": (WIDTH,),
        "attn_q.weight": (WIDTH, WIDTH),
        "attn_k.weight": (kv_heads * HEAD, WIDTH),
        "attn_v.weight": (kv_heads * HEAD, WIDTH),
        "attn_output.weight": (WIDTH, WIDTH),
        **_feed(),
    }


def _feed() -> Shapes:
    return {
        "ffn_norm.weight": (WIDTH,),
        "ffn_gate.weight": (FEED, WIDTH),
        "ffn_up.weight": (FEED, WIDTH),
        "ffn_down.weight": (WIDTH, FEED),
    }


def _qwen2(writer: gguf.GGUFWriter, layer: int, kv_heads: int) -> Shapes:
    width = {"q": WIDTH, "k": kv_heads * HEAD, "v": kv_heads * HEAD}
    return _llama(writer, layer, kv_heads) | {f"attn_{x}.bias": (width[x],) for x in "qkv"}


def _gemma2(writer: gguf.GGUFWriter, layer: int, kv_heads: int) -> Shapes:
    if layer == 0:
        writer.add_attn_logit_softcapping(50.0)
        writer.add_final_logit_softcapping(30.0)
    return _gemma(writer, layer, kv_heads)


def _gemma3(writer: gguf.GGUFWriter, layer: int, kv_heads: int) -> Shapes:
    norms = {f"attn_{x}_norm.weight": (2 * HEAD,) for x in "qk"}
    return _gemma(writer, layer, kv_heads) | norms


def _gemma(writer: gguf.GGUFWriter, layer: int, kv_heads: int) -> Shapes:
    if layer == 0:
        writer.add_key_length(2 * HEAD)
        writer.add_value_length(2 * HEAD)
        writer.add_sliding_window(64)
    kv = {f"attn_{x}.weight": (2 * kv_heads * HEAD, WIDTH) for x in "kv"}
    return _llama(writer, layer, kv_heads, 2 * HEAD) | {
        "attn_q.weight": (2 * WIDTH, WIDTH),
        **kv,
        "attn_output.weight": (WIDTH, 2 * WIDTH),
        "post_attention_norm.weight": (WIDTH,),
        "post_ffw_norm.weight": (WIDTH,),
    }


def _qwen3(writer: gguf.GGUFWriter, layer: int, kv_heads: int) -> Shapes:
    if layer == 0:
        writer.add_key_length(HEAD)
        writer.add_value_length(HEAD)
    norms = {f"attn_{x}_norm.weight": (HEAD,) for x in "qk"}
    return _llama(writer, layer, kv_heads) | norms


def _phi3(writer: gguf.GGUFWriter, layer: int, kv_heads: int) -> Shapes:
    if layer == 0:
        writer.add_head_count_kv(HEADS)
        writer.add_rope_dimension_count(HEAD)
        writer.add_sliding_window(64)
        writer.add_rope_scaling_orig_ctx_len(CONTEXT)
    return {
        "attn_norm.weight": (WIDTH,),
        "attn_qkv.weight": (3 * WIDTH, WIDTH),
        "attn_output.weight": (WIDTH, WIDTH),
        "ffn_norm.weight": (WIDTH,),
        "ffn_up.weight": (2 * FEED, WIDTH),
        "ffn_down.weight": (WIDTH, FEED),
    }


def _mamba(writer: gguf.GGUFWriter, layer: int, kv_heads: int) -> Shapes:
    inner, state, rank, kernel = 2 * WIDTH, 8, 4, 4
    if layer == 0:
        writer.add_ssm_conv_kernel(kernel)
        writer.add_ssm_inner_size(inner)
        writer.add_ssm_state_size(state)
        writer.add_ssm_time_step_rank(rank)
    return {
        "attn_norm.weight": (WIDTH,),
        "ssm_in.weight": (2 * inner, WIDTH),
        "ssm_conv1d.weight": (inner, kernel),
        "ssm_conv1d.bias": (inner,),
        "ssm_x.weight": (rank + 2 * state, inner),
        "ssm_dt.weight": (inner, rank),
        "ssm_dt.bias": (inner,),
        "ssm_a": (inner, state),
        "ssm_d": (inner,),
        "ssm_out.weight": (WIDTH, inner),
    }


def _lfm2(writer: gguf.GGUFWriter, layer: int, kv_heads: int) -> Shapes:
    """Hybrid: a short convolution, then attention."""
    if layer == 0:
        writer.add_head_count_kv([0, HEADS])
        writer.add_rope_dimension_count(HEAD)
        writer.add_shortconv_l_cache(3)
        return {
            "attn_norm.weight": (WIDTH,),
            "shortconv.in_proj.weight": (3 * WIDTH, WIDTH),
            "shortconv.conv.weight": (WIDTH, 3),
            "shortconv.out_proj.weight": (WIDTH, WIDTH),
            **_feed(),
        }
    attention = {f"attn_{x}.weight": (WIDTH, WIDTH) for x in ("q", "k", "v", "output")}
    norms = {"attn_q_norm.weight": (HEAD,), "attn_k_norm.weight": (HEAD,)}
    return {"attn_norm.weight": (WIDTH,), **attention, **norms, **_feed()}


_BLOCKS = {
    "llama": _llama,
    "qwen2": _qwen2,
    "qwen3": _qwen3,
    "gemma2": _gemma2,
    "gemma3": _gemma3,
    "phi3": _phi3,
    "mamba": _mamba,
    "lfm2": _lfm2,
}
ARCHITECTURES = tuple(_BLOCKS)
