"""What can be looked at in a new answer: by rule, and what is left to ask a model."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from sysgen_local.core.records import Check, Phrase, Row, Tag
from sysgen_local.engine.request import Message
from sysgen_local.phases.checks.code import code_faults
from sysgen_local.phases.checks.countable import Demand, demands
from sysgen_local.phases.checks.results import final_result, keeps_result
from sysgen_local.phases.checks.tools import claimed_tool_output
from sysgen_local.phases.turns import words_of
from sysgen_local.phases.words import normalized
from sysgen_local.prompts import PromptSet

Phrases = tuple[tuple[Phrase, tuple[Demand, ...]], ...]
"""The phrases of a system message, each with what a rule can tell of it."""

Question = tuple[str, str, tuple[Message, ...], str]
"""Kind of check, name of the prompt, the prompt, and what is looked for."""

SHOWN: frozenset[Tag] = frozenset({"content", "task", "action", "style", "format"})
"""Tags whose phrases ask for something that an answer shows. A role, what is known of the user, or
a tool at hand asks for nothing."""


_RUN = 5
"""Words in a row that two texts hardly share by chance."""


_ENOUGH = 15
"""Content words from which on a share of them tells something."""

_UNRELATED = 0.15
"""Of 158 answers of a real model two had less in common with question and original, and both were
about something else; the next had 0.16, and told another story than the original."""


_OWN = 12
"""Content words that an original answer has beside the question's, from which on a new answer
keeps one of them, ..."""

_SAYING = 4
"""Content words of an answer that says more than yes or no."""

_LEFT = 0.1
"""... or so many, where it is not much shorter. Of 86 answers of a real model, the four below were
all wrong ("Thank you for your input" in place of two recipes); a metaphor had 0.13."""


def phrases_of(row: Row) -> Phrases:
    """The phrases of the system message that the row was answered under. One that no judge has
    seen (the dataset's own, or a person's) is taken whole."""
    assert row.verified is not None
    system = row.verified.system or ""
    good = [Phrase(v.tag, v.text) for v in row.verified.verdicts if v.label == "good"]
    if " ".join(p.text for p in good) != system:
        good = [p for p in good if p.text in system] or [Phrase("task", system)]
    return tuple((p, demands(p.text) if p.tag in SHOWN else ()) for p in good)


class AnswerChecks:
    """For one turn: its instruction, its original answer, and the system message's phrases."""

    VERSION = "4"
    """Part of the recipe: raised whenever a rule decides otherwise than before."""

    def __init__(
        self,
        turn: int,
        instruction: str,
        original: str,
        phrases: Phrases,
        asked: frozenset[str] = frozenset(),
    ) -> None:
        """`asked`: see `prompt_ngrams`."""
        self._turn = turn
        self._asked = asked
        self._instruction = instruction
        self._original = original
        self._phrases = phrases
        self._result = final_result(instruction, original)

    def by_rule(self, answer: str) -> list[Check]:
        """What rules say of a new answer."""
        checks = []
        if self._result is not None:
            kept = keeps_result(self._result, answer)
            checks.append(self._ruled("result", self._result.text, kept, self._result.kind))
        elif is_contained_in(answer, self._original):
            checks.append(self._ruled("agrees", "", True, "it stands in the original"))
        elif self._is_of_another_matter(answer):
            checks.append(self._ruled("agrees", "", False, "it is about something else"))
        if "```" in answer:
            faults = [] if code_faults(self._original) else code_faults(answer)
            checks.append(self._ruled("code", "code that parses", not faults, "; ".join(faults)))
        if repeats_system_message(answer, self._phrases):
            checks.append(self._ruled("echo", "an answer", False, "it repeats the system message"))
        if self._asked and not self._asked.isdisjoint(_runs(answer)):
            checks.append(self._ruled("echo", "an answer", False, "it repeats the prompt"))
        said = normalized(self._original)
        if claims := [c for c in claimed_tool_output(answer) if normalized(c) not in said]:
            checks.append(self._ruled("tool_claim", claims[0], False, "no tool was called"))
        for phrase, asked in self._phrases:
            for demand in asked:
                met = demand.met(answer, self._instruction)
                checks.append(self._ruled("phrase", phrase.text, met, demand.text))
        return checks

    def questions(self, prompts: PromptSet, answer: str) -> Iterator[Question]:
        """What is left to ask the model, as far as the prompt set can."""
        told = self._result is not None or is_contained_in(answer, self._original)
        if prompts.has("agree") and not told:
            messages = prompts.messages(
                "agree", instruction=self._instruction, answer=self._original, new=answer
            )
            yield "agrees", "agree", messages, ""
        if not prompts.has("follow"):
            return
        for phrase, asked in self._phrases:
            if not asked and phrase.tag in SHOWN:
                messages = prompts.messages(
                    "follow", instruction=self._instruction, answer=answer, phrase=phrase.text
                )
                yield "follows", "follow", messages, phrase.text

    def _is_of_another_matter(self, answer: str) -> bool:
        """Whether next to no content word of either answer has to do with the other, nor with the
        question. Not told where another language was asked for."""
        if any(demand.kind == "language" for _, asked in self._phrases for demand in asked):
            return False
        new, old = words_of(answer), words_of(self._original)
        own = old - words_of(self._instruction)
        if len(own) >= _OWN and len(new) >= _SAYING:
            kept = len(new & own)
            if not kept or (kept < _LEFT * len(own) and 2 * len(new) >= len(old)):
                return True
        if min(len(new), len(old)) < _ENOUGH:
            return False
        there = len(new & (old | words_of(self._instruction))) / len(new)
        return max(there, len(new & old) / len(old)) < _UNRELATED

    def _ruled(self, kind: str, text: str, holds: bool, detail: str) -> Check:
        return Check(self._turn, kind, text, "rule", float(holds), detail)


def repeats_system_message(answer: str, phrases: Phrases) -> bool:
    """Whether an answer is nothing but what its system message says."""
    left = f" {normalized(answer)} "
    for phrase, _ in phrases:
        left = left.replace(f" {normalized(phrase.text)} ", "  ")
    return len(left.split()) * 5 < len(normalized(answer).split())


def is_contained_in(answer: str, original: str) -> bool:
    """Whether the answer says nothing but what the original does: nine of ten of its words stand
    there with four neighbours, and every figure does."""
    words, there = normalized(answer).split(), _runs(original)
    if len(words) < _RUN:
        return words == normalized(original).split()
    left = set(range(len(words)))
    for i in range(len(words) - _RUN + 1):
        if " ".join(words[i : i + _RUN]) in there:
            left -= set(range(i, i + _RUN))
    figures = any(char.isdigit() for i in left for char in words[i])
    return not figures and len(left) * 10 <= len(words)


@cache
def prompt_ngrams(prompts: PromptSet) -> frozenset[str]:
    """Every run of words with which the set asks to write an answer with the original in
    view. Nobody else ever says them: an answer in which they stand repeats its prompt."""
    if not prompts.has("rewrite"):
        return frozenset()
    asked = prompts.messages("rewrite", system="", instruction="", answer="")
    pieces = [piece.text for message in asked for piece in message.content if piece.trusted]
    return frozenset(run for piece in pieces for run in _runs(piece))


def _runs(text: str) -> set[str]:
    words = normalized(text).split()
    return {" ".join(words[i : i + _RUN]) for i in range(len(words) - _RUN + 1)}


def has_exact_result(instruction: str, answer: str) -> bool:
    """Whether an answer has a final result that another answer must keep, or code."""
    return "```" in answer or final_result(instruction, answer) is not None
