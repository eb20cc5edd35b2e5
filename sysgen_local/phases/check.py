"""Phase 5: checks that a new answer agrees with the original and follows the system message.

For every turn with a new answer: rules first, then questions to the model. If the answer fails, it
is written again, up to `tries` answers in total, and the best one is kept. A rule decides where it
can; the model decides the rest, and its verdict is read from the logits. If no answer passes, the
row is dropped with the reason `disagrees` or `disobeys`.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from sysgen_local.core.records import Attempt, Check, Checked, Phase, Row, Turn
from sysgen_local.engine.request import Choice, Completion, Request
from sysgen_local.phases.answer_checks import AnswerChecks, PhraseDemands, phrases_of, prompt_ngrams
from sysgen_local.phases.reasons import CHECK_FAULTS, CandidateFault, CheckFault
from sysgen_local.phases.respond import Respond
from sysgen_local.prompts import PromptSet
from sysgen_local.running.stage import STAGE_FAILED, Work, cost_of, unanswered

OBEDIENCE_KINDS = ("phrase", "follows", "echo")
"""Kinds of check about following the system message. All other kinds are about agreement."""

_YES_NO = Choice(("yes", "no"))
_PARTS = 1000
"""Each turn has this many request numbers, so that the requests of a phase have different ids."""


@dataclass(slots=True)
class _Candidate:
    """An answer and the results of its checks. `fault` is the reason if it is not accepted; `why`
    says what went wrong if a request had no answer."""

    content: str
    shown: bool
    checks: list[Check] = field(default_factory=list)
    fault: CandidateFault | None = None
    why: str | None = None

    @property
    def agrees(self) -> float | None:
        """The least probability among checks against the original answer."""
        found = [c.p for c in self.checks if c.kind not in OBEDIENCE_KINDS]
        return min(found, default=None)

    @property
    def obeys(self) -> float | None:
        """The mean probability that a phrase is followed."""
        found = [c.p for c in self.checks if c.kind in OBEDIENCE_KINDS]
        return sum(found) / len(found) if found else None

    @property
    def rank(self) -> tuple[bool, bool, float]:
        """Sorts candidates, the best last: first by passing, then by being usable as an answer."""
        agrees = 1.0 if self.agrees is None else self.agrees
        obeys = 1.0 if self.obeys is None else self.obeys
        return self.fault is None, self.fault in (None, *CHECK_FAULTS), agrees * obeys


@dataclass(frozen=True, slots=True)
class CheckAnswers:
    """The stage. `respond` writes further answers. `min_agrees` and `min_follows` are the minimum
    probabilities of yes. Without `by_model` only the rules check an answer."""

    prompts: PromptSet
    respond: Respond
    tries: int = 3
    min_agrees: float = 0.4
    min_follows: float = 0.4
    by_model: bool = True
    phase: Phase = "check"

    def work(self, row: Row) -> Work[Checked]:
        assert row.responded is not None
        phrases = phrases_of(row)
        spent: list[Completion] = []
        turns: list[Turn] = []
        taken: list[_Candidate] = []
        attempts: list[Attempt] = []
        most = 1
        replaced = False
        for i, original in enumerate(row.conversation.turns):
            anew = original.role == "assistant" and (self.respond.turns == "all" or not taken)
            if not anew:
                turns.append(original)
                continue
            first = None if replaced else row.responded.turns[i].content
            candidates = yield from self._candidates(row, turns, len(taken), first, phrases, spent)
            best = max(candidates, key=lambda c: c.rank)
            most = max(most, len(candidates))
            taken.append(best)
            attempts += [
                Attempt(len(taken), c.content, c.shown, c.agrees, c.obeys, c.fault or "")
                for c in candidates
                if c is not best
            ]
            replaced = replaced or best.content != first
            turns.append(Turn("assistant", best.content))
            if best.fault:
                break
        return _checked(turns if replaced else [], taken, attempts, most, spent)

    def failed(self, why: str) -> Checked:
        return Checked(dropped=STAGE_FAILED, why=why)

    def facts(self) -> dict[str, str]:
        again = self.respond.facts()
        return {
            **{
                f"again_{name}": value
                for name, value in again.items()
                if name not in ("prompts", "rewrite")
            },
            "respond": again["prompts"],
            "rewrite": self.prompts.fingerprint("rewrite"),
            "agree": self.prompts.fingerprint("agree"),
            "follow": self.prompts.fingerprint("follow"),
            "tries": str(self.tries),
            "min_agrees": str(self.min_agrees),
            "min_follows": str(self.min_follows),
            "by_model": str(self.by_model),
            "rules": AnswerChecks.VERSION,
        }

    def _candidates(
        self,
        row: Row,
        before: Sequence[Turn],
        number: int,
        first: str | None,
        phrases: PhraseDemands,
        spent: list[Completion],
    ) -> Generator[Sequence[Request], Sequence[Completion], list[_Candidate]]:
        """Answers to the turns `before` until one passes, at most `tries`. `first` is the answer of
        phase 4; None if an earlier answer of the row has changed since then."""
        original = row.conversation.turns[len(before)]
        asked = prompt_ngrams(self.prompts)
        answer_checks = AnswerChecks(
            number + 1, before[-1].content, original.content, phrases, asked
        )
        usual = self.respond.shows(original, before)
        can_show = self.prompts.has("rewrite") and before[-1].role == "user"
        candidates: list[_Candidate] = []
        for attempt in range(self.tries):
            shown = can_show and _next_shown(candidates[-1]) if candidates else usual
            candidate = _Candidate(first or "", shown)
            if attempt or first is None:
                part = number * _PARTS + attempt
                request = self.respond.request(
                    row, before, part, shown=candidate.shown, phase=self.phase, anew=attempt > 0
                )
                [completion] = yield [request]
                spent.append(completion)
                candidate.content, candidate.fault = self.respond.read(completion)
                candidate.why = completion.text if unanswered(completion) else None
            candidates.append(candidate)
            if candidate.fault is None:
                yield from self._check(row, number, attempt, candidate, answer_checks, spent)
            if candidate.fault is None:
                break
        return candidates

    def _check(
        self,
        row: Row,
        number: int,
        attempt: int,
        candidate: _Candidate,
        answer_checks: AnswerChecks,
        spent: list[Completion],
    ) -> Generator[Sequence[Request], Sequence[Completion], None]:
        """Runs the rules and, if the answer passes them, the questions to the model."""
        checks = candidate.checks = answer_checks.by_rule(candidate.content)
        candidate.fault = _fault(checks, 0.5, 0.5)
        if candidate.fault is not None or not self.by_model:
            return
        questions = answer_checks.questions(self.prompts, candidate.content)
        for at, (kind, name, messages, text) in enumerate(questions):
            part = (number * _PARTS + attempt) * _PARTS + at
            # One request at a time: each reuses the KV cache of the slot with the two answers.
            [completion] = yield [
                Request(
                    id=f"{row.row}:{name}:{part}",
                    group=name,
                    messages=messages,
                    constraint=_YES_NO,
                    max_tokens=1,
                )
            ]
            spent.append(completion)
            if completion.finish == "refused" or completion.finish == "failed":
                # The answer could not be checked. The row can be tried again.
                candidate.fault, candidate.why = STAGE_FAILED, completion.text
                return
            if completion.probabilities is None:
                continue  # too long for a slot: the model cannot judge it
            p = completion.probabilities["yes"]
            checks.append(Check(number + 1, kind, text, "model", p, ""))
            candidate.fault = _fault(checks, self.min_agrees, self.min_follows)
            if candidate.fault is not None:
                return


def _next_shown(last: _Candidate) -> bool:
    """Whether the prompt of the next answer shows the original answer. That helps after a
    disagreement; after another fault the other kind of prompt is tried."""
    return last.fault == "disagrees" or not last.shown


def _fault(checks: Sequence[Check], min_agrees: float, min_follows: float) -> CheckFault | None:
    for check in checks:
        if check.kind == "follows":
            if check.p < min_follows:
                return "disobeys"
        elif check.kind in OBEDIENCE_KINDS:
            if check.p < 0.5:
                return "disobeys"
        elif check.p < (min_agrees if check.kind == "agrees" else 0.5):
            return "disagrees"
    return None


def _checked(
    turns: Sequence[Turn],
    taken: Sequence[_Candidate],
    attempts: Sequence[Attempt],
    tries: int,
    spent: Sequence[Completion],
) -> Checked:
    agrees = [c.agrees for c in taken if c.agrees is not None]
    obeys = [c.obeys for c in taken if c.obeys is not None]
    faults = [c.fault for c in taken if c.fault]
    return Checked(
        turns=tuple(turns),
        checks=tuple(check for c in taken for check in c.checks),
        attempts=tuple(attempts),
        agrees="disagrees" not in faults if agrees else None,
        obeys=min(obeys, default=None),
        tries=tries,
        dropped=faults[0] if faults else None,
        cost=cost_of(spent),
        why=next((c.why for c in taken if c.fault and c.why), None),
    )
