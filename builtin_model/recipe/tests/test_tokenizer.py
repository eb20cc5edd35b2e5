"""The tokenizer that the recipe trains is the one inside the shipped model, and splits text as
llama.cpp does."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from llama_cpp import Llama
from tokenizers import Tokenizer

from builtin_recipe.gguf_tokenizer import tokenizer_of, write_tokenizer
from builtin_recipe.sample import CHAT_TEMPLATE
from builtin_recipe.tokenizer import train_tokenizer
from builtin_recipe.topics import vocabulary_pieces

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"]


@pytest.fixture(scope="module")
def shipped(builtin: Path) -> gguf.GGUFReader:
    return gguf.GGUFReader(builtin)


@pytest.fixture(scope="module")
def hugging_face(builtin: Path, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    """As `transformers` would load it."""
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    write_tokenizer(builtin, path)
    return Tokenizer.from_file(str(path))


@pytest.fixture(scope="module")
def llama(builtin: Path) -> Llama:
    return Llama(str(builtin), vocab_only=True, verbose=False)


def test_training_gives_the_tokenizer_of_the_shipped_model(builtin, tmp_path):
    train_tokenizer(tmp_path / "tokenizer.json")
    assert tokenizer_of(tmp_path / "tokenizer.json") == tokenizer_of(builtin)


def test_special_tokens_come_first(builtin):
    assert [token["content"] for token in tokenizer_of(builtin)["added_tokens"]] == SPECIAL
    assert [token["id"] for token in tokenizer_of(builtin)["added_tokens"]] == [0, 1, 2, 3]


def test_a_tokenizer_of_another_kind_is_refused(tmp_path):
    writer = gguf.GGUFWriter(tmp_path / "other.gguf", "llama")
    writer.add_tokenizer_model("llama")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with pytest.raises(ValueError, match=r"other.gguf: its tokenizer is llama \(None\)"):
        tokenizer_of(tmp_path / "other.gguf")


PIECES = st.sampled_from(
    ["user", "'s", "'LL", "don't", "  ", " \n", "\r\n", "12345", "Größe", "naïve", "你好", "🤗",
     "\u0301", "\u00a0", "\u200d", "_", "...", "def f(x):\n\t", "im_start", "endoftext", "<", "|"]
)  # fmt: skip
TEXTS = st.one_of(st.text(), st.lists(PIECES | st.text(max_size=3)).map("".join))


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_it_splits_and_joins_text_as_llama_cpp_does(hugging_face, llama, text):
    """But for special tokens, which text never is."""
    assume(not any(token in text for token in SPECIAL))
    ids = hugging_face.encode(text, add_special_tokens=False).ids
    assert ids == llama.tokenize(text.encode(), add_bos=False, special=False)
    assert hugging_face.decode(ids, skip_special_tokens=False) == text
    assert llama.detokenize(ids, special=False).decode() == text


@settings(deadline=None)
@given(st.lists(st.integers(4, 10239)))
def test_it_joins_any_tokens_as_llama_cpp_does(hugging_face, llama, ids):
    """Bytes that are no text come out as signs that say so."""
    joined = llama.detokenize(ids, special=False).decode(errors="replace")
    assert hugging_face.decode(ids, skip_special_tokens=False) == joined


def test_the_chat_template_is_that_of_the_shipped_model(shipped):
    assert shipped.fields["tokenizer.chat_template"].contents() == CHAT_TEMPLATE


def test_pieces_are_of_letters_only():
    pieces = vocabulary_pieces()
    assert len(pieces.starts) > 1000
    assert all(piece.isalpha() for piece in (*pieces.starts, *pieces.continuations))


def test_the_tokenizer_learns_from_strings_of_json_without_what_stands_between_them():
    from builtin_recipe.tokenizer import _without_glue

    assert _without_glue('[{"tag":"role","text":"Say \\"hi\\"."}]') == [
        "tag", "role", "text", 'Say \\"hi\\".'
    ]  # fmt: skip
    assert _without_glue("{a brace} begins it") == ["{a brace} begins it"]


def test_no_token_holds_a_quote_and_what_stands_beside_it():
    """But for what holds JSON together, and the backslash of an escaped one."""
    from builtin_recipe.tokenizer import _GLUE, Encoder

    for text in Encoder().texts:
        bare = text.strip(" ").removeprefix("\\")
        marks = [mark for mark in bare if not (mark.isalnum() or mark.isspace())]
        if len(marks) > 1 and not any(bare in glue for glue in _GLUE):
            assert not {"'", '"'} & {*marks}, text


def test_a_quote_is_escaped_token_by_token():
    from builtin_recipe.tokenizer import Encoder

    encoder = Encoder()
    asked = 'Name a synonym for "happiness."'
    told = json.dumps(asked)[1:-1]
    plain = [encoder.texts[token] for token in encoder.ids(asked)]
    escaped = [encoder.texts[token] for token in encoder.ids(told)]
    assert [text.replace("\\", "") for text in escaped] == plain
