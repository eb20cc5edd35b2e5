"""Phase 2: phrases are cleaned and put in canonical order, no model asked (section 3.2).

Row -> the phrases that may stay, in order, and every one removed with its reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sysgen_local.phases import rules
from sysgen_local.records import Conversation, Filtered, Phase, Phrase, Removed, Row, in_order
from sysgen_local.stage import Work

REASONS = {name: text for name, (_, text) in rules.RULES.items()} | {
    "duplicate": "another phrase says the same"
}


@dataclass(frozen=True, slots=True)
class Filter:
    """`keep_system`: a row that comes with a system message needs no phrases."""

    keep_system: bool = False
    phase: Phase = "filter"

    def work(self, row: Row) -> Work:
        assert row.generated is not None
        if self.keep_system and row.conversation.system:
            return Filtered()
        return clean(row.conversation, row.generated.phrases)
        yield []  # makes this a generator, as every stage's work is; nothing is asked

    def facts(self) -> dict[str, str]:
        kept = {"existing_system": "keep"} if self.keep_system else {}
        return {"rules": rules.VERSION, **kept}


def clean(conversation: Conversation, phrases: Sequence[Phrase]) -> Filtered:
    """Pure. Kept and removed phrases together are those that came in; the order within a tag is
    that of the model. `dropped` is `no_phrases` where nothing stays."""
    texts = rules.Texts(conversation)
    kept: list[Phrase] = []
    removed: list[Removed] = []
    seen: set[str] = set()
    for phrase in phrases:
        phrase = Phrase(phrase.tag.strip().casefold(), phrase.text.strip())
        case = rules.Case(phrase, texts)
        reason = rules.reason(case)
        if reason is None and case.normal in seen:
            reason = "duplicate"
        if reason is None:
            seen.add(case.normal)
            kept.append(phrase)
        else:
            removed.append(Removed(phrase.tag, phrase.text, reason))
    return Filtered(in_order(kept), tuple(removed), None if kept else "no_phrases")
