"""Phase 3: the model judges each phrase good, bad or none for its tag (SysGen, section 3.3).

Each phrase is one request whose label probabilities are read from the logits. The result has the
verdicts, and the system message: the good phrases in the filter's (canonical) order.

A model prefers one label for any input. To calibrate it, it is first asked content-free questions:
requests without content, and phrases that would suit any request. Its answers are subtracted from
its verdicts, by tag (Zhao et al., 2021, "Calibrate Before Use").
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
"""The share of the content-free log-odds of good that is subtracted. With all of it, phrases that
suit any request (as the content-free ones do) would be judged bad: see `benchmarks/README.md`."""


@dataclass(slots=True)
class Calibration:
    """The log-odds of good for content-free questions, by tag. Empty until they were asked."""

    log_odds: dict[str, float] = field(default_factory=dict)

    def read(self, fact: str) -> None:
        """Reads the value of `fact` from a recipe."""
        self.log_odds |= json.loads(fact)

    @property
    def fact(self) -> str:
        """The log-odds as JSON, for the recipe."""
        return json.dumps(self.log_odds)

    def applied(self, verdict: Verdict) -> Verdict:
        """The calibrated verdict. Its label is the one that is likeliest then."""
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
    """The stage. `min_p_good` is the minimum probability of a good phrase that is kept. With
    `keep_system`, a row's own system message is used and not judged."""

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
            # One request at a time: each reuses the KV cache of the slot with the row's requests.
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
        content_free = self.prompts.content_free
        return {
            "prompts": self.prompts.fingerprint(self.phase),
            "min_p_good": str(self.min_p_good),
            **({"existing_system": "keep"} if self.keep_system else {}),
            **(
                {"nothing": content_free.model_dump_json(), "share": str(SHARE)}
                if content_free
                else {}
            ),
        }

    def calibrate(self, engine: Engine, note: Callable[[str], None]) -> None:
        """Asks the content-free questions if the prompt set has them and there is no result yet.
        `note` is called with the result, for the recipe."""
        content_free = self.prompts.content_free
        if content_free is None or self.calibration.log_odds:
            return
        asked: dict[str, Tag] = {}
        requests = []
        for tag in TAGS:
            for phrase in content_free.phrases.get(tag, []):
                for request in content_free.requests:
                    name = f"nothing:{len(asked)}"
                    asked[name] = tag
                    turns = [{"instruction": request, "answer": ""}]
                    requests.append(self._request(name, turns, Phrase(tag, phrase)))
        found: dict[str, list[float]] = defaultdict(list)
        for completion in engine.complete(requests):
            if completion.probabilities is not None:
                found[asked[completion.id]].append(_log_odds(completion.probabilities["good"]))
        if sum(map(len, found.values())) < len(asked):
            return  # cancelled, or too long for a slot: the next run asks again
        # Rounded to the value in the recipe, because a resumed run reads it from there.
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
