"""How a model is spoken to: its vocabulary and chat template together, and what they tell."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import llama_cpp

from sysgen_local.core import thoughts
from sysgen_local.core.errors import UsageError
from sysgen_local.engine.llama import weights
from sysgen_local.engine.llama.chat import ChatTemplate
from sysgen_local.engine.llama.tokenizer import Tokenizer
from sysgen_local.engine.request import Message, Segment

PROBE_CHATS = (
    ("user",),
    ("system", "user"),
    ("user", "assistant", "user"),
    ("system", "user", "assistant", "user"),
    ("system", "user", "assistant", "user", "assistant", "user"),
)
"""Who speaks in turn in the chats by which two ways to render a template are told apart."""


def load_chat(model: Any, path: Path) -> tuple[Tokenizer, ChatTemplate]:
    """The model's vocabulary and chat template, each with what it must know of the other.

    Raises UsageError for a model without a chat template, or with one that cannot be used.
    """
    source = llama_cpp.llama_model_chat_template(model, None)
    if source is None:
        raise UsageError(
            f"{path} has no chat template, so it is no chat model",
            hint="take the instruct (chat) version of the model, or a newer GGUF of it",
        )
    template = str(source.decode(errors="replace"))
    tokenizer = Tokenizer(model, template)
    chat = ChatTemplate(
        template,
        bos=tokenizer.token_text(tokenizer.bos),
        eos=tokenizer.token_text(tokenizer.eos),
        name=path.name,
    )
    tokenizer.learn_answer_end(
        chat.turn_markup.assistant_to_user, chat.turn_markup.assistant_to_end
    )
    return tokenizer, chat


@dataclass(frozen=True, slots=True)
class ChatProfile:
    """What is known of a model before it is loaded.

    `switches` turn its thinking off; `thinks`: a thought that the template begins is ended in the
    prompt. `opening` stands between a user's words and an answer. `ends` are the tokens, or the
    text, that end an answer; `learnt` what the template closes one with where the file does not
    name it, else empty. `labels`: labels
    -> whether their first token tells them apart (else whole sequences are compared).
    """

    has_system: bool
    has_generation_tags: bool
    template_kwargs: Mapping[str, object]
    closes_thinking: bool
    generation_prompt: str
    answer_ends: tuple[str, ...]
    template_end: str
    labels: Mapping[tuple[str, ...], bool]


def read_profile(path: Path, labels: Sequence[tuple[str, ...]] = ()) -> ChatProfile:
    """Looks into a GGUF without its weights. Raises UsageError where it cannot be spoken to."""
    with weights.load_vocab_only(path) as model:
        tokenizer, chat = load_chat(model, path)
        with closing(chat):
            mentioned_kwargs = chat.mentioned_kwargs
            template_kwargs = {
                name: chat.template_kwargs[name]
                for name in chat.template_kwargs
                if name in mentioned_kwargs
            }
            stop = (tokenizer.stop_text.strip(),) if tokenizer.stop_text else ()
            return ChatProfile(
                has_system=chat.has_system,
                has_generation_tags=re.search(r"{%-?\s*generation\b", chat.source) is not None,
                template_kwargs=template_kwargs,
                closes_thinking=thoughts.holds_thought(chat.generation_prompt),
                generation_prompt=chat.generation_prompt,
                answer_ends=(*map(tokenizer.token_text, sorted(tokenizer.end_tokens)), *stop),
                template_end=tokenizer.template_end or tokenizer.stop_text.strip(),
                labels={of: not tokenizer.label_tree(of).children for of in labels},
            )


def recipe_json(path: Path) -> str:
    """What is asked of this GGUF beside what stands in the file, as JSON for recipes: how its chat
    template is rendered. A version that writes other prompts for this model has another fact.

    Raises UsageError as `look`.
    """
    at = path.stat()
    return _recipe_json(path, at.st_size, at.st_mtime_ns)


@cache
def _recipe_json(path: Path, size: int, changed: int) -> str:
    """`size` and `changed` tell a file from another one in its place."""
    with weights.load_vocab_only(path) as model:
        tokenizer, chat = load_chat(model, path)
        with closing(chat):
            used = {
                name: of
                for name, of in chat.template_kwargs.items()
                if name in chat.mentioned_kwargs
            }
            made = {
                "thinking": used,
                "system": "own role" if chat.has_system else "user turn",
                "end": tokenizer.answer_ends,
                "prompts": hashlib.sha256(_render_probes(chat).encode()).hexdigest()[:16],
            }
            return json.dumps(made, sort_keys=True)


def _render_probes(chat: ChatTemplate) -> str:
    """What the template makes of the probes, and which of it is markup."""
    rendered: list[object] = []
    for roles in PROBE_CHATS:
        said = [Message(role, (Segment(f" {i} "),)) for i, role in enumerate(roles)]
        try:
            rendered.append(chat.render(said))
        except UsageError:
            rendered.append(None)  # it refuses such a chat; in which words does not matter
    return json.dumps(rendered)
