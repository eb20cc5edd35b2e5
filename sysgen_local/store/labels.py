"""Labels: what people decided blind, before they saw the verdict of a model.

A label is about a phrase (good, bad, none: the verdicts of phase 3) or about a pair of answers
(new, original, tie: the verdicts of a judge), or it says that the person cannot tell (unclear). The
table is a log: a changed mind is a new line, and what was taken back is a line without a word.
Nothing is deleted. Of the lines of one reviewer about one thing the latest counts.

Half of all phrases and pairs, by a digest of their content, are asked in random order; the others
are asked in the order of uncertainty. So the labels of the first half are a random sample, whatever
was asked of the second: only they may enter an estimate (`Label.random`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, NamedTuple, get_args

from sysgen_local.core.records import Label as Verdict
from sysgen_local.store import decisions
from sysgen_local.store.codec import Columns
from sysgen_local.store.database import Database
from sysgen_local.store.schema import now

Kind = Literal["phrase", "pair"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Choice = Literal["new", "original", "tie"]
Said = Verdict | Choice | Literal["unclear"]
ANSWERS: dict[Kind, tuple[Said, ...]] = {
    "phrase": (*get_args(Verdict), "unclear"),
    "pair": (*get_args(Choice), "unclear"),
}
"""What can be said about each kind of thing."""

_COLUMNS: Columns = {
    "label": "BIGINT", "row": "BIGINT", "kind": "VARCHAR", "tag": "VARCHAR", "text": "VARCHAR",
    "shown": "VARCHAR", "said": "VARCHAR", "reviewer": "VARCHAR", "random": "BOOLEAN",
    "at": "TIMESTAMP",
}  # fmt: skip

SHOWN = """md5(list_aggregate([strlen(x) || ':' || x FOR x IN [coalesce(f.system, ''),
    f.turns[1].content, f.old_turns[2].content, f.turns[2].content]], 'string_agg', ''))"""
"""The digest of the texts of a pair: of a row of `released`, f."""

# Of the latest judge of each pair: the probability of the likelier answer.
_PAIRS = f"""
SELECT f."row", NULL AS tag, NULL AS "text", {SHOWN} AS shown, shown AS key,
    arg_max(greatest((j.first + j.second) / 2, 1 - (j.first + j.second) / 2), j.judge) AS sure
FROM released f JOIN judged j ON j."row" = f."row" JOIN conversations c ON c."row" = f."row"
WHERE j.first IS NOT NULL AND f.turns[2]."role" = 'assistant' GROUP BY ALL
"""
_PHRASES = f"""
SELECT v."row", v.p.tag AS tag, v.p."text" AS "text", NULL AS shown,
    md5(c.digest || ':' || v.p.tag || ':' || v.p."text") AS key,
    max(greatest(v.p.good, v.p.bad, v.p."none")) AS sure
FROM (SELECT "row", unnest(verdicts) AS p FROM verified) v
JOIN (SELECT "row", {decisions.DIGEST} AS digest FROM conversations c) c ON c."row" = v."row"
GROUP BY ALL
"""
_THINGS: dict[Kind, str] = {"phrase": _PHRASES, "pair": _PAIRS}

_RANDOM = "key < '8'"
"""Of a hexadecimal digest: one of two."""

_LATEST = """
SELECT l.* FROM labels l JOIN conversations c ON c."row" = l."row" QUALIFY row_number() OVER (
    PARTITION BY l.reviewer, l."row", l.kind, l.tag, l."text", l.shown
    ORDER BY l."at" DESC, l.label DESC) = 1
"""


@dataclass(frozen=True, slots=True)
class Label:
    """What `reviewer` said about a thing of a row: a phrase (`tag`, `text`), or a pair of answers
    (`shown`, a digest of its texts). `said` is None where it was taken back. `random`: the thing
    was not chosen because of a model's verdict on it. `at` is UTC; None is now."""

    row: int
    kind: Kind
    said: Said | None
    reviewer: str
    tag: str | None = None
    text: str | None = None
    shown: str | None = None
    random: bool = True
    at: datetime | None = None

    @property
    def thing(self) -> tuple[object, ...]:
        """What identifies the thing in the store."""
        return self.row, self.kind, self.tag, self.text, self.shown


class PlacedLabel(NamedTuple):
    """A label outside of a store: the source and the line of its row, and a digest of the row's
    original conversation. Where there is no digest, source and line identify the row. The number in
    `label` does not count."""

    source: str | None
    line: int | None
    conversation: str | None
    label: Label


class Compared(NamedTuple):
    """A label beside a verdict of a model on the same thing. `verdict` is a word as in ANSWERS, and
    None where there is no verdict (any more): then the judge is None, too. `p` is the probability
    of good, or that the new answer is the better one. `judge` is the number of a judge of pairs,
    and 0 for phase 3."""

    label: Label
    judge: int | None
    verdict: str | None
    p: float | None


class Added(NamedTuple):
    """What became of labels: how many were new, changed what the reviewer had said, were there
    already, and were left out because the reviewer has said something later. `waiting`: of the new
    and changed ones, those about phrases or answers that the store does not have now."""

    new: int
    changed: int
    same: int
    kept: int
    waiting: int


class PairTexts(NamedTuple):
    """The texts of a pair of answers."""

    instruction: str
    system: str
    old: str
    new: str


class PairVerdict(NamedTuple):
    """The verdict of the latest judge on a pair: its name, the word, and the probability that the
    new answer is the better one."""

    judge: str
    verdict: str
    p: float


def add(db: Database, labels: Sequence[Label]) -> None:
    """See `Store.add_labels`."""
    for of in labels:
        if of.said is not None and of.said not in ANSWERS[of.kind]:
            raise ValueError(f"of a {of.kind} nobody can say {of.said!r}")
    with db.transaction():
        [last] = db.numbers("SELECT coalesce(max(label), 0) FROM labels")
        db.append("labels", _COLUMNS, [
            (last + i, of.row, of.kind, of.tag, of.text, of.shown, of.said, of.reviewer, of.random,
             of.at or now())
            for i, of in enumerate(labels, 1)
        ])  # fmt: skip


def queue(db: Database, kind: Kind, reviewer: str, limit: int) -> list[Label]:
    """See `Store.label_queue`. Half of the things are asked by chance, by the order of their
    digests, which is the same for every reviewer."""
    found = db.all(
        f"""
        SELECT "row", tag, "text", shown, chance FROM (
            SELECT t.*, {_RANDOM} AS chance, row_number() OVER (
                PARTITION BY chance ORDER BY CASE WHEN chance THEN 0 ELSE sure END, key) AS place
            FROM ({_THINGS[kind]}) t
            WHERE NOT EXISTS (
                SELECT 1 FROM ({_LATEST}) l WHERE l.reviewer = $1 AND l.kind = $2
                AND l.said IS NOT NULL AND l."row" = t."row" AND l.tag IS NOT DISTINCT FROM t.tag
                AND l."text" IS NOT DISTINCT FROM t."text"
                AND l.shown IS NOT DISTINCT FROM t.shown)
        ) ORDER BY place, chance DESC LIMIT $3
        """,
        reviewer,
        kind,
        limit,
    )
    return [
        Label(row, kind, None, reviewer, tag, text, shown, random=chance)
        for row, tag, text, shown, chance in found
    ]


def latest(db: Database) -> list[Label]:
    """See `Store.latest_labels`."""
    return [
        _label(*values)
        for values in db.all(
            'SELECT "row", kind, said, reviewer, tag, "text", shown, random, "at" '
            f"FROM ({_LATEST}) ORDER BY label"
        )
    ]


def _label(*values: object) -> Label:
    return Label(*values)  # type: ignore[arg-type]


# The rules are those of `evaluation.preference`.
_CHOICE = """CASE WHEN j.first > 0.5 AND j.second > 0.5 THEN 'new'
    WHEN j.first <= 0.5 AND j.second <= 0.5 THEN 'original'
    WHEN j.judge IS NOT NULL THEN 'tie' END"""
_WORDS = 'l."row", l.kind, l.said, l.reviewer, l.tag, l."text", l.shown, l.random, l."at"'


def compared(db: Database) -> list[Compared]:
    """See `Store.compared_labels`."""
    phrases = db.all(
        f"""
        SELECT {_WORDS}, CASE WHEN p.label IS NOT NULL THEN 0 END, p.label, p.good
        FROM ({_LATEST}) l LEFT JOIN (
            SELECT v."row", p.tag AS tag, p."text" AS "text", any_value(p.label) AS label,
                any_value(p.good) AS good
            FROM (SELECT "row", unnest(verdicts) AS p FROM verified) v GROUP BY ALL
        ) p ON p."row" = l."row" AND p.tag = l.tag AND p."text" = l."text"
        WHERE l.kind = 'phrase' AND l.said IS NOT NULL ORDER BY l.label
        """
    )
    pairs = db.all(
        f"""
        SELECT {_WORDS}, j.judge, {_CHOICE}, (j.first + j.second) / 2
        FROM ({_LATEST}) l LEFT JOIN (
            SELECT j.*, {SHOWN} AS shown FROM judged j JOIN released f ON f."row" = j."row"
            WHERE j.first IS NOT NULL AND f.turns[2]."role" = 'assistant'
        ) j ON j."row" = l."row" AND j.shown = l.shown
        WHERE l.kind = 'pair' AND l.said IS NOT NULL ORDER BY l.label, j.judge
        """
    )
    return [
        Compared(_label(*label), judge, verdict, p)
        for *label, judge, verdict, p in (*phrases, *pairs)
    ]


def pair_texts(db: Database, row: int) -> tuple[str, PairTexts] | None:
    """See `Store.pair_texts`."""
    found = db.all(
        f"SELECT {SHOWN}, f.turns[1].content, coalesce(f.system, ''), f.old_turns[2].content, "
        'f.turns[2].content FROM released f WHERE f."row" = $1 '
        "AND f.turns[2].\"role\" = 'assistant'",
        row,
    )
    return (found[0][0], PairTexts(*found[0][1:])) if found else None


def pair_verdicts(db: Database, rows: Sequence[int]) -> dict[int, PairVerdict]:
    """See `Store.pair_verdicts`."""
    found = db.all(
        f'SELECT j."row", w.facts, {_CHOICE}, (j.first + j.second) / 2 '
        "FROM judged j JOIN judges w ON w.judge = j.judge WHERE j.first IS NOT NULL "
        'AND j."row" IN (SELECT unnest($1::BIGINT[])) '
        'QUALIFY row_number() OVER (PARTITION BY j."row" ORDER BY j.judge DESC) = 1',
        list(rows),
    )
    return {row: PairVerdict(facts.get("model", "?"), *of) for row, facts, *of in found}


def placed(db: Database) -> list[PlacedLabel]:
    """See `Store.placed_labels`."""
    places = {
        row: (path, line, digest)
        for row, path, line, digest in db.all(
            f'SELECT c."row", s.path, c.line, {decisions.DIGEST} FROM conversations c '
            "JOIN sources s ON s.source = c.source "
            'WHERE c."row" IN (SELECT "row" FROM labels)'
        )
    }
    return [PlacedLabel(*places[of.row], of) for of in latest(db)]


def find(db: Database, labels: Sequence[PlacedLabel]) -> list[int | None]:
    """See `Store.find_labelled`."""
    known = decisions.locate(
        db, [(of.conversation or "", of.source or "", of.line or 0, None) for of in labels]
    )
    named = {
        (path, line): row
        for path, line, row in db.all(
            'SELECT s.path, c.line, c."row" FROM conversations c '
            "JOIN sources s ON s.source = c.source WHERE c.line IN (SELECT unnest($1::BIGINT[]))",
            [of.line for of in labels if of.conversation is None and of.line is not None],
        )
    }
    return [
        row if of.conversation is not None else named.get((of.source, of.line))
        for of, row in zip(labels, known, strict=True)
    ]


def merge(db: Database, labels: Sequence[Label]) -> Added:
    """See `Store.merge_labels`."""
    stored = {(of.reviewer, of.thing): of for of in latest(db)}
    written: list[Label] = []
    counted = {"new": 0, "changed": 0, "same": 0, "kept": 0}
    for of in labels:
        theirs = replace(of, at=of.at or now())
        mine = stored.get((of.reviewer, of.thing))
        how = _how(theirs, mine)
        counted[how] += 1
        if how in ("new", "changed"):
            written.append(theirs)
            stored[of.reviewer, of.thing] = theirs
    if written:
        add(db, written)
    there = {(of.label.reviewer, of.label.thing) for of in compared(db) if of.judge is not None}
    waiting = sum(
        of.said is not None and (of.reviewer, of.thing) not in there for of in written
    )  # fmt: skip
    return Added(**counted, waiting=waiting)


def _how(theirs: Label, mine: Label | None) -> str:
    if mine is None:
        return "new"
    if (mine.said, mine.random) == (theirs.said, theirs.random):
        return "same"
    assert theirs.at is not None
    assert mine.at is not None
    return "changed" if theirs.at > mine.at else "kept"


def copied(parts: Iterator[tuple[int, str]]) -> str:
    """The SELECT of the labels of several stores, (number, SQL name) each, with the new numbers of
    their rows from the table `places`. A line that several stores have, because one is a copy of
    the other, is there once."""
    columns = 'kind, tag, "text", shown, said, reviewer, random, "at"'
    every = " UNION ALL ".join(
        f'SELECT p."row", {columns}, label FROM {name}.labels l '
        f'JOIN places p ON p.part = {part} AND p.old = l."row"'
        for part, name in parts
    )
    return (
        'SELECT row_number() OVER (ORDER BY "at", place, "row") AS label, * EXCLUDE (place) FROM '
        f'(SELECT "row", {columns}, min(label) AS place FROM ({every}) GROUP BY ALL)'
    )
