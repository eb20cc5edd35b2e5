"""Counts of a store: input = final + dropped + rejected + pending.

Pending rows are counted for each phase: rows that the phase before passed and this phase has not
done. Costs are tokens of the model's tokenizer and seconds of model time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sysgen_local.core.counted import counted
from sysgen_local.core.records import LABELS, PHASES, TABLES, TAGS, Phase
from sysgen_local.store.codec import DECODED
from sysgen_local.store.database import Database

SUMS = ("input", "final", "dropped", "rejected", "pending")


@dataclass(frozen=True, slots=True)
class PhaseCounts:
    """Counts of one phase. `dropped` is reason -> rows, the most frequent first. `tokens_decoded`
    is None unless it is known of every row."""

    done: int
    dropped: Mapping[str, int]
    pending: int
    tokens_in: int = 0
    tokens_decoded: int | None = 0
    tokens_out: int = 0
    seconds: float = 0.0

    @property
    def kept(self) -> int:
        """Rows that the phase passed."""
        return self.done - sum(self.dropped.values())


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of the whole store. `rejects` is reason -> records, the most frequent first. `phases`
    has `check` only where the store's answers are checked."""

    rejects: Mapping[str, int]
    phases: Mapping[Phase, PhaseCounts]

    @property
    def input(self) -> int:
        """Records read so far, usable or not."""
        return self.final + self.dropped + self.rejected + self.pending

    @property
    def final(self) -> int:
        """Rows that passed every phase."""
        return list(self.phases.values())[-1].kept

    @property
    def dropped(self) -> int:
        """Rows that a phase dropped."""
        return sum(sum(phase.dropped.values()) for phase in self.phases.values())

    @property
    def rejected(self) -> int:
        """Records that could not be used."""
        return sum(self.rejects.values())

    @property
    def pending(self) -> int:
        """Rows that are due for a phase."""
        return sum(phase.pending for phase in self.phases.values())

    def __str__(self) -> str:
        parts = [f"{n:,} {name}" for name, n in self.rows().items() if name != "input"]
        return f"{counted(self.input, 'row')}: {', '.join(parts)}"

    def rows(self) -> dict[str, int]:
        """The five sums by name, as `sysgen stats --json` gives them."""
        return {name: getattr(self, name) for name in SUMS}


def count(db: Database) -> Counts:
    """The counts by phase: 50 ms at 600,000 rows."""
    rejects = db.all(
        "SELECT reason, count(*) FROM rejects GROUP BY reason ORDER BY count(*) DESC, reason"
    )
    ((coming,),) = db.all("SELECT count(*) FROM conversations")
    phases: dict[Phase, PhaseCounts] = {}
    for phase in phases_of(db):
        phases[phase] = _phase(db, phase, coming)
        coming = phases[phase].kept
    return Counts(dict(rejects), phases)


def phases_of(db: Database) -> tuple[Phase, ...]:
    """The phases of this store; `check` only where answers are checked."""
    [(checking,)] = db.all('SELECT "on" FROM checking')
    return PHASES if checking else PHASES[:-1]


def stats(db: Database) -> dict[str, Any]:
    """All counts of this module as data for JSON: 3 s at 600,000 rows."""
    counted = count(db)
    return {
        "rows": counted.rows(),
        "phases": {phase: {**asdict(of), "kept": of.kept} for phase, of in counted.phases.items()},
        "rejects": dict(counted.rejects),
        "existing_system": existing_system(db),
        "reviews": reviews(db),
        "tags": tags(db),
        "removed": removed(db),
        "verdicts": verdicts(db),
        "checks": checks(db),
        "lengths": lengths(db),
        "datasets": datasets(db),
        "repairs": repairs(db),
        "reasoning": reasoning(db),
    }


def _phase(db: Database, phase: Phase, coming: int) -> PhaseCounts:
    free = phase == "filter"  # no model, no cost
    sums = f"sum(tokens_in), sum(tokens_out), sum(seconds), {DECODED}"
    cost = "0, 0, 0.0, 0" if free else sums
    groups = db.all(
        f"SELECT dropped, count(*), {cost} FROM {TABLES[phase]} "
        "GROUP BY dropped ORDER BY count(*) DESC, dropped"
    )
    done = sum(group[1] for group in groups)
    decoded = [group[5] for group in groups]
    return PhaseCounts(
        done=done,
        dropped={group[0]: group[1] for group in groups if group[0] is not None},
        pending=coming - done,
        tokens_in=int(sum(group[2] for group in groups)),
        tokens_decoded=None if None in decoded else sum(decoded),
        tokens_out=int(sum(group[3] for group in groups)),
        seconds=float(sum(group[4] for group in groups)),
    )


def existing_system(db: Database) -> dict[str, int]:
    """Rows that came with a system message: all of them, and those that kept it."""
    ((rows, kept),) = db.all(
        "SELECT count(*), count(*) FILTER (v.system = c.system AND len(v.verdicts) = 0) "
        'FROM conversations c LEFT JOIN verified v ON v."row" = c."row" WHERE c.system IS NOT NULL'
    )
    return {"rows": rows, "kept": kept}


def repairs(db: Database) -> dict[str, int]:
    """Kind of repair -> rows that were repaired so, the most frequent first."""
    return dict(
        db.all(
            "SELECT kind, count(*) FROM (SELECT unnest(list_distinct([r.kind FOR r IN repairs])) "
            "AS kind FROM conversations WHERE len(repairs) > 0) GROUP BY 1 ORDER BY 2 DESC, 1"
        )
    )


def reasoning(db: Database) -> int:
    """Rows that came with thoughts before their answers."""
    [(rows,)] = db.all(
        "SELECT count(*) FROM conversations WHERE len([t FOR t IN turns IF t.thought <> '']) > 0"
    )
    return int(rows)


def reviews(db: Database) -> dict[str, int]:
    """Rows that a reviewer accepted, rejected, or edited. `earlier`: decisions about an earlier
    version of the row. `stale`: rows to be exported whose answers were written under another system
    message than the row has now."""
    ((accepted, rejected, edited, earlier),) = db.all(
        "SELECT count(*) FILTER (decision = 'accepted'), "
        "count(*) FILTER (decision = 'rejected'), "
        "count(*) FILTER (phrases IS NOT NULL OR answers IS NOT NULL), "
        "count(earlier) FROM opinions"
    )
    ((stale,),) = db.all(
        "SELECT count(*) FROM journey "
        "WHERE stale AND state = 'final' AND review IS DISTINCT FROM 'rejected'"
    )
    return {
        "accepted": accepted,
        "rejected": rejected,
        "edited": edited,
        "earlier": earlier,
        "stale": stale,
    }


def verdicts(db: Database) -> dict[str, dict[str, Any]]:
    """Tag -> numbers of phrases judged good, bad and none, and `p_good`: how many phrases have
    their probability of good in each tenth of [0, 1]. "all" has the sums over all tags."""
    found = db.all(
        "SELECT v.tag, v.label, least(floor(v.good * 10), 9)::INTEGER, count(*) "
        "FROM (SELECT unnest(verdicts) AS v FROM verified) GROUP BY ALL"
    )
    table: dict[str, dict[str, Any]] = {
        tag: {**dict.fromkeys(LABELS, 0), "p_good": [0] * 10} for tag in (*TAGS, "all")
    }
    for tag, label, tenth, number in found:
        for name in (tag, "all"):
            table[name][label] += number
            table[name]["p_good"][tenth] += number
    return table


def checks(db: Database) -> dict[str, Any]:
    """Results of the checks, over all checked rows.

    `kinds`: kind of check -> how many were made of the accepted answers, and how many passed (p of
    0.5 or more). `faults`: why answers were not accepted -> how many. `tries`: number of answers
    that were checked -> rows. `agrees`: rows whose answers agree with the original, do not, and
    could not be checked for it. `obeys`: the mean over rows. `p_agrees`: answers by tenths of the
    model's probability that they agree. `p_obeys`: rows by tenths of `obeys`.
    """
    kinds = db.all(
        "SELECT k.kind, count(*), count(*) FILTER (k.p >= 0.5) "
        "FROM (SELECT unnest(checks) AS k FROM checked) GROUP BY ALL ORDER BY 1"
    )
    faults = db.all(
        "SELECT a.fault, count(*) FROM (SELECT unnest(attempts) AS a FROM checked) "
        "WHERE a.fault <> '' GROUP BY ALL ORDER BY count(*) DESC, 1"
    )
    tries = db.all("SELECT tries, count(*) FROM checked GROUP BY tries ORDER BY tries")
    [(yes, no, unknown, obeys)] = db.all(
        "SELECT count(*) FILTER (agrees), count(*) FILTER (NOT agrees), "
        "count(*) FILTER (agrees IS NULL), avg(obeys) FROM checked"
    )
    agreeing = (
        "SELECT unnest([c.p FOR c IN checks IF c.kind = 'agrees' AND c.by = 'model']) AS p "
        "FROM checked"
    )
    return {
        "kinds": {kind: {"looked_at": seen, "held": held} for kind, seen, held in kinds},
        "faults": dict(faults),
        "tries": {str(number): rows for number, rows in tries},
        "agrees": {"yes": yes, "no": no, "not_checkable": unknown},
        "obeys": obeys,
        "p_agrees": _tenths(db, agreeing),
        "p_obeys": _tenths(db, "SELECT obeys AS p FROM checked WHERE obeys IS NOT NULL"),
    }


def _tenths(db: Database, sql: str) -> list[int]:
    """How many of the query's probabilities `p` are in each tenth of [0, 1]."""
    found = dict(
        db.all(f"SELECT least(floor(p * 10), 9)::INTEGER, count(*) FROM ({sql}) GROUP BY ALL")
    )
    return [found.get(tenth, 0) for tenth in range(10)]


_LENGTHS = {
    "instruction": "len(instruction)",
    "old_answer": "len(old_answer)",
    "system": "len(system)",
    "new_answer": "len(new_answer)",
    "ratio": "len(new_answer) / nullif(len(old_answer), 0)",
}


def lengths(db: Database) -> dict[str, dict[str, float | None]]:
    """Lengths in finished rows, in characters: mean, and 10th, 50th and 90th percentile. `ratio` is
    the length of the new answer divided by that of the old one."""
    wanted = ", ".join(
        f"avg({of}), quantile_cont({of}, [0.1, 0.5, 0.9])" for of in _LENGTHS.values()
    )
    (values,) = db.all(f"SELECT {wanted} FROM journey WHERE state = 'final'")
    table: dict[str, dict[str, float | None]] = {}
    for i, name in enumerate(_LENGTHS):
        mean, quantiles = values[2 * i : 2 * i + 2]
        p10, p50, p90 = quantiles or [None] * 3
        table[name] = {"mean": mean, "p10": p10, "p50": p50, "p90": p90}
    return table


def ratios(db: Database) -> list[tuple[float, int]]:
    """Histogram of finished rows by the length of the new answer divided by that of the old one:
    (lower edge, rows), bins 0.1 wide from 0 to 4. The last bin has all larger ratios too."""
    return db.all(
        "SELECT least(floor(len(new_answer) / len(old_answer) * 10), 40) / 10 AS edge, count(*) "
        "FROM journey WHERE state = 'final' AND len(old_answer) > 0 GROUP BY edge ORDER BY edge"
    )


def tags_by_dataset(db: Database) -> list[tuple[str, str, float]]:
    """(dataset, tag, share of the dataset's judged rows that have a good phrase with that tag)."""
    return db.all(
        "WITH judged AS (SELECT dataset, tags FROM journey WHERE tags IS NOT NULL), "
        "sizes AS (SELECT dataset, count(*) AS rows FROM judged GROUP BY dataset) "
        "SELECT dataset, tag, count(*) / any_value(rows) FROM "
        "(SELECT dataset, unnest(list_distinct(tags)) AS tag FROM judged) "
        "JOIN sizes USING (dataset) GROUP BY dataset, tag ORDER BY dataset, tag"
    )


def tags(db: Database) -> dict[str, dict[str, int]]:
    """Tag -> rows that have it as generated, after the filter, and judged good, in the canonical
    order of tags. Tags that the model invented are counted together as "other"."""
    steps = {
        "generated": "[p.tag FOR p IN phrases] AS tags FROM generated",
        "filtered": "[p.tag FOR p IN phrases] AS tags FROM filtered",
        "good": "[p.tag FOR p IN verdicts IF p.label = 'good'] AS tags FROM verified",
    }
    table = {tag: dict.fromkeys(steps, 0) for tag in (*TAGS, "other")}
    for step, rows in steps.items():
        found = db.all(
            "SELECT tag, count(*) FROM (SELECT unnest(list_distinct(tags)) AS tag "
            f"FROM (SELECT {rows})) GROUP BY tag"
        )
        for tag, number in found:
            table[tag if tag in TAGS else "other"][step] += number
    if not any(table["other"].values()):
        del table["other"]
    return table


def removed(db: Database) -> dict[str, int]:
    """Reason -> phrases that the filter removed for it, the most frequent first."""
    return dict(
        db.all(
            "SELECT r.reason, count(*) FROM (SELECT unnest(removed) AS r FROM filtered) "
            "GROUP BY 1 ORDER BY count(*) DESC, 1"
        )
    )


def datasets(db: Database) -> dict[str, dict[str, Any]]:
    """For each dataset (or file, where it has no dataset name): licence, the five sums, mean length
    of the original instruction and answer in characters, rows of several turns, and rows that came
    with a system message."""
    found = db.all(
        """
        WITH ended AS (
            SELECT "row", 1 AS final FROM journey WHERE state = 'final'
            UNION ALL SELECT "row", 0 FROM dropped
        ), usable AS (
            SELECT c.source, count(*) AS records,
                count(*) FILTER (e.final = 1) AS final, count(*) FILTER (e.final = 0) AS dropped,
                sum(len(c.turns[1].content)) AS asked, sum(len(c.turns[-1].content)) AS answered,
                count(*) FILTER (len(c.turns) > 2) AS several, count(c.system) AS with_system
            FROM conversations c LEFT JOIN ended e ON e."row" = c."row" GROUP BY c.source
        ), refused AS (
            SELECT source, count(*) AS rejected FROM rejects GROUP BY source
        )
        SELECT coalesce(s.dataset, s.path), any_value(s.license),
            sum(coalesce(u.records, 0) + coalesce(r.rejected, 0)), sum(coalesce(u.final, 0)),
            sum(coalesce(u.dropped, 0)), sum(coalesce(r.rejected, 0)),
            sum(coalesce(u.records - u.final - u.dropped, 0)),
            sum(u.asked) / sum(u.records), sum(u.answered) / sum(u.records),
            sum(coalesce(u.several, 0)), sum(coalesce(u.with_system, 0))
        FROM sources s LEFT JOIN usable u USING (source) LEFT JOIN refused r USING (source)
        GROUP BY 1 ORDER BY min(s.source)
        """
    )
    return {
        name: {
            "license": license_,
            **{key: int(n) for key, n in zip(SUMS, values[:5], strict=True)},
            "mean_instruction": values[5],
            "mean_answer": values[6],
            "multi_turn": int(values[7]),
            "with_system": int(values[8]),
        }
        for name, license_, *values in found
    }
