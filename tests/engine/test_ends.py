"""What ends an answer is learnt from the chat template where the file does not say it."""

from __future__ import annotations

from pathlib import Path

import pytest
from gguf import GGUFReader
from test_llama import TOPICS, ask
from tiny import CHATML, make

from sysgen_local.engine.llama import weights
from sysgen_local.engine.llama.chat_profile import load_chat, read_profile
from sysgen_local.engine.llama.engine import LlamaEngine
from sysgen_local.engine.llama.sequence import Sequence
from sysgen_local.engine.options import Options
from sysgen_local.engine.request import Completion

END, OTHER, ORDINARY = 2, 0, 5


def changed(builtin: Path, path: Path, *, end: int, renamed: bool = False) -> Path:
    """The built-in model with another end of text, and if asked for another name for the token
    that closes its turns, which then nobody knows."""
    data = builtin.read_bytes()
    path.write_bytes(data.replace(b"<|im_end|>", b"<|mi_fin|>") if renamed else data)
    reader = GGUFReader(path, "r+")
    for name in ("eos", "eot"):
        field = reader.get_field(f"tokenizer.ggml.{name}_token_id")
        if field is not None:
            field.parts[field.data[0]][0] = end
    reader.data.flush()
    return path


def said(path: Path) -> tuple[list[Completion], str]:
    engine = LlamaEngine(path, Options(slots=4))
    found = sorted(
        engine.complete(ask(i, topic, max_tokens=200) for i, topic in enumerate(TOPICS[:4])),
        key=lambda completion: completion.id,
    )
    description = engine.description
    engine.close()
    return found, description


@pytest.mark.parametrize(("end", "renamed"), [(ORDINARY, False), (OTHER, True), (ORDINARY, True)])
def test_answers_end_where_the_template_closes_a_turn(builtin, tmp_path, end, renamed):
    want, usual = said(builtin)
    assert {completion.finish for completion in want} == {"stop"}
    got, description = said(changed(builtin, tmp_path / "m.gguf", end=end, renamed=renamed))
    assert [(c.text, c.finish) for c in got] == [(c.text, c.finish) for c in want]
    assert "answers end with" not in usual
    assert ("answers end with <|mi_fin|>" in description) == renamed


def test_what_ends_an_answer_is_told_before_the_model_is_loaded(builtin, tmp_path):
    assert read_profile(builtin).template_end == ""
    assert "<|im_end|>" in read_profile(builtin).answer_ends
    seen = read_profile(changed(builtin, tmp_path / "m.gguf", end=ORDINARY, renamed=True))
    assert seen.template_end == "<|mi_fin|>"
    assert "<|mi_fin|>" in seen.answer_ends
    assert len(seen.answer_ends) == len(
        read_profile(builtin).answer_ends
    )  # the ordinary token is none of them


PLAIN = (
    "{% for m in messages %}{{ 'Human' if m.role == 'user' else 'Helper' }}: {{ m.content }}\n\n"
    "{% endfor %}Helper:"
)


@pytest.mark.parametrize(
    ("template", "stop"),
    [(PLAIN, "\n\nHuman:"), (CHATML.replace("<|im_end|>", "</turn>"), ""),
     (CHATML.replace("<|im_", "<|my_"), "<|my_end|>"), (CHATML, "")],
)  # fmt: skip
def test_a_turn_that_no_token_closes_is_closed_by_its_text(tmp_path, template, stop):
    path = make(tmp_path / "m.gguf", "llama", template=template)
    with weights.load_vocab_only(path) as model:
        tokenizer, chat = load_chat(model, path)
        assert tokenizer.stop_text == stop
        if stop:
            sequence = Sequence(ask(0, "tea"), [1], limit=99, tokenizer=tokenizer)
            for token in tokenizer._tokenize(f"Four.{stop} And then?"):
                if sequence.finish is None:
                    sequence._append([token])
            assert (sequence.finish, sequence.completion().text) == ("stop", "Four.")
        chat.close()


def test_a_control_token_within_an_answer_is_seen(builtin):
    with weights.load_vocab_only(builtin) as model:
        tokenizer, chat = load_chat(model, builtin)
        text = tokenizer.decode([*tokenizer._tokenize("Four."), END, *tokenizer._tokenize("user")])
        assert text == "Four.<|im_end|>user"
        chat.close()
