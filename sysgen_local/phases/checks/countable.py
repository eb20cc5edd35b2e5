"""Reads the demands of a phrase that a rule can test, such as a number of words.

Each clause of the phrase is compared with one table of patterns. A clause that is conditional,
optional, about a part of the answer, or not addressed to the assistant gives no demand: a demand
that the phrase does not make would remove good rows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from sysgen_local.phases.checks.clauses import ADDS, PART, SEQUENCE, Clause, clauses
from sysgen_local.phases.checks.rules import Rule, any_of
from sysgen_local.phases.checks.table import TABLE
from sysgen_local.phases.checks.topics import is_topic

DEMAND_KINDS = frozenset(row.kind for row in TABLE)
"""All kinds of demand."""


@dataclass(frozen=True, slots=True)
class Demand:
    """One demand: its kind, its meaning in plain words, and the rule that tests it."""

    kind: str
    text: str
    rule: Rule = field(repr=False, compare=False)

    def met(self, answer: str, question: str = "") -> bool:
        """Whether the answer meets the demand. An empty answer meets none."""
        return bool(answer.strip()) and self.rule(answer, question)


def demands(phrase: str) -> tuple[Demand, ...]:
    """The demands of a phrase that a rule can test; () if there is none, or none is certain."""
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
            return [demand for demand, _ in whole]  # a row that reads "or" itself
        each = [_read(clause._replace(text=side)) for side in sides]
        if all(len(found) == 1 for found in each):
            either = [found[0][0] for found in each]
            names = " or ".join(dict.fromkeys(demand.text for demand in either))
            return [Demand(either[0].kind, names, any_of(*(demand.rule for demand in either)))]
        return []
    return [demand for demand, _ in _read(clause)]


def _read(clause: Clause) -> list[tuple[Demand, str]]:
    """The demands of a clause, each with the words that it was read from. No word is read twice."""
    found, text = [], clause.text
    for row in TABLE:
        if row.negative != clause.negative or (row.whole and _speaks_of_part(clause)):
            continue
        match = row.regex.search(text)
        understood = match and row.read(match, clause)
        if match and understood and not is_topic(row.kind, understood[0], match, clause):
            found.append((Demand(row.kind, understood[0], understood[1]), match[0]))
            if row.negative:
                continue  # two rows read "no lists or tables"
            text = text[: match.start()] + " ¦ " + text[match.end() :]
    return found


def _speaks_of_part(clause: Clause) -> bool:
    around = ADDS.search(clause.sentence) or SEQUENCE.search(clause.sentence)
    return bool(around or PART.search(clause.text))
