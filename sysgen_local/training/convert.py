"""Writes a model in the form of transformers as GGUF, so that it can be trained and used like one.

What: header, vocabulary and weights of the architectures of CONVERTED. llama.cpp's own script
convert_hf_to_gguf.py takes many more; what is not certain here is refused, and it is named.
Why it can be trusted: nothing is trained before llama.cpp has computed the same logits as torch on
tokens of a row, and given the same tokens as the model's own tokenizer for texts of the rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from sysgen_local.core.errors import UsageError
from sysgen_local.training import rope as rope_scaling
from sysgen_local.training.gguf_weights import GgufNames
from sysgen_local.training.saved import read_model

CONVERTED = ("llama", "mistral", "qwen2", "qwen3", "gemma2", "phi3")
"""Values of `model_type` in a config.json."""

PRE_TOKENIZERS = ("qwen2", "llama-bpe", "smollm", "gpt-4o", "tekken", "gpt-2", "dbrx", "default")
"""llama.cpp's rules for cutting text before byte-pair merges. The one that gives the tokens of the
model's own tokenizer is taken."""

PROBES = (
    "Hello, world! It's 12345.67 €, isn't it?\n\n  def f(x):\n\treturn x**2  # déjà vu\r\n",
    "I'LL DON'T we'Ve 3.14159 1000000 ½ ２ naïve Straße ΑΒΓ привет 你好世界 こんにちは 😀👍🏽",
    ' leading, trailing \n \n\n\t\ttabs   and    runs;--==>>//***__ <b>x</b> {"a": [1, 2]}',
)
"""Texts in which the rules differ."""

_CONVERTER = "convert it with llama.cpp's convert_hf_to_gguf.py and name the GGUF"


def is_transformers_model(path: Path) -> bool:
    """Whether the folder holds a model in the form of transformers."""
    return (path / "config.json").is_file() and any(path.glob("*.safetensors"))


def convert(
    folder: Path, path: Path, load_tokenizer: Callable[[Path], Callable[[str], Sequence[int]]]
) -> None:
    """Writes the model of `folder` as a GGUF in f16. `load_tokenizer` loads its own tokenizer, of
    which only text -> tokens is used.

    Raises UsageError for a model that is not known well enough here.
    """
    config = _read(folder / "config.json")
    kind = config.get("model_type")
    if kind not in CONVERTED:
        raise UsageError(
            f"{folder} holds a model of the type {kind}, which is not converted here",
            hint=_CONVERTER,
        )
    architecture = "llama" if kind == "mistral" else str(kind)
    tokenizer = _read(folder / "tokenizer.json")
    if tokenizer["model"].get("type") != "BPE":
        raise UsageError(f"the tokenizer of {folder} is not a byte-pair one", hint=_CONVERTER)
    tokens_of = load_tokenizer(folder)
    if tokenizer["model"].get("byte_fallback"):
        _write(folder, path, architecture, config, tokenizer, None)
        if same_tokens(path, PROBES, tokens_of) < len(PROBES):
            raise UsageError(
                f"llama.cpp gives other tokens than the tokenizer of {folder}", hint=_CONVERTER
            )
        return
    vocabulary = path.with_suffix(".vocab")
    try:
        for rule in PRE_TOKENIZERS:
            _write(folder, vocabulary, architecture, config, tokenizer, rule, weights=False)
            if same_tokens(vocabulary, PROBES, tokens_of) == len(PROBES):
                break
        else:
            raise UsageError(
                f"no rule of llama.cpp gives the tokens of the tokenizer of {folder}",
                hint=_CONVERTER,
            )
    finally:
        vocabulary.unlink(missing_ok=True)
    _write(folder, path, architecture, config, tokenizer, rule)


def _write(
    folder: Path, path: Path, architecture: str, config: Mapping[str, Any],
    tokenizer: Mapping[str, Any], rule: str | None, *, weights: bool = True,
) -> None:  # fmt: skip
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(folder.absolute().name)
    if license_ := config.get("license"):
        writer.add_license(str(license_))
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    heads = _add_sizes(writer, architecture, config, folder)
    _add_vocabulary(writer, folder, config, tokenizer, rule)
    if weights:
        names = GgufNames(architecture, int(config["num_hidden_layers"]), heads)
        _add_weights(writer, folder, names, config)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_sizes(
    writer: gguf.GGUFWriter, architecture: str, config: Mapping[str, Any], folder: Path
) -> tuple[int, int]:
    """Writes the sizes of the model; returns the heads of queries and of keys."""
    width, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
    kv_heads = int(config.get("num_key_value_heads") or heads)
    head = int(config.get("head_dim") or width // heads)
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    kind = rope.get("rope_type") or rope.get("type") or "default"
    divisors = rope_scaling.listed_divisors(rope) if kind == "longrope" else None
    known = kind in ("default", "linear", "llama3") or divisors is not None
    if not known or config.get("attention_bias"):
        raise UsageError(
            f"the model in {folder} has a variant that is not converted here (rope {kind})",
            hint=_CONVERTER,
        )
    writer.add_context_length(int(config["max_position_embeddings"]))
    writer.add_embedding_length(width)
    writer.add_block_count(int(config["num_hidden_layers"]))
    writer.add_feed_forward_length(int(config["intermediate_size"]))
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_layer_norm_rms_eps(float(config["rms_norm_eps"]))
    writer.add_vocab_size(int(config["vocab_size"]))
    writer.add_rope_freq_base(float(rope.get("rope_theta") or config.get("rope_theta") or 10_000.0))
    part = float(rope.get("partial_rotary_factor") or config.get("partial_rotary_factor") or 1.0)
    writer.add_rope_dimension_count(int(head * part))
    if kind == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(float(rope["factor"]))
    if kind == "llama3":
        theta = float(rope.get("rope_theta") or config["rope_theta"])
        writer.add_tensor(rope_scaling.TENSOR, rope_scaling.llama3_divisors(theta, head, rope))
    if divisors is not None:
        writer.add_tensor(rope_scaling.TENSOR, divisors)
    if architecture == "phi3":
        original = config.get("original_max_position_embeddings")
        writer.add_rope_scaling_orig_ctx_len(int(original or config["max_position_embeddings"]))
    if config.get("sliding_window") and architecture in ("gemma2", "phi3"):
        writer.add_sliding_window(int(config["sliding_window"]))
    if architecture == "gemma2":
        writer.add_attn_logit_softcapping(float(config["attn_logit_softcapping"]))
        writer.add_final_logit_softcapping(float(config["final_logit_softcapping"]))
    return heads, kv_heads


def _add_vocabulary(
    writer: gguf.GGUFWriter, folder: Path, config: Mapping[str, Any],
    tokenizer: Mapping[str, Any], rule: str | None,
) -> None:  # fmt: skip
    """Writes tokens, merges, special tokens and the chat template. `rule` None: SentencePiece."""
    size = int(config["vocab_size"])
    kinds = gguf.TokenType
    tokens = [f"[PAD{i}]" for i in range(size)]
    types = [kinds.UNUSED] * size
    for text, number in tokenizer["model"]["vocab"].items():
        tokens[number] = text
        byte = rule is None and len(text) == 6 and text.startswith("<0x") and text.endswith(">")
        types[number] = kinds.BYTE if byte else kinds.NORMAL
    for added in tokenizer.get("added_tokens", ()):
        tokens[added["id"]] = added["content"]
        types[added["id"]] = kinds.CONTROL if added["special"] else kinds.USER_DEFINED
    unknown = tokenizer["model"].get("unk_token")
    if unknown in tokens:
        types[tokens.index(unknown)] = kinds.UNKNOWN
    if rule is None:
        writer.add_tokenizer_model("llama")
        writer.add_token_scores([-float(number) for number in range(size)])
        writer.add_add_space_prefix(_adds_space(tokenizer))
    else:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(rule)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    special = gguf.SpecialVocab(folder, load_merges=rule is not None, n_vocab=size)
    special.add_to_gguf(writer, quiet=True)


def _adds_space(tokenizer: Mapping[str, Any]) -> bool:
    """Whether the tokenizer puts a space before a text."""
    steps = [tokenizer.get("normalizer") or {}, tokenizer.get("pre_tokenizer") or {}]
    steps += [of for step in steps for of in step.get("normalizers", ())]
    return any(
        of.get("type") == "Prepend" or of.get("prepend_scheme") in ("always", "first")
        for of in steps
    )


def _add_weights(
    writer: gguf.GGUFWriter, folder: Path, names: GgufNames, config: Mapping[str, Any]
) -> None:
    """Writes all weights: matrices in f16, vectors in f32."""
    tied = config.get("tie_word_embeddings", False)
    for parameter, read in read_model(folder).items():
        if parameter.startswith("lm_head.") and tied:
            continue
        name = names.of(parameter)
        if name is None:
            raise UsageError(f"{folder} has a weight that is not known: {parameter}",
                             hint=_CONVERTER)  # fmt: skip
        weights = names.in_gguf(name, read())
        writer.add_tensor(name, weights.astype(np.float16 if weights.ndim > 1 else np.float32))


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error


def same_tokens(path: Path, texts: Sequence[str], tokens_of: Callable[[str], Sequence[int]]) -> int:
    """For how many texts llama.cpp and the model's own tokenizer give the same tokens."""
    from sysgen_local.engine.llama import weights
    from sysgen_local.engine.llama.tokenizer import PromptPart, Tokenizer

    with weights.load_vocab_only(path) as model:
        tokenizer = Tokenizer(model)
        return sum(
            tokenizer.encode_answer([PromptPart(text, row=True)]) == list(tokens_of(text))
            for text in texts
        )
