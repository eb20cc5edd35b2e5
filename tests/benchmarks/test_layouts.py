"""The comparison of weight layouts runs, and leaves llama.cpp's parameters as they were."""

import re
from pathlib import Path

import pytest
from llama_cpp import llama_cpp

from benchmarks import layouts


def test_both_ways_are_measured(builtin: Path, capsys: pytest.CaptureFixture[str]):
    before = llama_cpp.llama_model_default_params
    layouts.main(builtin, 1)
    number = r"[\d.]+"
    rest = rf"repacked {number}, not {number} tokens/s; {number} times \({number} to {number}\)"
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["prompts", "answers"]
    assert all(re.fullmatch(rf"\w+: {rest}", line) for line in lines)
    assert llama_cpp.llama_model_default_params is before


def test_a_prompt_is_only_read(builtin: Path):
    engine = layouts.load(builtin, repacked=False)
    done = list(engine.complete(layouts.prompts(0)))
    engine.close()
    assert len(done) == layouts.SLOTS
    assert all(of.finish == "stop" and of.tokens_out == 0 for of in done)
