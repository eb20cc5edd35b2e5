"""A trained model as GGUF: architecture llama, matrices in Q8_0, vectors in float32."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

from builtin_recipe.gguf_tokenizer import tokenizer_of
from builtin_recipe.model import EPSILON, Config, Model
from builtin_recipe.rotary import BASE, divisors
from builtin_recipe.sample import CHAT_TEMPLATE
from builtin_recipe.tokenizer import END, PAD, START

NAME = "SysGen tiny demo (not a real language model)"
DESCRIPTION = (
    "Demonstration and test model trained on synthetic templates; its answers carry no knowledge."
)


def export(model: Model, path: Path, tokenizer: Path) -> None:
    """Write the GGUF with the tokenizer the model was trained with.

    ValueError where the vocabulary has another size than the model's embeddings.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(path, "llama")
    _add_sizes(writer, model.config)
    _add_vocabulary(writer, tokenizer, model.config.vocabulary)
    _add_tensors(writer, model)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_sizes(writer: gguf.GGUFWriter, config: Config) -> None:
    writer.add_name(NAME)
    writer.add_description(DESCRIPTION)
    writer.add_context_length(config.context)
    writer.add_embedding_length(config.width)
    writer.add_block_count(config.layers)
    writer.add_feed_forward_length(config.feed_forward)
    writer.add_head_count(config.heads)
    writer.add_head_count_kv(config.heads)
    writer.add_key_length(config.head_size)
    writer.add_value_length(config.head_size)
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_rope_freq_base(BASE)
    writer.add_rope_dimension_count(config.head_size)
    writer.add_vocab_size(config.vocabulary)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(2)


def _add_vocabulary(writer: gguf.GGUFWriter, tokenizer: Path, size: int) -> None:
    content = tokenizer_of(tokenizer)
    special = {token["content"] for token in content["added_tokens"]}
    vocabulary = content["model"]["vocab"]
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    if sorted(vocabulary.values()) != list(range(size)):
        raise ValueError(f"{tokenizer} has {len(tokens)} tokens, the model {size}")
    merges = content["model"]["merges"]
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([control if token in special else normal for token in tokens])
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges])
    writer.add_bos_token_id(vocabulary[START])
    writer.add_eos_token_id(vocabulary[END])
    writer.add_eot_token_id(vocabulary[END])
    writer.add_pad_token_id(vocabulary[PAD])
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def _add_tensors(writer: gguf.GGUFWriter, model: Model) -> None:
    writer.add_tensor("rope_freqs.weight", divisors(model.config.head_size).numpy())
    quantised = gguf.GGMLQuantizationType.Q8_0
    for name, tensor in model.state_dict().items():
        values = tensor.float().numpy().astype(np.float32)
        if values.ndim == 1:
            writer.add_tensor(name, values)
        else:
            writer.add_tensor(name, gguf.quants.quantize(values, quantised), raw_dtype=quantised)
