"""Phase 5: a new answer must keep what the original had right, and do as it was told.

Row -> for every turn written anew: rules, then questions to the model -> that answer, or up to
`tries` answers of which the best stays. A rule decides wherever one can; the model is asked the
rest, and its word is read off the logits. Where no answer passes, the row is dropped as
`disagrees` or `disobeys`.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from sysgen_local.core.records import Attempt, Check, Checked, Phase, Row, Turn
from sysgen_local.engine.request import Choice, Completion, Request
from sysgen_local.phases.answer_checks import AnswerChecks, Phrases, phrases_of, prompt_ngrams
from sysgen_local.phases.reasons import CHECK_FAULTS, CandidateFault, CheckFault
from sysgen_local.phases.respond import Respond
from sysgen_local.prompts import PromptSet
from sysgen_local.running.stage import STAGE_FAILED, Work, cost_of, unanswered

OBEDIENCE_KINDS = ("phrase", "follows", "echo")
"""Kinds of check that tell whether an answer does as it was told."""

_YES_NO = Choice(("yes", "no"))
_PARTS = 1000
"""Requests of one turn and phase are told apart by numbers below this."""


@dataclass(slots=True)
class _Candidate:
    """An answer and what was seen of it. `fault`: why it cannot be taken; `why`: what went wrong
    where a request had no answer."""

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
        """The larger, the better: what passes, then what is an answer at all."""
        agrees = 1.0 if self.agrees is None else self.agrees
        obeys = 1.0 if self.obeys is None else self.obeys
        return self.fault is None, self.fault in (None, *CHECK_FAULTS), agrees * obeys


@dataclass(frozen=True, slots=True)
class CheckAnswers:
    """`respond`: how a row is answered again. `min_agrees` and `min_follows`: the probabilities
    from which on the model's word counts as yes. `by_model`: whether the model is asked at all."""

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
        phrases: Phrases,
        spent: list[Completion],
    ) -> Generator[Sequence[Request], Sequence[Completion], list[_Candidate]]:
        """Answers to the turns `before` until one passes, `tries` at most. `first` is the one that
        phase 4 wrote, None where it was written after other answers than stand there now."""
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
                yield from self._look(row, number, attempt, candidate, answer_checks, spent)
            if candidate.fault is None:
                break
        return candidates

    def _look(
        self,
        row: Row,
        number: int,
        attempt: int,
        candidate: _Candidate,
        answer_checks: AnswerChecks,
        spent: list[Completion],
    ) -> Generator[Sequence[Request], Sequence[Completion], None]:
        """Notes what the rules and, unless they refuse the answer, the model say of it."""
        checks = candidate.checks = answer_checks.by_rule(candidate.content)
        candidate.fault = _fault(checks, 0.5, 0.5)
        if candidate.fault is not None or not self.by_model:
            return
        questions = answer_checks.questions(self.prompts, candidate.content)
        for at, (kind, name, messages, text) in enumerate(questions):
            part = (number * _PARTS + attempt) * _PARTS + at
            # One by one: each goes on in the slot that still holds the two answers.
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
                # Nothing is known of the answer: the row can be asked again.
                candidate.fault, candidate.why = STAGE_FAILED, completion.text
                return
            if completion.probabilities is None:
                continue  # too long for a slot: the model cannot say
            p = completion.probabilities["yes"]
            checks.append(Check(number + 1, kind, text, "model", p, ""))
            candidate.fault = _fault(checks, self.min_agrees, self.min_follows)
            if candidate.fault is not None:
                return


def _next_shown(last: _Candidate) -> bool:
    """Whether the next answer is written with the original in view: that keeps an answer from
    disagreeing. Whatever else was wrong may come right the other way."""
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
