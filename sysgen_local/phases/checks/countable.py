"""What a phrase of a system message demands that can be counted or tested by a rule.

A phrase is read clause by clause against one table of patterns. What is conditional, optional,
said of a part of the answer, or not said to the assistant makes no demand: a demand that nobody
made would throw good rows away.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from sysgen_local.phases.checks.clauses import ADDS, PART, SEQUENCE, Clause, clauses
from sysgen_local.phases.checks.rules import Rule, any_of
from sysgen_local.phases.checks.table import TABLE


@dataclass(frozen=True, slots=True)
class Demand:
    """One demand: its kind, what was understood in plain words, and the rule that tests it."""

    kind: str
    text: str
    rule: Rule = field(repr=False, compare=False)

    def met(self, answer: str, question: str = "") -> bool:
        """Whether the answer does it. An empty answer does nothing."""
        return bool(answer.strip()) and self.rule(answer, question)


def demands(phrase: str) -> tuple[Demand, ...]:
    """The demands of a phrase that a rule can test; () where there is none, or none for sure."""
    return _demands(phrase) if len(phrase) <= 1000 else ()


@lru_cache(maxsize=4096)
def _demands(phrase: str) -> tuple[Demand, ...]:
    found: dict[tuple[str, str], Demand] = {}
    for clause in clauses(phrase):
        for demand in _of_clause(clause):
            found.setdefault((demand.kind, demand.text), demand)
    return tuple(found.values())


def _of_clause(clause: Clause) -> list[Demand]:
    text = clause.text
    if (
        not clause.negative
        and (sides := re.split(r"\s+(?:or|oder|ou)\s+", text))
        and len(sides) > 1
    ):
        whole = _read(clause)
        if (
            all(re.search(r"\bor\b", span, re.IGNORECASE) or len(sides) < 2 for _, span in whole)
            and whole
        ):
            return [demand for demand, _ in whole]  # a row that knows of its "or"
        each = [_read(clause._replace(text=side)) for side in sides]
        if all(len(found) == 1 for found in each):
            either = [found[0][0] for found in each]
            names = " or ".join(dict.fromkeys(demand.text for demand in either))
            return [Demand(either[0].kind, names, any_of(*(demand.rule for demand in either)))]
        return []
    return [demand for demand, _ in _read(clause)]


def _read(clause: Clause) -> list[tuple[Demand, str]]:
    """The demands of a clause with the words they were read from; no word is read twice."""
    found, text = [], clause.text
    for row in TABLE:
        if row.negative != clause.negative or (row.whole and _speaks_of_part(clause)):
            continue
        match = row.regex.search(text)
        understood = match and row.read(match, clause)
        if match and understood:
            found.append((Demand(row.kind, understood[0], understood[1]), match[0]))
            if row.negative:
                continue  # "no lists or tables" is read by two rows
            text = text[: match.start()] + " ¦ " + text[match.end() :]
    return found


def _speaks_of_part(clause: Clause) -> bool:
    around = ADDS.search(clause.sentence) or SEQUENCE.search(clause.sentence)
    return bool(around or PART.search(clause.text))
