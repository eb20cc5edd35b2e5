"""Reads a reply: the text without reasoning, JSON, or the probability of each label."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from sysgen_local.core.thoughts import parse_reply
from sysgen_local.engine.request import Completion, Json, Request


def completion(request: Request, reply: Any) -> Completion:
    """The completion in a reply. Raises ValueError where the reply is no chat completion."""
    if not getattr(reply, "choices", None) or reply.choices[0].message is None:
        reason = getattr(reply, "error", None) or "there is no message in it"
        raise ValueError(f"its reply is no chat completion: {reason}")
    choice, usage = reply.choices[0], reply.usage
    text = _text(choice.message)
    return Completion(
        request.id,
        _strict_json(text) if isinstance(request.constraint, Json) else text,
        "length" if choice.finish_reason == "length" else "stop",
        tokens_in=(usage and usage.prompt_tokens) or 0,
        tokens_out=(usage and usage.completion_tokens) or 0,
        tokens_decoded=_decoded(usage),
    )


def _decoded(usage: Any) -> int | None:
    """Tokens of the prompt that the server's KV cache did not have; None where it does not say."""
    details = getattr(usage, "prompt_tokens_details", None)
    cached = getattr(details, "cached_tokens", None)
    if not isinstance(cached, int) or not usage.prompt_tokens:
        return None
    return int(max(0, usage.prompt_tokens - max(0, cached)))


def _text(message: Any) -> str:
    """The answer in a message: its content, or the arguments of the tool that it calls. Reasoning
    is left out, whether it stands under a key of its own or as one part of a content that is a
    list."""
    content = message.content or ""
    if not content and (calls := getattr(message, "tool_calls", None)):
        return str(calls[0].function.arguments)
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content if part.get("type") == "text")


def _begins_with_thought(message: Any) -> bool:
    """Whether the message has reasoning, so that its first token belongs to a thought."""
    thought = (getattr(message, name, None) for name in ("reasoning_content", "reasoning"))
    return any(thought) or not isinstance(message.content or "", str)


def _strict_json(text: str) -> str:
    """The text's JSON, written anew: the grammars of some servers let raw line breaks through in
    strings, which strict parsers refuse. A thought before it is dropped. Text that is no JSON even
    so is returned as it is."""
    text = parse_reply(text).answer
    try:
        return json.dumps(json.loads(text, strict=False), ensure_ascii=False)
    except ValueError:
        return text


def label_in_json(text: str) -> str:
    """The value of "label" in a JSON object; the whole text where it is no such object."""
    try:
        return str(json.loads(text)["label"])
    except (ValueError, KeyError, TypeError):
        return text


def first_token_logprobs(choice: Any) -> list[tuple[str, float]]:
    """The most probable first tokens and their log-probabilities. Empty where the server gives
    none, or where the first token belongs to a thought."""
    content = choice.logprobs.content if choice.logprobs else None
    if not content or _begins_with_thought(choice.message):
        return []
    return [(top.token, top.logprob) for top in content[0].top_logprobs or ()]


def label_probabilities(
    labels: tuple[str, ...], top_logprobs: list[tuple[str, float]], text: str
) -> Mapping[str, float] | None:
    """The probability of each label; they sum to 1.

    A token counts for a label that it begins, unless it begins several. Where `top_logprobs` give
    nothing, the label written in `text` gets 1 and the others 0. None where no label can be read.
    """
    shares = dict.fromkeys(labels, 0.0)
    for token, logprob in top_logprobs:
        start = token.strip().lower()
        matching = [label for label in labels if start and label.lower().startswith(start)]
        if len(matching) == 1:
            shares[matching[0]] += math.exp(logprob)
    total = sum(shares.values())
    if total > 0:
        return {label: share / total for label, share in shares.items()}
    written = text.strip().lower()
    matching = [label for label in labels if _matches_label(label.lower(), written)]
    return {label: float(label == matching[0]) for label in labels} if len(matching) == 1 else None


def _matches_label(label: str, text: str) -> bool:
    """Whether the text is the beginning of the label, or begins with the label as a whole word."""
    rest = text.removeprefix(label)
    return bool(text) and (label.startswith(text) or (rest != text and not rest[0].isalnum()))
