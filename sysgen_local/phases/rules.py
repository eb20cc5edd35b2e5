"""The rules of the filter: each decides whether one phrase must be removed.

A rule is a small pure function of a `PhraseInRow`. `RULES` lists them in their order; the first
rule that applies gives the reason.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from functools import cached_property

from sysgen_local.core.records import TAGS, Conversation, Phrase
from sysgen_local.core.scripts import script_counts, script_shares, weighed
from sysgen_local.phases import wording
from sysgen_local.phases.lifted import is_lifted
from sysgen_local.phases.reasons import PhraseRule
from sysgen_local.phases.tags import LONGEST
from sysgen_local.phases.turns import exchanges, is_of_later_turns
from sysgen_local.phases.words import normalized, unspaced

VERSION = "3"
"""Part of the recipe. It is raised when a rule changes its decisions."""


class RowTexts:
    """The texts of a row, computed once for all its phrases, and the phrases of the prompt's
    demonstrations."""

    def __init__(self, conversation: Conversation, demonstrations: tuple[str, ...] = ()) -> None:
        self.demonstrations = demonstrations
        turns = conversation.turns
        self._turns = turns
        self.question = "\n".join(t.content for t in turns if t.role == "user")
        self.answer = "\n".join(t.text for t in turns if t.role != "user")

    @cached_property
    def exchanges(self) -> list[frozenset[str]]:
        return exchanges(self._turns)

    @cached_property
    def question_norm(self) -> str:
        return normalized(self.question)

    @cached_property
    def answer_norm(self) -> str:
        return normalized(self.answer)

    @cached_property
    def result(self) -> str | None:
        """The final result if the answer marks it: behind `####`, in a box, "answer is X"."""
        lowered = self.answer.lower()
        if not any(sign in lowered for sign in ("####", "boxed", "answer is")):
            return None  # the usual case, and a fast test
        found = _RESULT.findall(self.answer)
        results = [next(filter(None, groups)).strip(" .$") for groups in found]
        return results[-1] if results and len(results[-1]) > 1 else None

    @cached_property
    def scripts(self) -> frozenset[str]:
        """The scripts that make up a tenth or more of question or answer."""
        return script_shares(self.question) | script_shares(self.answer)


class PhraseInRow:
    """A phrase with the texts of its row."""

    __slots__ = ("normalized", "phrase", "plain", "text", "texts")

    def __init__(self, phrase: Phrase, texts: RowTexts) -> None:
        self.phrase = phrase
        self.texts = texts
        self.text = phrase.text
        self.normalized = normalized(phrase.text)
        self.plain = _PLAIN.fullmatch(phrase.text) is not None


def unknown_tag(candidate: PhraseInRow) -> bool:
    return candidate.phrase.tag not in TAGS


def empty(candidate: PhraseInRow) -> bool:
    return wording.says_nothing(candidate.normalized)


def control_tokens(candidate: PhraseInRow) -> bool:
    if candidate.plain:
        return False
    if _CONTROL.search(candidate.text):
        return True
    return not candidate.text.isprintable() and any(
        unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co") and c not in "\n\t"
        for c in candidate.text
    )


def tag_in_text(candidate: PhraseInRow) -> bool:
    return not candidate.plain and bool(_TAG_IN_TEXT.search(candidate.text))


def markup(candidate: PhraseInRow) -> bool:
    return not candidate.plain and bool(_MARKUP.search(candidate.text))


def placeholder(candidate: PhraseInRow) -> bool:
    return bool((_PLAIN_PLACEHOLDER if candidate.plain else _PLACEHOLDER).search(candidate.text))


def too_long(candidate: PhraseInRow) -> bool:
    return len(candidate.text) > LONGEST


def too_short(candidate: PhraseInRow) -> bool:
    """It has fewer than two words; in a script without spaces, fewer than four characters."""
    if unspaced(candidate.text):
        return len(candidate.text.strip()) < 4
    return len(candidate.text.split()) < 2 or len(candidate.text.strip()) < 5


def repetition(candidate: PhraseInRow) -> bool:
    """It repeats a word or a group of words, as a stuck model does."""
    words = candidate.normalized.split()
    again = len(words) - len(set(words))
    if again >= 3 and _has_repeated_group(words):
        return True
    longest = max(map(len, words), default=0)
    if longest > 40:
        return True
    # In plain text, the patterns can only match if words repeat or a word is long.
    if candidate.plain and again < 3 and longest < 8:
        return False
    stuck = _RUN if candidate.plain and again < 3 and longest < 12 else _STUCK
    return bool(stuck.search(candidate.text))


def _has_repeated_group(words: list[str]) -> bool:
    """Whether a group of words comes three times in a row, or four words come three times."""
    for period in (1, 2, 3, 4, 5, 6):
        run = 0
        for word, before in zip(words[period:], words, strict=False):
            run = run + 1 if word == before else 0
            if run >= max(3, 2 * period):
                return True
    grams = Counter(zip(words, words[1:], words[2:], words[3:], strict=False))
    return max(grams.values(), default=0) >= 3


def wrong_script(candidate: PhraseInRow) -> bool:
    """It is mainly in a script that neither question nor answer uses. Names and terms in another
    script are allowed."""
    scripts = candidate.texts.scripts
    if candidate.text.isascii() and "LATIN" in scripts:
        return False
    counts = script_counts(candidate.text)
    if not counts or not scripts:
        return False
    main, number = counts.most_common(1)[0]
    if number * 2 <= counts.total() or main in scripts:
        return False
    weights = weighed(counts)
    return sum(weights[script] for script in scripts) * 3 < weights.total()


def addresses_user(candidate: PhraseInRow) -> bool:
    """It speaks to the user or answers the user. The user's own question is allowed in a phrase for
    task or content."""
    if wording.addresses_user(candidate.text):
        return True
    if not wording.is_question(candidate.text):
        return False
    return (
        candidate.phrase.tag not in ("task", "content")
        or candidate.normalized not in candidate.texts.question_norm
    )


def unfinished(candidate: PhraseInRow) -> bool:
    return wording.unfinished(candidate.text)


def lifted(candidate: PhraseInRow) -> bool:
    """It shares an n-gram with a demonstration that the row does not have."""
    texts = candidate.texts
    return bool(texts.demonstrations) and is_lifted(
        candidate.text, texts.demonstrations, (texts.question, texts.answer)
    )


def copies_question(candidate: PhraseInRow) -> bool:
    """It copies many of the user's words. In a phrase for task or content, up to twelve words are
    allowed, because they describe the task."""
    return _copies(
        candidate, candidate.texts.question_norm, candidate.phrase.tag in ("task", "content")
    )


def copies_answer(candidate: PhraseInRow) -> bool:
    return _copies(candidate, candidate.texts.answer_norm, False)


def leaks_answer(candidate: PhraseInRow) -> bool:
    """It has the answer's final result, or eight words of it in a row that are not in the
    question."""
    text = candidate.normalized
    result = candidate.texts.result
    final = normalized(result) if result else ""
    if final and final not in candidate.texts.question_norm and f" {final} " in f" {text} ":
        return True
    words = text.split()
    if len(words) < 8:
        return False
    answer, question = candidate.texts.answer_norm, candidate.texts.question_norm
    grams = (" ".join(words[i : i + 8]) for i in range(len(words) - 7))
    return any(gram in answer and gram not in question for gram in grams)


def later_turn(candidate: PhraseInRow) -> bool:
    """It is about a later turn only. Phrases for style and format have no topic, so they
    stay."""
    if candidate.phrase.tag in ("style", "format"):
        return False
    return is_of_later_turns(candidate.text, candidate.texts.exchanges)


RULES: dict[PhraseRule, tuple[Callable[[PhraseInRow], bool], str]] = {
    "unknown_tag": (unknown_tag, "its tag is none of the eight"),
    "empty": (empty, "it says nothing"),
    "control_tokens": (control_tokens, "it holds control tokens or invisible characters"),
    "tag_in_text": (tag_in_text, "its text repeats a tag"),
    "placeholder": (placeholder, "something in it was left to be filled in"),
    "markup": (markup, "it holds HTML, Markdown or code"),
    "too_long": (too_long, f"it is longer than {LONGEST} characters"),
    "too_short": (too_short, "it is shorter than two words"),
    "repetition": (repetition, "it repeats itself"),
    "addresses_user": (addresses_user, "it speaks to the user instead of the assistant"),
    "unfinished": (unfinished, "it ends in the middle of a sentence"),
    "wrong_script": (wrong_script, "it is written in a script the row does not use"),
    "copies_question": (copies_question, "it copies the user's words"),
    "copies_answer": (copies_answer, "it copies the answer"),
    "leaks_answer": (leaks_answer, "it gives the answer away"),
    "later_turn": (later_turn, "it is about a later turn alone, and stands before all of them"),
    "lifted": (lifted, "it was lifted from the prompt's demonstrations"),
}
"""Reason -> (rule, description). The reasons `duplicate` and `near_duplicate` are in `filter`."""

_IN_ORDER = tuple((name, applies) for name, (applies, _) in RULES.items())


def reason(candidate: PhraseInRow) -> PhraseRule | None:
    """Why the phrase must be removed; None if it can stay."""
    for name, applies in _IN_ORDER:
        if applies(candidate):
            return name
    return None


def _copies(candidate: PhraseInRow, source: str, tolerant: bool) -> bool:
    text = candidate.normalized
    if not text or text not in source:
        return False
    words = text.count(" ") + 1
    if tolerant:
        return words > 12
    return text == source or words >= 8 or len(text) >= 60


_PLAIN = re.compile(r"[A-Za-z0-9]+(?:(?:[,.'!?;-] ?| )[A-Za-z0-9]+)*[.!?]?")
"""Words with one punctuation mark or space between them, as most phrases are. Such a text has no
markup, control token or tag, so most rules need not search it."""
_STAND_IN = r"\bX{3,}\b|\bXYZ (?:Corp|Inc|company)\b|\blorem ipsum\b"
_PLAIN_PLACEHOLDER = re.compile(_STAND_IN, re.IGNORECASE)
_RUN = re.compile(r"(.)\1{7}", re.DOTALL)
_STUCK = re.compile(r"(.)\1{7,}|(.{2,5}?)\2{5,}", re.DOTALL)
_CONTROL = re.compile(
    r"<\|[^|<>\n]{1,40}\|>|\[/?INST\]|<</?SYS>>|</?s>|<(start|end)_of_turn>|<(bos|eos|pad|unk)>"
    r"|</?think>|</?tool_(call|response)>|<\uff5c[^<>\n]{1,40}\uff5c>",
    re.IGNORECASE,
)
_TAG_IN_TEXT = re.compile(
    rf"<<\s*/?\s*[A-Za-z][A-Za-z _-]*>>|^\s*[\[(<*]*({'|'.join(TAGS)})[\])>*]*\s*:", re.IGNORECASE
)
_MARKUP = re.compile(
    r"</?[a-z][a-z0-9]*(\s[^<>]*)?/?>|^\s*#{1,6} |```|^\s*[*-] |\*\*[^*]+\*\*|!?\[[^\]]+\]\(\S+\)",
    re.IGNORECASE | re.MULTILINE,
)
_PLACEHOLDER = re.compile(
    r"\[(insert|your|the|name|user|company|topic|specific|add|enter|date|city|product)\b[^\]]*\]"
    r"|[<{]{1,2}\s*(insert|your|user|name|company|topic|date|city|product)\b[^<>{}]*[>}]{1,2}"
    r"|\{\{?\s*[a-z_]+\s*\}?\}|(?-i:\[[A-Z][A-Z _]{2,}\])|_{3,}|" + _STAND_IN,
    re.IGNORECASE,
)
_RESULT = re.compile(
    r"####\s*(\S[^\n]{0,60})|\\boxed\{([^{}]{1,60})\}|\banswer is:?\s*\$?([-\w.,/]{1,40})",
    re.IGNORECASE,
)
