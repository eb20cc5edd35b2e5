"""What a server's reply says: text without thoughts, JSON, or the probability of each label."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from sysgen_local.core.thoughts import parse_reply
from sysgen_local.engine.request import Completion, Json, Request


def completion(request: Request, reply: Any) -> Completion:
    """Raises ValueError for a reply that is none."""
    if not getattr(reply, "choices", None) or reply.choices[0].message is None:
        why = getattr(reply, "error", None) or "there is no message in it"
        raise ValueError(f"its reply is no chat completion: {why}")
    choice, usage = reply.choices[0], reply.usage
    text = _text(choice.message)
    return Completion(
        request.id,
        _strict(text) if isinstance(request.constraint, Json) else text,
        "length" if choice.finish_reason == "length" else "stop",
        tokens_in=usage.prompt_tokens if usage else 0,
        tokens_out=usage.completion_tokens if usage else 0,
    )


def _text(message: Any) -> str:
    """What is said in a message. Its thought in a key of its own is none of it, nor is one among
    the parts of its content."""
    content = message.content or ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content if part.get("type") == "text")


def _begins_with_thought(message: Any) -> bool:
    thought = (getattr(message, name, None) for name in ("reasoning_content", "reasoning"))
    return any(thought) or not isinstance(message.content or "", str)


def _strict(text: str) -> str:
    """JSON whose strings have no raw line breaks, which some servers' grammars let through, without
    a thought before it; as it is where it is none even so."""
    text = parse_reply(text).answer
    try:
        return json.dumps(json.loads(text, strict=False), ensure_ascii=False)
    except ValueError:
        return text


def label_in(text: str) -> str:
    """The label in a server's JSON; what it wrote where that is none."""
    try:
        return str(json.loads(text)["label"])
    except (ValueError, KeyError, TypeError):
        return text


def likeliest(choice: Any) -> list[tuple[str, float]]:
    """The likeliest first tokens with their log-probabilities, where the server tells."""
    content = choice.logprobs.content if choice.logprobs else None
    if not content or _begins_with_thought(choice.message):
        return []
    return [(top.token, top.logprob) for top in content[0].top_logprobs or ()]


def label_shares(
    labels: tuple[str, ...], tops: list[tuple[str, float]], text: str
) -> Mapping[str, float] | None:
    """Each label's share of the probability of the tokens that may begin it, summing to 1.

    A server that tells no probabilities leaves 1 for the label it wrote and 0 for the others.
    None where no label can be read.
    """
    shares = dict.fromkeys(labels, 0.0)
    for token, logprob in tops:
        begun = token.strip().lower()
        fitting = [label for label in labels if begun and label.lower().startswith(begun)]
        if len(fitting) == 1:
            shares[fitting[0]] += math.exp(logprob)
    total = sum(shares.values())
    if total > 0:
        return {label: share / total for label, share in shares.items()}
    written = text.strip().lower()
    fitting = [label for label in labels if _is_written(label.lower(), written)]
    return {label: float(label == fitting[0]) for label in labels} if len(fitting) == 1 else None


def _is_written(label: str, text: str) -> bool:
    """Whether the text is the label's beginning, or begins with it as a word of its own."""
    rest = text.removeprefix(label)
    return bool(text) and (label.startswith(text) or (rest != text and not rest[0].isalnum()))
