"""Compares the phrases of one row and ranks near-duplicates, so that the best one is kept."""

from __future__ import annotations

import re
from functools import cached_property
from itertools import pairwise

from sysgen_local.core.records import TAGS, Phrase
from sysgen_local.phases.words import alike, is_content, normalized, unspaced

SIMILAR = 0.6
"""Jaccard similarity of content words from which two phrases are near-duplicates."""
MANY = 4
"""Content words in common that two phrases of different forms need as well."""


class ComparablePhrase:
    """A phrase with its content words; in a script without spaces, pairs of characters."""

    def __init__(self, phrase: Phrase) -> None:
        self.phrase = phrase
        self.normalized = normalized(phrase.text)

    @cached_property
    def form(self) -> str | None:
        """The tag whose form the text has: role, tool or background; None for an instruction."""
        return next((tag for tag, form in _FORMS if form.match(self.phrase.text)), None)

    @cached_property
    def words(self) -> tuple[str, ...]:
        if unspaced(self.phrase.text):
            whole = self.normalized.replace(" ", "")
            return tuple(dict.fromkeys(map("".join, pairwise(whole))))
        return tuple(w for w in dict.fromkeys(self.normalized.split()) if is_content(w))

    @cached_property
    def starts(self) -> frozenset[str]:
        """The first three letters of the words. Forms of one word have the same."""
        return frozenset(word[:3] for word in self.words)

    @property
    def rank(self) -> tuple[bool, bool, int]:
        """Sorts the phrase to keep first: its form fits its tag; it is not an instruction, because
        most phrases are; its tag comes first in the canonical order."""
        return not fits_tag(self.phrase), self.form is None, TAGS.index(self.phrase.tag)

    def repeats(self, other: ComparablePhrase) -> bool:
        """Whether the two are near-duplicates.

        Phrases of different forms need more words in common: "You are a party planner." and
        "Plan the party." have different meanings.
        """
        sizes = len(self.words) + len(other.words)
        if not _similar(len(self.starts & other.starts), sizes, 1):
            return False
        least = 1 if self.form == other.form else MANY
        left = list(other.words)
        common = 0
        for word in self.words:
            if (same := next((w for w in left if alike(word, w)), None)) is not None:
                left.remove(same)
                common += 1
        return _similar(common, sizes, least)


def fits_tag(phrase: Phrase) -> bool:
    """Whether the text has the usual form of phrases under its tag. English only."""
    looks = _LOOKS.get(phrase.tag)
    return looks is not None and looks.search(phrase.text) is not None


def _similar(common: int, sizes: int, least: int) -> bool:
    return common >= least and common >= SIMILAR * (sizes - common)


_ROLE = r"^(you are|you're|act|behave|speak|imagine (that )?you|pretend|take (on )?the role|play)\b"
_TOOL = (
    r"^(you|the assistant) (may|can|could|might|should|have access|are allowed)\b|^use "
    r"(an? |the |any )?[\w -]*\b(tools?|calculator|dictionary|search|engine|database|api|"
    r"software|library|libraries|python|internet|web|resources?|references?|thesaurus|compiler|interpreter|editor)\b"
)
_BACKGROUND = (
    r"^(the|this|these|users?|they|he|she|it|people|both|many|most) [\w' -]*?"
    r"\b(is|are|was|were|has|have|wants?|needs?|knows?|lives?|works?|likes?|prefers?|owns?|asks?|"
    r"plans?|learns?|stud(y|ies)|uses?|speaks?|does|do|may|might|will|would|cannot|can)\b"
)
_FORMAT = (
    r"\b(lists?|bullets?|bulleted|numbered|steps?|tables?|columns?|sentences?|paragraphs?|json|"
    r"markdown|csv|yaml|xml|html|headings?|headers?|sections?|lines?|words or|characters|format|"
    r"code (block|snippet)|snippet|single word|one word|stanzas?|verses?|outline|layout|length|"
    r"start(s|ing)? with|end(s|ing)? with|begin(s|ning)? with|\d+ words)\b"
)
_STYLE = (
    r"^(be|sound|stay|remain)\b|\b(tone|manner|style|voice|language|friendly|formal|informal|"
    r"clear(ly)?|concise(ly)?|simpl[ey]|plain|polite(ly)?|warm(ly)?|humou?r(ous)?|professional(ly)?|engaging|"
    r"conversational|casual|patient(ly)?|encouraging|respectful(ly)?|brief(ly)?|vivid|lively)\b"
)
_ACTION = (
    r"\b(first|before|after(wards)?|then|finally|step by step|carefully|check|verify|ask|avoid|"
    r"consider|break (it )?down|start by|begin by|make sure|one at a time|if)\b"
)
_TASK = (
    r"^(write|answer|explain|solve|translate|classify|summari[sz]e|generate|create|find|convert|help|"
    r"analy[sz]e|describe|compare|design|suggest|predict|calculate|compute|rewrite|edit|correct|plan|"
    r"compose|develop|identify|recommend|advise|teach|prove|draft|review|complete|determine)\b"
)
_CONTENT = (
    r"^(include|cover|mention|name|list|show|state|discuss|provide|give|add|define|cite|quote|"
    r"point out|refer|focus|address|present|touch)\b"
)
_LOOKS = {
    tag: re.compile(pattern, re.IGNORECASE)
    for tag, pattern in {
        "role": _ROLE, "content": _CONTENT, "task": _TASK, "action": _ACTION, "style": _STYLE,
        "background": _BACKGROUND, "tool": _TOOL, "format": _FORMAT,
    }.items()
}  # fmt: skip
_FORMS = tuple((tag, _LOOKS[tag]) for tag in ("role", "tool", "background"))
"""The forms of phrases that are not instructions."""
