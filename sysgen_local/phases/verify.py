"""Phase 3: every phrase is judged good, bad or none against its tag (section 3.3).

Row -> one choice per phrase, its probabilities read off the logits -> verdicts, and the system
message composed of the good phrases. Their order is the filter's: the canonical one.

A model leans towards one label whatever it is shown. So it is first asked about nothing at all:
requests without content, and phrases that would suit any request. What it answers there is taken
off its verdicts, by tag (Zhao et al., 2021, "Calibrate Before Use").
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from sysgen_local.core.records import (
    LABELS,
    TAGS,
    Label,
    Phase,
    Phrase,
    Row,
    Tag,
    Verdict,
    Verified,
)
from sysgen_local.engine.request import Choice, Completion, Engine, Request
from sysgen_local.phases.generate import exchanges
from sysgen_local.prompts import PromptSet
from sysgen_local.running.stage import STAGE_FAILED, Work, cost_of, unanswered

_CHOICE = Choice(LABELS)

SHARE = 0.6
"""So much of the log-odds of good for nothing is taken off. With all of it the phrases that suit
any request, which content-free ones are, would be judged bad: see `benchmarks/README.md`."""


@dataclass(slots=True)
class Calibration:
    """Log-odds of good for nothing, by tag; empty until asked for."""

    log_odds: dict[str, float] = field(default_factory=dict)

    def read(self, fact: str) -> None:
        """Takes what `fact` gave, from a recipe."""
        self.log_odds |= json.loads(fact)

    @property
    def fact(self) -> str:
        return json.dumps(self.log_odds)

    def applied(self, verdict: Verdict) -> Verdict:
        """The verdict without what the model says to nothing; its label is the likeliest then."""
        offset = SHARE * self.log_odds.get(verdict.tag, 0.0)
        if not offset:
            return verdict
        good = 1 / (1 + math.exp(offset - _log_odds(verdict.good)))
        others = verdict.bad + verdict.none
        bad = (1 - good) * (verdict.bad / others if others else 0.5)
        none = 1 - good - bad
        label: Label = "good" if good >= 0.5 else "bad" if bad >= none else "none"
        return verdict._replace(label=label, good=good, bad=bad, none=none)


@dataclass(frozen=True, slots=True)
class Verify:
    """`min_p_good`: a good phrase stays only with at least this probability. `keep_system`: a
    system message that a row comes with is taken as it is, not judged."""

    prompts: PromptSet
    min_p_good: float = 0.0
    keep_system: bool = False
    calibration: Calibration = field(default_factory=Calibration)
    phase: Phase = "verify"

    def work(self, row: Row) -> Work[Verified]:
        assert row.filtered is not None
        if self.keep_system and row.conversation.system:
            return Verified(system=row.conversation.system)
        phrases = row.filtered.phrases
        turns = exchanges(row.conversation)
        completions: list[Completion] = []
        for i, phrase in enumerate(phrases):
            # One by one: each goes on in the slot that still holds the row's requests.
            [completion] = yield [self._request(f"{row.row}:{self.phase}:{i}", turns, phrase)]
            completions.append(completion)
            if ended := unanswered(completion):
                return Verified(dropped=ended[0], cost=cost_of(completions), why=ended[1])
        cost = cost_of(completions)
        verdicts = tuple(
            self.calibration.applied(_verdict(p, c))
            for p, c in zip(phrases, completions, strict=True)
        )
        kept = [v.text for v in verdicts if v.label == "good" and v.good >= self.min_p_good]
        if not kept:
            return Verified(verdicts, dropped="no_good_phrases", cost=cost)
        return Verified(verdicts, system=" ".join(kept), cost=cost)

    def failed(self, why: str) -> Verified:
        return Verified(dropped=STAGE_FAILED, why=why)

    def facts(self) -> dict[str, str]:
        nothing = self.prompts.content_free
        return {
            "prompts": self.prompts.fingerprint(self.phase),
            "min_p_good": str(self.min_p_good),
            **({"existing_system": "keep"} if self.keep_system else {}),
            **({"nothing": nothing.model_dump_json(), "share": str(SHARE)} if nothing else {}),
        }

    def calibrate(self, engine: Engine, note: Callable[[str], None]) -> None:
        """Asks the model about nothing, where the prompt set says how and it was not asked before;
        `note` takes the outcome, for the recipe."""
        nothing = self.prompts.content_free
        if nothing is None or self.calibration.log_odds:
            return
        asked: dict[str, Tag] = {}
        requests = []
        for tag in TAGS:
            for phrase in nothing.phrases.get(tag, []):
                for request in nothing.requests:
                    name = f"nothing:{len(asked)}"
                    asked[name] = tag
                    turns = [{"instruction": request, "answer": ""}]
                    requests.append(self._request(name, turns, Phrase(tag, phrase)))
        found: dict[str, list[float]] = defaultdict(list)
        for completion in engine.complete(requests):
            if completion.probabilities is not None:
                found[asked[completion.id]].append(_log_odds(completion.probabilities["good"]))
        if sum(map(len, found.values())) < len(asked):
            return  # cancelled, or too long for a slot: asked again by the next run
        # Rounded, so that what the recipe holds is what was used: a resumed run reads it there.
        self.calibration.log_odds |= {tag: round(sum(of) / len(of), 2) for tag, of in found.items()}
        note(self.calibration.fact)

    def _request(self, name: str, turns: list[dict[str, str]], phrase: Phrase) -> Request:
        return Request(
            id=name,
            group=self.phase,
            messages=self.prompts.messages(
                self.phase,
                instruction=turns[0]["instruction"],
                turns=turns,
                phrase=phrase.text,
                tag=phrase.tag,
            ),
            constraint=_CHOICE,
            max_tokens=1,
        )


def _log_odds(p: float) -> float:
    p = min(max(p, 1e-6), 1 - 1e-6)
    return math.log(p / (1 - p))


def _verdict(phrase: Phrase, completion: Completion) -> Verdict:
    p = completion.probabilities
    assert p is not None
    label = max(LABELS, key=p.__getitem__)
    return Verdict(phrase.tag, phrase.text, label, p["good"], p["bad"], p["none"])
