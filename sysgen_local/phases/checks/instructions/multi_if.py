"""What Multi-IF (arXiv 2410.15553) counts otherwise than IFEval: words and sentences by the
language of the answer, and quotation marks of three kinds.

The authors count Thai with pythainlp, for which there is no rule here: `NoRuleError` is raised.
Their count of emoji is that of the package emoji, here of the ranges of `checks.rules`, so a joined
emoji may count more often.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from sysgen_local.core.language import name_of
from sysgen_local.phases.checks.instructions import kinds, length, whole
from sysgen_local.phases.checks.instructions.kwargs import Relation
from sysgen_local.phases.checks.rules import EMOJI

_SIGNS = re.compile(
    "[\\\\.!?．/_,{}<>:;$%^&*(+\"'—！，。？、`~@#￥…（）：；《》“”)\\[\\]»〔〕\\-「」]+"
)
_CHARACTER = re.compile("[\u4e00-\u9fff\u3400-\u4dbf\u3040-\u30ff\uac00-\ud7af]")
_EMOJI = re.compile(EMOJI)
_QUOTES = ('""', "“”", "「」")


class NoRuleError(Exception):
    """An answer in a language that no rule counts. The text says what and which."""


def count_words(answer: str) -> int:
    """By language: for Chinese and Japanese every character, every emoji, and every word of other
    scripts."""
    code = whole.detected(answer)
    if code in ("zh", "ja"):
        text = _SIGNS.sub("", answer)
        bare = _EMOJI.sub("", text)
        other = _CHARACTER.sub(" ", bare).split()
        return len(_CHARACTER.findall(bare)) + len(other) + len(_EMOJI.findall(text))
    _refuse(code, "words")
    return length.count_words(answer)


def count_sentences(answer: str) -> int:
    """By language: Hindi, Chinese and Japanese by their own signs, others as in English."""
    code = whole.detected(answer)
    if code == "hi":
        return sum(bool(part.strip()) for part in re.split(r"(?<=[।!?])\s*", answer))
    if code in ("zh", "ja"):
        lines = (line.strip() for line in answer.splitlines())
        return sum(len(re.findall("[^!?.。！？．\n]+", line)) for line in lines)
    _refuse(code, "sentences")
    return length.count_sentences(answer)


def number_words(answer: str, *, num_words: int, relation: Relation) -> bool:
    """Fewer than, or at least, so many words, as the language of the answer counts them.

    Known fault: the language of the answer decides how is counted, not that of the item; words in
    Devanagari count as several.
    """
    return length.number_words(answer, num_words=num_words, relation=relation, count=count_words)


def number_sentences(answer: str, *, num_sentences: int, relation: Relation) -> bool:
    """Fewer than, or at least, so many sentences, as the language of the answer counts them.

    Known fault: every language but Hindi, Chinese and Japanese is split by an English model; in
    Chinese every line has at least one sentence, and the period of a number ends one.
    """
    return length.number_sentences(
        answer, num_sentences=num_sentences, relation=relation, count=count_sentences
    )


def quotation(answer: str) -> bool:
    """The answer is in quotation marks: "", “” or 「」.

    Known fault: the marks of other languages («», „“) do not count.
    """
    text = answer.strip()
    return len(text) > 1 and text[0] + text[-1] in _QUOTES


def _refuse(code: str | None, what: str) -> None:
    if code == "th":
        raise NoRuleError(f"no rule counts {what} in {name_of(code)}")


_OWN: dict[str, Callable[..., bool]] = {
    "length_constraints:number_words": number_words,
    "length_constraints:number_sentences": number_sentences,
    "startend:quotation": quotation,
}

KINDS: dict[str, kinds.Kind] = {
    name: replace(kind, rule=_OWN.get(name, kind.rule)) for name, kind in kinds.KINDS.items()
}
"""The table of `kinds`, with the rules of Multi-IF."""
