"""How families of models mark a thought, and the answer behind it.

A thought is no part of an answer, whoever left it in: a model that thinks although it was told not
to, or a server that does not take thoughts out. Where control tokens were decoded to nothing, a
family is known by the words between them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple


class Thought(NamedTuple):
    """What opens a thought and what ends it, as literal text. Behind `end` the answer begins."""

    begin: str
    end: str


FAMILIES = (
    Thought("<think>", "</think>"),  # Qwen, DeepSeek, GLM, MiniMax, Nemotron, SmolLM, Kimi K2
    Thought("<mm:think>", "</mm:think>"),  # MiniMax M3
    Thought("<seed:think>", "</seed:think>"),  # Seed-OSS
    Thought("<thinking>", "</thinking>"),
    Thought("<thought>", "</thought>"),
    Thought("<reasoning>", "</reasoning>"),
    Thought("[THINK]", "[/THINK]"),  # Magistral, Ministral
    Thought("<|START_THINKING|>", "<|END_THINKING|>"),  # Command
    Thought("<|begin_of_thought|>", "<|end_of_thought|>"),
    Thought("<|inner_prefix|>", "<|inner_suffix|>"),  # Apertus
    Thought("<|channel>thought", "<channel|>"),  # Gemma 4
    Thought("<|open|>think<|sep|>", "<|close|>think<|sep|>"),  # Kimi K3
    Thought("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),  # gpt-oss
    Thought("<|think|>", "<|end|>"),  # Solar
    Thought("assistant to=self<|message|>", "assistant to=user<|message|>"),
    Thought("to=self<|message|>", "assistant to=user<|message|>"),
    Thought("Here are my reasoning steps:", "[BEGIN FINAL RESPONSE]"),  # Apriel
    Thought("Here is my thought process:", "Here is my response:"),  # Granite 3.2
)

_BLANK = " \t\r\n"

_NAMED = re.compile(r"<([\w:.-]*(?:think|thought|reason)[\w:.-]*)>|\[([A-Z_]*THINK[A-Z_]*)\]")
"""Tags of families that are not listed: their end is the same tag with a slash."""

_TALKED_OF = ("</", "[/", "Here")
"""How ends begin that a text may speak of without one being there."""

_TURN = re.compile(r"\A(?:<\|start\|>|<\|begin\|>)(?:assistant(?=<))?")
"""A turn's beginning, where a model writes it anew."""

_CHANNEL = r"\A\s*(?:analysis|commentary)"
_HARMONY = re.compile(
    _CHANNEL + r"(?![\s:;,.!?/)_-]|['’]s\b).*?assistantfinal", re.DOTALL | re.IGNORECASE
)
"""gpt-oss with its control tokens decoded to nothing. No blank parts a channel from its text, as in
a sentence or under a heading."""

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
"""The same without a final channel: it has no answer. Only how the thought begins, or a second
channel, tells it from a name such as `analysisResult`."""

_WRAPPED = re.compile(
    r"\A\s*(?:(?:<\|start\|>|<\|begin\|>)?assistant)?"
    r"(?:<\|START_RESPONSE\|>|<\|begin_of_solution\|>|<\|content\|>|<\|open\|>response<\|sep\|>"
    r"|<response>)"
)
"""What some families put between a thought and the answer."""

_WRAPS = re.compile(
    r"(?:<\|END_RESPONSE\|>|<\|end_of_solution\|>|<\|close\|>response<\|sep\|>.*|</response>"
    r"|\[END FINAL RESPONSE\])\s*\Z",
    re.DOTALL,
)


class Spoken(NamedTuple):
    """A text without its thoughts. `thought` is what was thought, without its marks; `open`: it
    never ended (then it has its mark), so that there is no answer."""

    answer: str
    thought: str = ""
    open: bool = False


def spoken(text: str) -> Spoken:
    """The answer in what a model wrote. A text that only speaks of thoughts stays as it is: a
    thought stands at the beginning, or ends on a line of its own."""
    rest = text
    thoughts: list[str] = []
    while True:
        found = _first(rest)
        if found is None:
            break
        thought, after = found
        if after is None:
            return Spoken("", _joined([*thoughts, thought]), open=True)
        thoughts.append(_inside(thought))
        rest = after
    head, tail = _WRAPPED.match(rest), _WRAPS.search(rest)
    if not thoughts:
        # Plain tags around a whole answer may be what was asked for.
        head = head if head and "<|" in head[0] else None
        tail = tail if tail and not tail[0].startswith("</") else None
        if not head and not tail:
            return Spoken(text)
    rest = rest[head.end() if head else 0 : tail.start() if tail else len(rest)]
    return Spoken(rest.strip(), _joined(thoughts))


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
    """The thought that a text begins with, and what stands behind it (None: it never ends)."""
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
    """A thought whose beginning stood in the prompt: its end alone tells."""
    for begin, end in FAMILIES:
        head, ended, after = text.partition(end)
        if not ended or begin in head or end == "<|end|>":
            continue
        alone = head.endswith("\n") or after.startswith("\n") or not head.strip()
        if alone or not end.startswith(_TALKED_OF):
            return head + ended, after
    return None


def ending(prompt: str) -> str | None:
    """What ends the thought that the end of a prompt has opened; None where none is open."""
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
    """Whether any mark of a thought stands in this markup."""
    return any(mark in markup for family in FAMILIES for mark in _marks(family)) or bool(
        re.search(r"</?[\w:.-]*(?:think|thought|reason)[\w:.-]*>", markup)
    )


def holds_ended_thought(markup: str) -> bool:
    """Whether a thought begins and ends in this markup, or only ends in it."""
    return holds_thought(markup) and ending(markup) is None


def _marks(family: Thought) -> tuple[str, ...]:
    # "<|end|>" ends whatever, not only thoughts; a final channel is an answer's beginning.
    return (family.begin,) if "<|" in family.end[:2] and "THINK" not in family.end else family


def _end_of(tag: re.Match[str]) -> str:
    return f"</{tag[1]}>" if tag[1] else f"[/{tag[2]}]"
