"""Phase 2: filters the phrases and puts them in canonical order (SysGen, section 3.2).

It asks no model. The result has the kept phrases in order, and each removed phrase with its reason.
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
    """The stage. With `keep_system`, a row with a system message of its own needs no phrases.
    `demonstrations` are the phrases in the prompt of phase 1; a copy of one is removed."""

    keep_system: bool = False
    demonstrations: tuple[str, ...] = ()
    phase: Phase = "filter"

    def work(self, row: Row) -> Work[Filtered]:
        assert row.generated is not None
        if self.keep_system and row.conversation.system:
            return Filtered()
        return clean(row.conversation, row.generated.phrases, self.demonstrations)
        yield []  # makes this a generator, as the work of every stage; it has no requests

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
    """Filters the phrases of one row. Each phrase is either kept or removed; within a tag the
    order stays. `dropped` is `no_phrases` if nothing is kept. A pure function."""
    texts = rules.RowTexts(conversation, demonstrations)
    phrases = [Phrase(phrase.tag.strip().casefold(), phrase.text.strip()) for phrase in phrases]
    reasons: list[PhraseRule | RepeatedPhrase | None] = [
        rules.reason(rules.PhraseInRow(phrase, texts)) for phrase in phrases
    ]
    left = {i: ComparablePhrase(phrase) for i, phrase in enumerate(phrases) if reasons[i] is None}
    kept: list[ComparablePhrase] = []
    # The phrase to keep comes first, so each is compared only with those kept so far.
    for i in sorted(left, key=lambda i: left[i].rank):
        reasons[i] = _repeats(left[i], kept)
        if reasons[i] is None:
            kept.append(left[i])
    removed = [
        Removed(phrase.tag, phrase.text, reason)
        for phrase, reason in zip(phrases, reasons, strict=True)
        if reason is not None
    ]
    stays = [phrase for phrase, reason in zip(phrases, reasons, strict=True) if reason is None]
    return Filtered(in_order(stays), tuple(removed), None if stays else "no_phrases")


def _repeats(phrase: ComparablePhrase, kept: Sequence[ComparablePhrase]) -> RepeatedPhrase | None:
    if any(phrase.normalized == other.normalized for other in kept):
        return "duplicate"
    return "near_duplicate" if any(phrase.repeats(other) for other in kept) else None
