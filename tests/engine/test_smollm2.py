"""A real model in the engine: its own template, its vocabulary, and rows that stay the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import llama_cpp
import pytest
from llama_cpp.llama_chat_format import Jinja2ChatFormatter

from sysgen_local.core.records import Conversation, Turn
from sysgen_local.engine.llama.engine import LlamaEngine
from sysgen_local.engine.options import Options
from sysgen_local.engine.request import (
    Choice,
    Completion,
    Json,
    Message,
    Request,
    Sampling,
    Segment,
)
from sysgen_local.phases.generate import exchanges
from sysgen_local.prompts import PromptSet

DEFAULT_SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
CHATS = [
    [("user", "What is rain?")],
    [("system", "You are a sailor."), ("user", "What is rain?")],
    [("user", "Hi"), ("assistant", "Hello there!"), ("user", "Name two  seas.\n")],
    [("system", "Answer in German."), ("user", "Ça va? 雨"), ("assistant", "ja"), ("user", "\t1")],
]
HOUSE = "The house by the sea has a red door, two small windows and a roof of old slate. " * 5
TOPICS = ["rain", "sourdough bread", "chess", "a rusty bicycle", "tax forms"]
SCHEMA = json.dumps(
    {
        "type": "array",
        "minItems": 3,
        "maxItems": 3,
        "items": {
            "type": "object",
            "properties": {
                "tag": {"enum": ["role", "style"]},
                "text": {"type": "string", "maxLength": 12},
            },
            "required": ["tag", "text"],
            "additionalProperties": False,
        },
    }
)


@pytest.fixture(scope="module")
def real(smollm2: Path) -> Iterator[LlamaEngine]:
    engine = LlamaEngine(smollm2, Options(slots=4, context=768))
    yield engine
    engine.close()


def messages(chat: list[tuple[str, str]]) -> list[Message]:
    return [Message(role, (Segment(text, trusted=False),)) for role, text in chat]


def rendered(engine: LlamaEngine, chat: list[tuple[str, str]]) -> str:
    return "".join(piece.text for piece in engine.chat_template.render(messages(chat)))


@pytest.mark.parametrize("chat", CHATS)
def test_a_chat_is_written_as_the_models_own_template_writes_it(real, chat):
    template = llama_cpp.llama_model_chat_template(real._model, None).decode()
    formatter = Jinja2ChatFormatter(template, eos_token="<|im_end|>", bos_token="<|im_start|>")
    plain = formatter(messages=[{"role": role, "content": text} for role, text in chat]).prompt
    assert rendered(real, chat) == plain
    data = plain.encode()
    tokens = (llama_cpp.llama_token * len(data))()
    count = llama_cpp.llama_tokenize(
        real.tokenizer.vocab, data, len(data), tokens, len(data), False, True
    )
    assert real.tokenizer.encode(real.chat_template.render(messages(chat))).tokens == tokens[:count]


def test_the_templates_own_system_message_stands_only_where_there_is_no_other(real):
    begins = f"<|im_start|>system\n{DEFAULT_SYSTEM}<|im_end|>\n<|im_start|>user\n"
    without, ours = CHATS[0], CHATS[1]
    assert rendered(real, without).startswith(begins)
    [first, *_] = real.chat_template.render(messages(without))
    assert first.markup
    assert DEFAULT_SYSTEM not in rendered(real, ours)
    assert rendered(real, ours).startswith("<|im_start|>system\nYou are a sailor.<|im_end|>\n")
    assert real.chat_template.has_system
    assert not real.description.endswith("system message in the user turn")


@pytest.mark.parametrize("name", ["default", "compact"])
def test_no_phase_asks_under_the_templates_own_system_message(real, name):
    prompts = PromptSet.load(name)
    turns = exchanges(Conversation((Turn("user", "Why?"), Turn("assistant", "So.")), 1))
    asked = [
        prompts.messages("generate", turns=turns),
        prompts.messages(
            "verify", instruction="Why?", turns=turns, phrase="Be brief.", tag="style"
        ),
        prompts.messages("respond", system="Be brief."),
    ]
    for chat in asked:
        text = "".join(piece.text for piece in real.chat_template.render(chat))
        assert DEFAULT_SYSTEM not in text
        assert text.count("<|im_start|>system\n") == 1


def test_control_tokens_of_this_vocabulary_stay_text_in_rows(real):
    """A row that writes all control tokens adds none to the template's."""
    control = real.tokenizer._control_tokens
    assert {"<|im_start|>", "<|im_end|>", "<|endoftext|>", "<repo_name>"} <= control.keys()
    hostile = "".join(control)
    tokens = real.tokenizer.encode(real.chat_template.render(messages([("user", hostile)]))).tokens
    assert [t for t in tokens if t in control.values()] == [1, 2, 1, 2, 1]
    assert hostile in real.tokenizer.decode(tokens)


def asked() -> list[Request]:
    """Verdicts, which are the logits themselves; free text, greedy and sampled; text under a
    grammar, which forces stretches of several tokens."""
    system = Message("system", (Segment(HOUSE),))
    warm = Sampling(temperature=0.8, top_p=0.95)
    ways = {
        "choice": {"constraint": Choice(("good", "bad"))},
        "greedy": {"max_tokens": 12},
        "sampled": {"max_tokens": 12, "sampling": warm},
        "json": {"max_tokens": 60, "constraint": Json(SCHEMA), "sampling": warm},
    }
    return [
        Request(
            f"{way}:{topic}", way, (system, Message("user", (Segment(topic, trusted=False),))),
            seed=seed, **more,
        )
        for way, more in ways.items()
        for seed, topic in enumerate(TOPICS)
    ]  # fmt: skip


def test_a_row_is_the_same_to_the_last_bit_whatever_runs_beside_it(real, smollm2):
    def told(completions) -> dict[str, tuple[str, dict[str, float] | None]]:
        return {c.id: (c.text, c.probabilities) for c in completions}

    requests = asked()
    first = told(real.complete(requests))
    assert len(first) == len(requests)
    assert all(json.loads(text) for name, (text, _) in first.items() if name[0] == "j")
    alone = LlamaEngine(smollm2, Options(slots=1, context=768))
    try:
        assert told(alone.complete(requests[::-1])) == first
    finally:
        alone.close()
    mixed = sorted(requests, key=lambda request: request.id.split(":")[1])
    assert told(real.complete(mixed)) == first


def test_a_turn_of_a_chat_does_not_depend_on_who_holds_the_slot_of_the_last(real, smollm2):
    """An answer is read anew: as it was written, one token at a time, it has other numbers."""
    chat = messages([("system", HOUSE), ("user", "Tell me of the house.")])

    def ask(name: str, chat: list[Message], **more) -> Request:
        return Request(name, "turn", tuple(chat), **more)

    def second(engine: LlamaEngine, between: list[Request]) -> Completion:
        [answer] = engine.complete([ask("1", chat, max_tokens=24)])
        for _ in engine.complete(between):
            pass
        more = [Message("assistant", (Segment(answer.text, trusted=False),))]
        more += messages([("user", "And who lives there?")])
        [completion] = engine.complete([ask("2", [*chat, *more], constraint=Choice(("yes", "no")))])
        return completion

    engine = LlamaEngine(smollm2, Options(slots=1, context=768))
    try:
        others = [Request("x", "x", tuple(messages([("user", "Something else.")])), max_tokens=1)]
        at_once, later = second(engine, []), second(engine, others)
    finally:
        engine.close()
    assert at_once.probabilities == later.probabilities
