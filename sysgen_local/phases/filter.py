"""Phase 2: phrases are cleaned and put in canonical order, no model asked (section 3.2).

Row -> the phrases that may stay, in order, and every one removed with its reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sysgen_local.core.records import Conversation, Filtered, Phase, Phrase, Removed, Row, in_order
from sysgen_local.phases import rules
from sysgen_local.phases.lifted import fingerprint
from sysgen_local.phases.near_duplicates import ComparablePhrase
from sysgen_local.phases.reasons import PhraseRule, RepeatedPhrase
from sysgen_local.running.stage import STAGE_FAILED, Work

REASONS: dict[PhraseRule | RepeatedPhrase, str] = {
    **{name: text for name, (_, text) in rules.RULES.items()},
    "duplicate": "another phrase says the same",
    "near_duplicate": "another phrase says nearly the same",
}


@dataclass(frozen=True, slots=True)
class Filter:
    """`keep_system`: a row that comes with a system message needs no phrases. `demonstrations`:
    the phrases that the prompt of phase 1 shows; none may be lifted from there."""

    keep_system: bool = False
    demonstrations: tuple[str, ...] = ()
    phase: Phase = "filter"

    def work(self, row: Row) -> Work[Filtered]:
        assert row.generated is not None
        if self.keep_system and row.conversation.system:
            return Filtered()
        return clean(row.conversation, row.generated.phrases, self.demonstrations)
        yield []  # makes this a generator, as every stage's work is; nothing is asked

    def failed(self, why: str) -> Filtered:
        return Filtered(dropped=STAGE_FAILED, why=why)

    def facts(self) -> dict[str, str]:
        facts = {"rules": rules.VERSION}
        if self.demonstrations:
            facts["demonstrations"] = fingerprint(self.demonstrations)
        if self.keep_system:
            facts["existing_system"] = "keep"
        return facts


def clean(
    conversation: Conversation, phrases: Sequence[Phrase], demonstrations: tuple[str, ...] = ()
) -> Filtered:
    """Pure. Kept and removed phrases together are those that came in; the order within a tag is
    that of the model. `dropped` is `no_phrases` where nothing stays."""
    texts = rules.RowTexts(conversation, demonstrations)
    phrases = [Phrase(phrase.tag.strip().casefold(), phrase.text.strip()) for phrase in phrases]
    reasons: list[PhraseRule | RepeatedPhrase | None] = [
        rules.reason(rules.PhraseInRow(phrase, texts)) for phrase in phrases
    ]
    said = {i: ComparablePhrase(phrase) for i, phrase in enumerate(phrases) if reasons[i] is None}
    kept: list[ComparablePhrase] = []
    # The one that stays comes first, so that each need only be compared with those kept.
    for i in sorted(said, key=lambda i: said[i].place):
        reasons[i] = _again(said[i], kept)
        if reasons[i] is None:
            kept.append(said[i])
    removed = [
        Removed(phrase.tag, phrase.text, reason)
        for phrase, reason in zip(phrases, reasons, strict=True)
        if reason is not None
    ]
    stays = [phrase for phrase, reason in zip(phrases, reasons, strict=True) if reason is None]
    return Filtered(in_order(stays), tuple(removed), None if stays else "no_phrases")


def _again(said: ComparablePhrase, kept: Sequence[ComparablePhrase]) -> RepeatedPhrase | None:
    if any(said.normal == other.normal for other in kept):
        return "duplicate"
    return "near_duplicate" if any(said.repeats(other) for other in kept) else None
