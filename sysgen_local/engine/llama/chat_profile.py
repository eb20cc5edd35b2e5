"""How a model chats: its tokenizer and chat template together, and what follows from them."""

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
"""The roles of test chats. Two versions of this program render a template in the same way where
their prompts for these chats are equal."""


def load_chat(model: Any, path: Path) -> tuple[Tokenizer, ChatTemplate]:
    """The tokenizer and the chat template of a model, each set up with what it needs of the other.

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
    """What vocabulary and chat template show before the weights are loaded.

    has_system: the template has a system role. has_generation_tags: it marks text to train on.
    template_kwargs: variables that switch thinking off. closes_thinking: the prompt ends a thought
    that the template begins. generation_prompt: markup between the last user message and the
    answer. answer_ends: tokens, or the text, that end an answer. template_end: the one of them that
    only the template names, else "". labels: labels -> whether their first token tells them apart;
    otherwise whole token sequences are compared.
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
    """The profile of a GGUF, without loading its weights. `labels`: the label sets to report on.
    Raises UsageError where it has no usable chat template or cannot tell the labels apart."""
    with weights.load_vocab_only(path) as model:
        tokenizer, chat = load_chat(model, path)
        with closing(chat):
            stop = (tokenizer.stop_text.strip(),) if tokenizer.stop_text else ()
            return ChatProfile(
                has_system=chat.has_system,
                has_generation_tags=re.search(r"{%-?\s*generation\b", chat.source) is not None,
                template_kwargs=chat.used_kwargs,
                closes_thinking=thoughts.holds_thought(chat.generation_prompt),
                generation_prompt=chat.generation_prompt,
                answer_ends=(*map(tokenizer.token_text, sorted(tokenizer.end_tokens)), *stop),
                template_end=tokenizer.template_end or tokenizer.stop_text.strip(),
                labels={of: not tokenizer.label_tree(of).children for of in labels},
            )


def recipe_json(path: Path) -> str:
    """How this version of the program renders the chat template of a GGUF, as JSON for recipes. A
    version that makes other prompts for this model gives other JSON.

    Raises UsageError as `read_profile` does.
    """
    at = path.stat()
    return _recipe_json(path, at.st_size, at.st_mtime_ns)


@cache
def _recipe_json(path: Path, size: int, changed: int) -> str:
    """`size` and `changed` are part of the cache's key: they differ for another file in the same
    place."""
    with weights.load_vocab_only(path) as model:
        tokenizer, chat = load_chat(model, path)
        with closing(chat):
            made = {
                "thinking": chat.used_kwargs,
                "system": "own role" if chat.has_system else "user turn",
                "end": tokenizer.answer_ends,
                "prompts": hashlib.sha256(_render_probes(chat).encode()).hexdigest()[:16],
            }
            return json.dumps(made, sort_keys=True)


def _render_probes(chat: ChatTemplate) -> str:
    """The prompts for PROBE_CHATS as JSON, with the marks of what is markup."""
    rendered: list[object] = []
    for roles in PROBE_CHATS:
        said = [Message(role, (Segment(f" {i} "),)) for i, role in enumerate(roles)]
        try:
            rendered.append(chat.render(said))
        except UsageError:
            rendered.append(None)  # refused; the wording of the error does not matter
    return json.dumps(rendered)
