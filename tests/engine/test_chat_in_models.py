"""Models whose chat templates are out of the ordinary, in llama.cpp."""

from pathlib import Path

from test_llama import ask
from tiny import CHATML, make

from sysgen_local.engine.llama.engine import LlamaEngine
from sysgen_local.engine.options import Options
from sysgen_local.engine.request import Message, Segment

FOLDS = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    + CHATML
)


def test_a_model_without_a_system_role_reads_it_in_the_user_turn_and_says_so(tmp_path: Path):
    told = LlamaEngine(make(tmp_path / "folds.gguf", "llama", template=FOLDS), Options(slots=1))
    plain = LlamaEngine(make(tmp_path / "plain.gguf", "llama"), Options(slots=1))
    try:
        asked = ask(0, "tea", max_tokens=12)
        system, user = asked.messages
        folded = Message("user", (*system.content, Segment("\n\n"), *user.content))
        [here] = told.complete([asked])
        [there] = plain.complete([asked._replace(messages=(folded,))])
        assert (here.text, here.tokens_in) == (there.text, there.tokens_in)
        assert told.description.endswith("system message in the user turn")
        assert "user turn" not in plain.description
    finally:
        told.close()
        plain.close()


def test_a_model_that_thinks_begins_with_its_answer(tmp_path: Path):
    """The thought is ended in the prompt, in the tokens that the model knows for it."""
    control = ["<|bos|>", "<|im_start|>", "<|im_end|>"]
    engine = LlamaEngine(
        make(
            tmp_path / "thinks.gguf", "qwen2", template=CHATML + "<think>\n",
            control=control, own=["<think>", "</think>"],
        ),
        Options(slots=1),
    )  # fmt: skip
    tokens = engine.tokenizer.encode(
        engine.chat_template.render(ask(0, "</think>").messages)
    ).tokens
    begins, ends = engine.tokenizer.size - 2, engine.tokenizer.size - 1
    engine.close()
    assert [t for t in tokens if t in (begins, ends)] == [begins, ends]
    assert tokens.index(ends) > len(tokens) - 4
