"""Phase 3: every phrase is judged good, bad or none against its tag (section 3.3).

Row -> one choice per phrase, its probabilities read off the logits -> verdicts, and the system
message composed of the good phrases. Their order is the filter's: the canonical one.
"""

from __future__ import annotations

from dataclasses import dataclass

from sysgen_local.engine.request import Choice, Completion, Request
from sysgen_local.prompts import PromptSet
from sysgen_local.records import LABELS, Phase, Phrase, Row, Verdict, Verified
from sysgen_local.stage import Work, cost_of

_CHOICE = Choice(LABELS)


@dataclass(frozen=True, slots=True)
class Verify:
    """`min_p_good`: a good phrase stays only with at least this probability. `keep_system`: a
    system message that a row comes with is taken as it is, not judged."""

    prompts: PromptSet
    min_p_good: float = 0.0
    keep_system: bool = False
    phase: Phase = "verify"

    def work(self, row: Row) -> Work:
        assert row.filtered is not None
        if self.keep_system and row.conversation.system:
            return Verified(system=row.conversation.system)
        phrases = row.filtered.phrases
        completions: list[Completion] = []
        for i, phrase in enumerate(phrases):
            # One by one: each goes on in the slot that still holds the row's instruction.
            [completion] = yield [self._request(row, i, phrase)]
            completions.append(completion)
            if completion.finish in ("too_long", "refused"):
                return Verified(dropped=completion.finish, cost=cost_of(completions))
        cost = cost_of(completions)
        verdicts = tuple(_verdict(p, c) for p, c in zip(phrases, completions, strict=True))
        kept = [v.text for v in verdicts if v.label == "good" and v.good >= self.min_p_good]
        if not kept:
            return Verified(verdicts, dropped="no_good_phrases", cost=cost)
        return Verified(verdicts, system=" ".join(kept), cost=cost)

    def facts(self) -> dict[str, str]:
        return {
            "prompts": self.prompts.fingerprint(self.phase),
            "min_p_good": str(self.min_p_good),
            **({"existing_system": "keep"} if self.keep_system else {}),
        }

    def _request(self, row: Row, index: int, phrase: Phrase) -> Request:
        return Request(
            id=f"{row.row}:{self.phase}:{index}",
            group=self.phase,
            messages=self.prompts.messages(
                self.phase,
                instruction=row.conversation.turns[0].content,
                phrase=phrase.text,
                tag=phrase.tag,
            ),
            constraint=_CHOICE,
            max_tokens=1,
        )


def _verdict(phrase: Phrase, completion: Completion) -> Verdict:
    p = completion.probabilities
    assert p is not None
    label = max(LABELS, key=p.__getitem__)
    return Verdict(phrase.tag, phrase.text, label, p["good"], p["bad"], p["none"])
