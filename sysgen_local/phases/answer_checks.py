"""The checks of one new answer: those by rule, and the questions that remain for a model."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from sysgen_local.core.records import Check, Phrase, Row, Tag
from sysgen_local.engine.request import Message
from sysgen_local.phases.checks.code import code_faults
from sysgen_local.phases.checks.countable import Demand, demands
from sysgen_local.phases.checks.refusals import is_refusal
from sysgen_local.phases.checks.results import final_result, keeps_result
from sysgen_local.phases.checks.tools import claimed_tool_output
from sysgen_local.phases.checks.topics import asks_for_code, is_of_result
from sysgen_local.phases.turns import words_of
from sysgen_local.phases.words import normalized
from sysgen_local.prompts import PromptSet

PhraseDemands = tuple[tuple[Phrase, tuple[Demand, ...]], ...]
"""The phrases of a system message, each with its demands that a rule can test."""

CheckQuestion = tuple[str, str, tuple[Message, ...], str]
"""(kind of check, name of the prompt, its messages, the text to look for)."""

SHOWN: frozenset[Tag] = frozenset({"content", "task", "action", "style", "format"})
"""Tags whose phrases can be checked in an answer. A role, a fact about the user or an available
tool cannot."""

_NGRAM_WORDS = 5
"""Length of the word n-grams: two texts seldom share one by chance."""

_COMPARABLE_WORDS = 15
"""Minimum number of content words for comparing their shares."""

_MIN_RELATED = 0.15
"""Minimum share of content words in common with question and original. Of 158 answers of a real
model two had less, and both were about another subject; the next one had 0.16 and told another
story than the original."""

_MANY_OWN_WORDS = 12
"""If the original answer has this many content words that are not in the question, the new answer
must have at least one of them, ..."""

_MORE_THAN_YES = 4
"""Minimum number of content words of an answer that is more than yes or no."""

_MIN_KEPT = 0.1
"""... or this share of them, if it is not much shorter. Of 86 answers of a real model, the four
below it were all wrong ("Thank you for your input" in place of two recipes); a metaphor had
0.13."""


def phrases_of(row: Row) -> PhraseDemands:
    """The phrases of the system message for which the row was answered. A message that was not
    judged (the dataset's own, or a person's) is one phrase. Where the row asks for a program, a
    demand that may be about what the program returns is left out."""
    assert row.verified is not None
    system = row.verified.system or ""
    good = [Phrase(v.tag, v.text) for v in row.verified.verdicts if v.label == "good"]
    if " ".join(p.text for p in good) != system:
        good = [p for p in good if p.text in system] or [Phrase("task", system)]
    users = [turn.content for turn in row.conversation.turns if turn.role == "user"]
    code = asks_for_code([*users, *(p.text for p in good)])
    return tuple((p, _demands(p, code=code)) for p in good)


def _demands(phrase: Phrase, *, code: bool) -> tuple[Demand, ...]:
    if phrase.tag not in SHOWN:
        return ()
    found = demands(phrase.text)
    return tuple(of for of in found if not (code and is_of_result(of.kind, phrase.text)))


class AnswerChecks:
    """The checks of one turn: its instruction, its original answer, the system message's
    phrases."""

    VERSION = "6"
    """Part of the recipe. It is raised when a rule changes its decisions."""

    def __init__(
        self,
        turn: int,
        instruction: str,
        original: str,
        phrases: PhraseDemands,
        asked: frozenset[str] = frozenset(),
    ) -> None:
        """`asked` are the n-grams of the prompt, see `prompt_ngrams`."""
        self._turn = turn
        self._asked = asked
        self._instruction = instruction
        self._original = original
        self._phrases = phrases
        self._result = final_result(instruction, original)

    def by_rule(self, answer: str) -> list[Check]:
        """The results of all rules for a new answer."""
        checks = []
        if self._result is not None:
            kept = keeps_result(self._result, answer)
            checks.append(self._rule_check("result", self._result.text, kept, self._result.kind))
        elif is_refusal(answer) and not is_refusal(self._original):
            checks.append(self._rule_check("agrees", "", False, "it refuses"))
        elif is_contained_in(answer, self._original):
            checks.append(self._rule_check("agrees", "", True, "it stands in the original"))
        elif self._is_unrelated(answer):
            checks.append(self._rule_check("agrees", "", False, "it is about something else"))
        if "```" in answer:
            faults = [] if code_faults(self._original) else code_faults(answer)
            checks.append(
                self._rule_check("code", "code that parses", not faults, "; ".join(faults))
            )
        if repeats_system_message(answer, self._phrases):
            checks.append(
                self._rule_check("echo", "an answer", False, "it repeats the system message")
            )
        if self._asked and not self._asked.isdisjoint(_ngrams(answer)):
            checks.append(self._rule_check("echo", "an answer", False, "it repeats the prompt"))
        original = normalized(self._original)
        if claims := [c for c in claimed_tool_output(answer) if normalized(c) not in original]:
            checks.append(self._rule_check("tool_claim", claims[0], False, "no tool was called"))
        for phrase, asked in self._phrases:
            for demand in asked:
                met = demand.met(answer, self._instruction)
                checks.append(self._rule_check("phrase", phrase.text, met, demand.text))
        return checks

    def questions(self, prompts: PromptSet, answer: str) -> Iterator[CheckQuestion]:
        """The questions that rules cannot decide, if the prompt set has a file for them."""
        decided = self._result is not None or is_contained_in(answer, self._original)
        if prompts.has("agree") and not decided:
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

    def _is_unrelated(self, answer: str) -> bool:
        """Whether the answer has almost no content word in common with the original answer and the
        question. Always False if a phrase asks for another language."""
        if any(demand.kind == "language" for _, asked in self._phrases for demand in asked):
            return False
        new, old = words_of(answer), words_of(self._original)
        own = old - words_of(self._instruction)
        if len(own) >= _MANY_OWN_WORDS and len(new) >= _MORE_THAN_YES:
            kept = len(new & own)
            if not kept or (kept < _MIN_KEPT * len(own) and 2 * len(new) >= len(old)):
                return True
        if min(len(new), len(old)) < _COMPARABLE_WORDS:
            return False
        there = len(new & (old | words_of(self._instruction))) / len(new)
        return max(there, len(new & old) / len(old)) < _MIN_RELATED

    def _rule_check(self, kind: str, text: str, holds: bool, detail: str) -> Check:
        return Check(self._turn, kind, text, "rule", float(holds), detail)


def repeats_system_message(answer: str, phrases: PhraseDemands) -> bool:
    """Whether at least four fifths of the answer repeat phrases of the system message."""
    left = f" {normalized(answer)} "
    for phrase, _ in phrases:
        left = left.replace(f" {normalized(phrase.text)} ", "  ")
    return len(left.split()) * 5 < len(normalized(answer).split())


def is_contained_in(answer: str, original: str) -> bool:
    """Whether the answer is contained in the original: nine of ten of its words are in a shared
    n-gram of five words, and so is every word with a digit."""
    words, there = normalized(answer).split(), _ngrams(original)
    if len(words) < _NGRAM_WORDS:
        return words == normalized(original).split()
    left = set(range(len(words)))
    for i in range(len(words) - _NGRAM_WORDS + 1):
        if " ".join(words[i : i + _NGRAM_WORDS]) in there:
            left -= set(range(i, i + _NGRAM_WORDS))
    figures = any(char.isdigit() for i in left for char in words[i])
    return not figures and len(left) * 10 <= len(words)


@cache
def prompt_ngrams(prompts: PromptSet) -> frozenset[str]:
    """All word n-grams in the set's own text of the prompt `rewrite`. An answer that contains one
    repeats its prompt."""
    if not prompts.has("rewrite"):
        return frozenset()
    asked = prompts.messages("rewrite", system="", instruction="", answer="")
    pieces = [piece.text for message in asked for piece in message.content if piece.trusted]
    return frozenset(ngram for piece in pieces for ngram in _ngrams(piece))


def _ngrams(text: str) -> set[str]:
    words = normalized(text).split()
    return {" ".join(words[i : i + _NGRAM_WORDS]) for i in range(len(words) - _NGRAM_WORDS + 1)}


def has_exact_result(instruction: str, answer: str) -> bool:
    """Whether an answer contains code, or a final result that another answer must keep."""
    return "```" in answer or final_result(instruction, answer) is not None
