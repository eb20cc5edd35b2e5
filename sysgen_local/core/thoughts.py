"""Separates thoughts (reasoning text) from answers, by the tags of model families.

A reply may have a thought in it where a model thinks although that was disabled, or where a server
does not remove thoughts. Where control tokens were decoded to empty text, a family is recognized by
the words between them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple


class ThoughtTags(NamedTuple):
    """The text that begins a thought and the text that ends it. The answer follows `end`."""

    begin: str
    end: str


FAMILIES = (
    ThoughtTags("<think>", "</think>"),  # Qwen, DeepSeek, GLM, MiniMax, Nemotron, SmolLM, Kimi K2
    ThoughtTags("<mm:think>", "</mm:think>"),  # MiniMax M3
    ThoughtTags("<seed:think>", "</seed:think>"),  # Seed-OSS
    ThoughtTags("<thinking>", "</thinking>"),
    ThoughtTags("<thought>", "</thought>"),
    ThoughtTags("<reasoning>", "</reasoning>"),
    ThoughtTags("[THINK]", "[/THINK]"),  # Magistral, Ministral
    ThoughtTags("<|START_THINKING|>", "<|END_THINKING|>"),  # Command
    ThoughtTags("<|begin_of_thought|>", "<|end_of_thought|>"),
    ThoughtTags("<|inner_prefix|>", "<|inner_suffix|>"),  # Apertus
    ThoughtTags("<|channel>thought", "<channel|>"),  # Gemma 4
    ThoughtTags("<|open|>think<|sep|>", "<|close|>think<|sep|>"),  # Kimi K3
    ThoughtTags("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),  # gpt-oss
    ThoughtTags("<|think|>", "<|end|>"),  # Solar
    ThoughtTags("assistant to=self<|message|>", "assistant to=user<|message|>"),
    ThoughtTags("to=self<|message|>", "assistant to=user<|message|>"),
    ThoughtTags("Here are my reasoning steps:", "[BEGIN FINAL RESPONSE]"),  # Apriel
    ThoughtTags("Here is my thought process:", "Here is my response:"),  # Granite 3.2
)

_BLANK = " \t\r\n"

_NAMED = re.compile(r"<([\w:.-]*(?:think|thought|reason)[\w:.-]*)>|\[([A-Z_]*THINK[A-Z_]*)\]")
"""Tags of families that are not listed. The end tag is the same tag with a slash."""

_MENTIONED = ("</", "[/", "Here")
"""Beginnings of end tags that an answer may mention as text."""

_TURN = re.compile(r"\A(?:<\|start\|>|<\|begin\|>)(?:assistant(?=<))?")
"""The beginning of a turn, which a model may repeat."""

_CHANNEL = r"\A\s*(?:analysis|commentary)"
_HARMONY = re.compile(
    _CHANNEL + r"(?![\s:;,.!?/)_-]|['’]s\b).*?assistantfinal", re.DOTALL | re.IGNORECASE
)
"""A reply of gpt-oss with control tokens decoded to empty text. There is no blank between the name
of a channel and its text, other than in a sentence or after a heading."""

_HARMONY_OPEN = re.compile(
    r"\A\s*analysis(?:"
    r"(?:we|the|an?|i|it|this|that|they|he|she|you|there|let|so|ok|okay|now|if|what|how|need|must"
    r"|should|just|first|given|since|simple|answer|provide|respond|likely|probably|maybe)"
    r"(?!\s+(?:is|was|are|were|means)\b)"
    r"|(?:this|that|it|there|what|how)(?=\s+(?:is|was)\b)"
    r"|user(?=\s+(?:ask|want|need|sa[iy]|g[ai]ve|provid|request|wr[io]t|question|message|query"
    r"|(?:is|was)\s+\w+ing\b)|['’]s\s)"
    r")(?=['’,]|\s+[^\W_]|\s*\Z)"
    r"|\A\s*analysis(?=[^\W_]).*?assistant(?:analysis|commentary)(?!\w)",
    re.DOTALL | re.IGNORECASE,
)
"""The same without a final channel, so without an answer. The first words of the thought, or a
second channel, distinguish it from a name such as `analysisResult`."""

_WRAPPED = re.compile(
    r"\A\s*(?:(?:<\|start\|>|<\|begin\|>)?assistant)?"
    r"(?:<\|START_RESPONSE\|>|<\|begin_of_solution\|>|<\|content\|>|<\|open\|>response<\|sep\|>"
    r"|<response>)"
)
"""Text of some families between a thought and the answer."""

_WRAPS = re.compile(
    r"(?:<\|END_RESPONSE\|>|<\|end_of_solution\|>|<\|close\|>response<\|sep\|>.*|</response>"
    r"|\[END FINAL RESPONSE\])\s*\Z",
    re.DOTALL,
)


class ParsedReply(NamedTuple):
    """A reply split into answer and thought. `thought` is without its tags. `open`: the thought did
    not end (then it has its begin tag), so there is no answer."""

    answer: str
    thought: str = ""
    open: bool = False


def parse_reply(text: str) -> ParsedReply:
    """Splits a model's reply into answer and thought. A thought is at the beginning, or its end tag
    is on a line of its own. A text that only mentions tags stays as it is."""
    rest = text
    thoughts: list[str] = []
    while True:
        found = _first(rest)
        if found is None:
            break
        thought, after = found
        if after is None:
            return ParsedReply("", _joined([*thoughts, thought]), open=True)
        thoughts.append(_inside(thought))
        rest = after
    head, tail = _WRAPPED.match(rest), _WRAPS.search(rest)
    if not thoughts:
        # Plain tags around a whole answer may have been asked for.
        head = head if head and "<|" in head[0] else None
        tail = tail if tail and not tail[0].startswith("</") else None
        if not head and not tail:
            return ParsedReply(text)
    rest = rest[head.end() if head else 0 : tail.start() if tail else len(rest)]
    return ParsedReply(rest.strip(), _joined(thoughts))


def _joined(thoughts: Sequence[str]) -> str:
    return "\n\n".join(filter(None, thoughts))


def _inside(thought: str) -> str:
    text = _TURN.sub("", thought.strip(_BLANK))
    for begin, end in FAMILIES:
        if text.startswith(begin):
            text = text.removeprefix(begin).removesuffix(end)
            return text.removesuffix("<|start|>assistant").removesuffix("<|end|>").strip(_BLANK)
    if tag := _NAMED.match(text):
        return text[tag.end() :].removesuffix(_end_of(tag)).strip(_BLANK)
    if _HARMONY.match(text) or _HARMONY_OPEN.match(text):
        text = re.sub(r"assistantfinal\Z", "", text, flags=re.IGNORECASE)
        return re.sub(_CHANNEL, "", text, flags=re.IGNORECASE).strip(_BLANK)
    for _, end in FAMILIES:
        text = text.removesuffix(end)
    return text.strip(_BLANK)


def _first(text: str) -> tuple[str, str | None] | None:
    """(thought at the beginning of a text, text after it); None where it begins with none. The text
    after it is None where the thought does not end."""
    if found := _HARMONY.match(text):
        return found[0], text[found.end() :]
    if _HARMONY_OPEN.match(text):
        return text, None
    start = text.lstrip()
    begun = _TURN.sub("", start)
    for family in FAMILIES:
        if begun.startswith(family.begin):
            return _cut(text, family.end)
    if tag := _NAMED.match(start):
        return _cut(text, _end_of(tag))
    return _ended_only(text)


def _cut(text: str, end: str) -> tuple[str, str | None]:
    head, ended, after = text.partition(end)
    return (head + ended, after) if ended else (text, None)


def _ended_only(text: str) -> tuple[str, str | None] | None:
    """As `_first`, for a thought whose begin tag was in the prompt, so only its end tag is
    there."""
    for begin, end in FAMILIES:
        head, ended, after = text.partition(end)
        if not ended or begin in head or end == "<|end|>":
            continue
        alone = head.endswith("\n") or after.startswith("\n") or not head.strip()
        if alone or not end.startswith(_MENTIONED):
            return head + ended, after
    return None


def ending(prompt: str) -> str | None:
    """The end tag of the thought that is open at the end of a prompt; None where none is open."""
    last, end = -1, None
    for family in FAMILIES:
        begun = prompt.rfind(family.begin)
        if begun > last and family.end not in prompt[begun:]:
            last, end = begun, family.end
    for tag in _NAMED.finditer(prompt):
        if tag.start() > last and _end_of(tag) not in prompt[tag.start() :]:
            last, end = tag.start(), _end_of(tag)
    return end


def holds_thought(markup: str) -> bool:
    """Whether the markup has a tag of a thought."""
    return any(mark in markup for family in FAMILIES for mark in _tags_of(family)) or bool(
        re.search(r"</?[\w:.-]*(?:think|thought|reason)[\w:.-]*>", markup)
    )


def holds_ended_thought(markup: str) -> bool:
    """Whether a thought ends in this markup."""
    return holds_thought(markup) and ending(markup) is None


def _tags_of(family: ThoughtTags) -> tuple[str, ...]:
    # "<|end|>" ends other texts too, and a final channel begins an answer.
    return (family.begin,) if "<|" in family.end[:2] and "THINK" not in family.end else family


def _end_of(tag: re.Match[str]) -> str:
    return f"</{tag[1]}>" if tag[1] else f"[/{tag[2]}]"
