"""`sysgen stats` in short: totals, what each phase passed, reasons and warnings, on one screen."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sysgen_local.core.counted import counted, decision_word
from sysgen_local.core.numbered import numbered
from sysgen_local.core.shard import described
from sysgen_local.report.tokens import tokens_a_row

Stats = Mapping[str, Any]

LINES = 24
"""The most lines."""

REASONS = 6
"""Reasons that are listed, the most frequent first."""

CUT = 150
"""Characters after which a reason with its first row is cut."""


def digest(state: Stats, width: int) -> list[str]:
    """The lines, at most LINES of them, each of at most `width` characters. The tokens, and as many
    notes on poor data as have room, are among them."""
    notes = [f"note: {of['says']}" for of in state.get("advice", ())]
    lines = [*wrap(_totals(state), width), "", *_phases(state)]
    reasons = ["", *wrap(_reasons(state), width)]
    tokens = wrap(tokens_a_row(state), width)
    if len(lines) + len(tokens) + len(reasons) + bool(notes) <= LINES:
        lines += tokens
    lines += reasons
    for number, note in enumerate(notes):
        wrapped = wrap([note], width)
        if len(lines) + len(wrapped) + (number + 1 < len(notes)) > LINES:
            lines.append(f"{counted(len(notes) - number, 'more note')} with --all")
            break
        lines += wrapped
    return lines[:LINES]


def wrap(lines: Iterable[str], width: int) -> list[str]:
    """The lines, broken between words where they are longer than `width`."""
    return [
        part
        for line in lines
        for part in textwrap.wrap(line, width, subsequent_indent="    ", drop_whitespace=True)
    ]


def _totals(state: Stats) -> Iterator[str]:
    rows = state["rows"]
    yield (
        f"{counted(rows['input'], 'row')} = {rows['final']:,} final + {rows['dropped']:,} dropped "
        f"+ {rows['rejected']:,} rejected + {rows['pending']:,} pending"
    )
    if shard := state.get("shard"):
        yield described(shard)
    if (existing := state.get("existing_system")) and existing["rows"]:
        yield (
            f"came with a system message: {existing['rows']:,}, of which "
            f"{existing['kept']:,} kept it"
        )
    if (reviews := state.get("reviews")) and any(reviews.values()):
        yield reviewed(reviews)
    for judge in state.get("judgements", ()):
        of = judge["datasets"][""]["preference"]
        if of["rate"] is not None:
            yield (
                f"judged by {judge['judge']}: the new answer is better in {of['rate']:.0%} of "
                f"{of['wins'] + of['losses']:,} pairs ({of['low']:.0%} to {of['high']:.0%}), "
                f"{of['ties']:,} tied"
            )


def reviewed(reviews: Mapping[str, int]) -> str:
    """What people decided, in one line."""
    parts = (f"{n:,} {decision_word(name)}" for name, n in reviews.items() if n)
    return f"reviewed: {', '.join(parts)}"


def _phases(state: Stats) -> Iterator[str]:
    yield f"{'phase':<10}{'passed':>9}{'of those it had':>19}{'dropped':>10}{'waiting':>10}"
    for phase, of in state["phases"].items():
        done = of["kept"] + sum(of["dropped"].values())
        share = f"{of['kept'] / done:.0%} of {done:,}" if done else ""
        yield (
            f"{phase:<10}{of['kept']:>9,}{share:>19}{sum(of['dropped'].values()):>10,}"
            f"{of.get('pending', 0):>10,}"
        )


def _reasons(state: Stats) -> Iterator[str]:
    first: dict[str, str] = {}
    for of in state.get("first_rejects", ()):
        first.setdefault(
            of["reason"], f": {of['path']}, {numbered(of['path'], of['line'])}, {of['detail']}"
        )
    reasons = [
        (f"rejected{first.get(reason, '')}", reason, n)
        for reason, n in state.get("rejects", {}).items()
    ]
    for phase, of in state["phases"].items():
        reasons += [(f"dropped in {phase}", reason, n) for reason, n in of["dropped"].items()]
    reasons.sort(key=lambda of: -of[2])
    if not reasons:
        return
    yield "why rows were left out"
    for where, reason, n in reasons[:REASONS]:
        yield f"  {n:>8,}  {reason} ({where})"[:CUT]
    if more := reasons[REASONS:]:
        yield f"  {sum(n for *_, n in more):>8,}  for {counted(len(more), 'other reason')}"
