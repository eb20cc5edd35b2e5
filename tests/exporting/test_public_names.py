"""Names of what is shared have no folders of this machine, and still tell files apart."""

from __future__ import annotations

import pytest

from sysgen_local.exporting import (
    files_of,
    public_condition,
    public_facts,
    public_name,
    source_names,
)
from sysgen_local.exporting.public_names import model_parts
from sysgen_local.store import SourceFile

HASH = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("/home/ann/models/qwen.gguf", "qwen.gguf (0123456789ab)"),
        ("/home/ann/rows.json [test]", "rows.json [test] (0123456789ab)"),
        (r"C:\Users\ann\qwen.gguf", "qwen.gguf (0123456789ab)"),
        (r"\\server\ann\qwen.gguf", "qwen.gguf (0123456789ab)"),
        ("/home/ann/prompts/", "prompts (0123456789ab)"),
        ("qwen2.5-7b:q4_k_m", "qwen2.5-7b:q4_k_m"),
        ("http://127.0.0.1:8000/v1#qwen", "qwen"),
        (
            "http://127.0.0.1:8000/v1#/home/ann/qwen.gguf,http://gpu2:8000/v1#/m/qwen.gguf",
            "qwen.gguf",
        ),
        ("hf://datasets/meta-math/MetaMathQA/a.json", "hf://datasets/meta-math/MetaMathQA/a.json"),
        ("data/rows.jsonl", "data/rows.jsonl"),
    ],
)
def test_absolute_paths_and_addresses_are_shortened(name, shown):
    assert public_name(name, HASH) == shown
    assert public_name(name) == shown.removesuffix(" (0123456789ab)")


def test_each_fact_has_the_hash_of_its_own_content():
    facts = {"model": "/m/a.gguf", "model_file": "a" * 64, "judge": "/m/a.gguf", "seed": "0",
             "prompt_set": "/p/mine", "respond": "b" * 64}  # fmt: skip
    shown = public_facts(facts)
    assert shown["model"] == shown["judge"] == f"a.gguf ({'a' * 12})"
    assert shown["prompt_set"] == f"mine ({'b' * 12})"
    assert shown["seed"] == "0"
    assert public_facts({"model": "builtin", "judge": "same"}) == {
        "model": "builtin",
        "judge": "same",
    }


def test_adapters_have_public_names():
    facts = {
        "model": "/m/base.gguf+/x/a.gguf=0.5+/y/b.gguf",
        "model_file": "1" * 64,
        "lora": f"{'2' * 64}=0.5 {'3' * 64}=1.0",
    }
    first, second = f"a.gguf ({'2' * 12})", f"b.gguf ({'3' * 12})"
    for judge, public in (
        ("same", "same"),
        (facts["model"], f"base.gguf ({'1' * 12})+a.gguf=0.5 ({'2' * 12})+b.gguf ({'3' * 12})"),
    ):
        shown = public_facts({**facts, "judge": judge})
        assert shown["judge"] == public
        assert shown["lora"] == f"{first} at scale 0.5 and {second} at scale 1"
        assert "/" not in "".join(shown.values())
    assert model_parts(facts) == (f"base.gguf ({'1' * 12})", [(first, 0.5), (second, 1.0)])
    assert model_parts({"model": "/m/my+base.gguf", "model_file": "1" * 64}) == (
        f"my+base.gguf ({'1' * 12})", []
    )  # fmt: skip
    label = public_name("/m/base.gguf+/x/a.gguf=0.5 (user)", "1" * 64, f"{'2' * 64}=0.5")
    assert label == f"base.gguf ({'1' * 12})+a.gguf=0.5 (user) ({'2' * 12})"


def test_the_files_of_a_dataset_are_named_with_their_hashes():
    files = [SourceFile(f"/d/{n}.jsonl", f"{n}" * 64, "d") for n in range(5)]
    files += [SourceFile("e.jsonl", "e" * 64, "e")]
    assert files_of("d", files) == [
        *(f"{n}.jsonl ({f'{n}' * 12})" for n in range(3)),
        "and 2 more",
    ]
    assert files_of("e", files) == [f"e.jsonl ({'e' * 12})"]


def test_sources_of_one_name_are_told_apart_by_their_hashes():
    paths = {"/a/rows.jsonl": "1", "/b/rows.jsonl": "2", "/b/more.jsonl": "3", "own.jsonl": "4"}
    files = [SourceFile(path, digit * 64, "d") for path, digit in paths.items()]
    assert list(source_names(files).values()) == [
        f"rows.jsonl ({'1' * 12})",
        f"rows.jsonl ({'2' * 12})",
        "more.jsonl",
        "own.jsonl",
    ]


def test_a_condition_keeps_everything_but_paths():
    names = {"/x.jsonl": "x.jsonl (00)", "/home/ann/b.jsonl": "b.jsonl (11)"}
    where = (
        "source = '/home/ann/b.jsonl' OR source = '/x.jsonl' OR source LIKE '/home/ann/%' "
        "OR instruction LIKE '/help%' OR system = 'it''s fine'"
    )
    assert public_condition(where, names) == (
        "source = 'b.jsonl (11)' OR source = 'x.jsonl (00)' OR source LIKE '%' "
        "OR instruction LIKE '/help%' OR system = 'it''s fine'"
    )
