"""The tokenizer that the recipe trains with is the one inside the shipped model."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import pytest

from builtin_recipe.sample import CHAT_TEMPLATE
from builtin_recipe.topics import TOKENIZER, vocabulary_pieces

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"]


@pytest.fixture(scope="module")
def shipped(builtin: Path) -> gguf.GGUFReader:
    return gguf.GGUFReader(builtin)


@pytest.fixture(scope="module")
def tokenizer() -> dict:
    return json.loads(TOKENIZER.read_text(encoding="utf-8"))


def test_tokens_and_merges_are_those_of_the_shipped_model(shipped, tokenizer):
    vocabulary = tokenizer["model"]["vocab"]
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    assert list(range(len(tokens))) == sorted(vocabulary.values())
    assert shipped.fields["tokenizer.ggml.tokens"].contents() == tokens
    merges = [m if isinstance(m, str) else " ".join(m) for m in tokenizer["model"]["merges"]]
    assert shipped.fields["tokenizer.ggml.merges"].contents() == merges


def test_special_tokens_come_first_and_are_control_tokens(shipped, tokenizer):
    assert [token["content"] for token in tokenizer["added_tokens"]] == SPECIAL
    types = shipped.fields["tokenizer.ggml.token_type"].contents()
    control = [number for number, kind in enumerate(types) if kind == gguf.TokenType.CONTROL]
    assert control == list(range(len(SPECIAL)))


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
