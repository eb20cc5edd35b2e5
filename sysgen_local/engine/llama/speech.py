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
from sysgen_local.engine.llama.tokenizer import Vocab
from sysgen_local.engine.request import Message, Segment

PROBES = (
    ("user",),
    ("system", "user"),
    ("user", "assistant", "user"),
    ("system", "user", "assistant", "user"),
    ("system", "user", "assistant", "user", "assistant", "user"),
)
"""Who speaks in turn in the chats by which two ways to render a template are told apart."""


def learn(model: Any, path: Path) -> tuple[Vocab, ChatTemplate]:
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
    vocab = Vocab(model, template)
    chat = ChatTemplate(
        template,
        bos=vocab.text_of(vocab.bos),
        eos=vocab.text_of(vocab.eos),
        name=path.name,
    )
    vocab.close_turns(chat.turns.behind, chat.turns.last)
    return vocab, chat


@dataclass(frozen=True, slots=True)
class Speech:
    """What is known of a model before it is loaded.

    `switches` turn its thinking off; `thinks`: a thought that the template begins is ended in the
    prompt. `opening` stands between a user's words and an answer. `ends` are the tokens, or the
    text, that end an answer; `learnt` what the template closes one with where the file does not
    name it, else empty. `labels`: labels
    -> whether their first token tells them apart (else whole sequences are compared).
    """

    has_system: bool
    generation: bool
    switches: Mapping[str, object]
    thinks: bool
    opening: str
    ends: tuple[str, ...]
    learnt: str
    labels: Mapping[tuple[str, ...], bool]


def look(path: Path, labels: Sequence[tuple[str, ...]] = ()) -> Speech:
    """Looks into a GGUF without its weights. Raises UsageError where it cannot be spoken to."""
    with weights.head(path) as model:
        vocab, chat = learn(model, path)
        with closing(chat):
            mentioned = chat.mentioned
            switches = {name: chat.switches[name] for name in chat.switches if name in mentioned}
            stop = (vocab.stop.strip(),) if vocab.stop else ()
            return Speech(
                has_system=chat.has_system,
                generation=re.search(r"{%-?\s*generation\b", chat.source) is not None,
                switches=switches,
                thinks=thoughts.holds_thought(chat.opening),
                opening=chat.opening,
                ends=(*map(vocab.text_of, sorted(vocab.end)), *stop),
                learnt=vocab.learnt_end or vocab.stop.strip(),
                labels={of: not vocab.label_tree(of).shared for of in labels},
            )


def fact(path: Path) -> str:
    """What is asked of this GGUF beside what stands in the file, as JSON for recipes: how its chat
    template is rendered. A version that writes other prompts for this model has another fact.

    Raises UsageError as `look`.
    """
    at = path.stat()
    return _fact(path, at.st_size, at.st_mtime_ns)


@cache
def _fact(path: Path, size: int, changed: int) -> str:
    """`size` and `changed` tell a file from another one in its place."""
    with weights.head(path) as model:
        vocab, chat = learn(model, path)
        with closing(chat):
            used = {name: of for name, of in chat.switches.items() if name in chat.mentioned}
            made = {
                "thinking": used,
                "system": "own role" if chat.has_system else "user turn",
                "end": vocab.closings,
                "prompts": hashlib.sha256(_probed(chat).encode()).hexdigest()[:16],
            }
            return json.dumps(made, sort_keys=True)


def _probed(chat: ChatTemplate) -> str:
    """What the template makes of the probes, and which of it is markup."""
    rendered: list[object] = []
    for roles in PROBES:
        said = [Message(role, (Segment(f" {i} "),)) for i, role in enumerate(roles)]
        try:
            rendered.append(chat.render(said))
        except UsageError:
            rendered.append(None)  # it refuses such a chat; in which words does not matter
    return json.dumps(rendered)
