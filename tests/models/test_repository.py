"""The GGUFs of a repository: grouped from names of files as hubs have them, and chosen by name."""

from __future__ import annotations

import pytest

from sysgen_local.models.addresses import address
from sysgen_local.models.repository import (
    Gguf,
    RepositoryFile,
    ggufs,
    named,
    preferred,
    quant_of,
)


def found(*names: str) -> list[Gguf]:
    return ggufs(RepositoryFile(name, 10) for name in names)


@pytest.mark.parametrize(
    ("name", "quant"),
    [
        ("Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf", "q4_k_m"),
        ("qwen2.5-0.5b-instruct-q8_0.gguf", "q8_0"),
        ("solar-10.7b-instruct-v1.0.Q4_K_M.gguf", "q4_k_m"),
        ("Qwen3-8B-UD-Q4_K_XL.gguf", "ud-q4_k_xl"),
        ("Llama-3.2-3B-Instruct-IQ4_XS.gguf", "iq4_xs"),
        ("model-Q4_0_4_4.gguf", "q4_0_4_4"),
        ("gpt-oss-20b-mxfp4.gguf", "mxfp4"),
        ("m-BF16.gguf", "bf16"),
        ("m-fp16.gguf", "fp16"),
        ("BF16/m-BF16-00001-of-00002.gguf", "bf16"),
        ("Q8_0/weights-00001-of-00002.gguf", "q8_0"),
        ("m-Q4_K_M-imat.gguf", "q4_k_m"),
        ("ggml-model.gguf", None),
        ("Qwen3-8B.gguf", None),
    ],
)
def test_the_quantisation_in_a_name(name: str, quant: str | None) -> None:
    assert quant_of(name) == quant


def test_parts_are_one_gguf_and_incomplete_sets_are_none() -> None:
    split = [f"Q8_0/m-Q8_0-0000{i}-of-00003.gguf" for i in (3, 1, 2)]
    there = found(*split, "m-Q4_K_M-00001-of-00002.gguf", "m-Q2_K.gguf", "README.md")
    assert [(gguf.quant, len(gguf.files), gguf.size) for gguf in there] == [
        ("q8_0", 3, 30), ("q2_k", 1, 10),
    ]  # fmt: skip
    assert there[0].name == "Q8_0/m-Q8_0-00001-of-00003.gguf"
    assert [part.name for part in there[0].files] == sorted(split)


def test_accessories_and_dangerous_names_are_left_out() -> None:
    assert not found(
        "mmproj-F16.gguf", "m-mmproj-f16.gguf", "m.imatrix.gguf", "../../x-Q4_K_M.gguf",
        "/etc/x-Q4_K_M.gguf", "a/../../x-Q4_K_M.gguf", "\x1b[2Jx-Q4_K_M.gguf", "a\nb-Q4_K_M.gguf",
    )  # fmt: skip
    assert [gguf.name for gguf in found("a..b-Q4_K_M.gguf")] == ["a..b-Q4_K_M.gguf"]


@pytest.mark.parametrize(
    ("quants", "chosen"),
    [
        (["Q2_K", "Q4_K_M", "Q8_0"], "q4_k_m"),
        (["Q2_K", "Q4_K_S", "Q5_K_M", "Q8_0"], "q4_k_s"),
        (["Q5_K_M", "Q8_0", "F16"], "q5_k_m"),
        (["Q8_0", "F16"], "q8_0"),
        (["F16"], "f16"),
        (["Q2_K", "F16"], None),
        (["Q2_K", "Q3_K_M", "IQ2_XS"], None),
    ],
)
def test_what_is_taken_where_none_is_named(quants: list[str], chosen: str | None) -> None:
    gguf = preferred(found(*(f"m-{quant}.gguf" for quant in quants)))
    assert (gguf.quant if gguf else None) == chosen


def test_two_models_of_the_best_quantisation_are_no_clear_choice() -> None:
    there = found("a-Q4_K_M.gguf", "b-Q4_K_M.gguf", "a-Q8_0.gguf")
    assert preferred(there) is None
    assert [gguf.name for gguf in named(there, None, "b-Q4_K_M.gguf")] == ["b-Q4_K_M.gguf"]
    assert len(named(there, "q4_k_m", None)) == 2
    assert len(named(there, "Q8_0", None)) == 1
    assert not named(there, "q6_k", None)


def test_a_quantisation_is_named_without_its_maker() -> None:
    there = found("m-UD-Q4_K_XL.gguf", "m-Q4_K_M.gguf")
    assert [gguf.quant for gguf in named(there, "Q4_K_XL", None)] == ["ud-q4_k_xl"]


@pytest.mark.parametrize(
    ("name", "spelled", "revision"),
    [
        ("me/mine", "me/mine", None),
        ("me/mine:Q4_K_M", "me/mine:Q4_K_M", None),
        ("https://huggingface.co/me/mine/tree/main", "me/mine", None),
        ("hf.co/me/mine:Q8_0", "me/mine:Q8_0", None),
        ("https://huggingface.co/me/mine/blob/main/a/m-Q4_0.gguf?x=1", "hf://me/mine/a/m-Q4_0.gguf",
         None),
        ("hf://me/mine@v1.0", "me/mine", "v1.0"),
        ("https://huggingface.co/me/mine/tree/abc123", "me/mine", "abc123"),
    ],
)  # fmt: skip
def test_an_address_in_its_shortest_form(name: str, spelled: str, revision: str | None) -> None:
    at = address(name)
    assert at is not None
    assert (str(at), at.revision) == (spelled, revision)
