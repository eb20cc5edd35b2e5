"""Whether the judges of a store can be trusted: their verdicts beside what people decided blind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sysgen_local.evaluation import trust as figures
from sysgen_local.exporting import public_facts
from sysgen_local.store import Compared, Store


def trust(store: Store, *, sources: Sequence[str] = ()) -> dict[str, Any]:
    """The agreement of phase 3, and of every judge of pairs, with people: `judges`, `reviewers`
    (with each other) and `labels` (how many there are), as plain data (docs/json.md). No model is
    loaded. `sources` names inputs or datasets. Raises UsageError for one that the store does not
    hold."""
    with store.narrowed(store.sources(sources) if sources else ()):
        return _figures(store, store.compared_labels())


def public_trust(store: Store) -> dict[str, Any] | None:
    """The same for a page that is meant to be shared: without paths and names of reviewers. None
    without labels."""
    labels = store.compared_labels()
    if not labels:
        return None
    names = sorted({of.label.reviewer for of in labels})
    found = _figures(store, labels, public=True)
    for pair in found["reviewers"]:
        pair["reviewers"] = [f"reviewer {names.index(name) + 1}" for name in pair["reviewers"]]
    return found


def _figures(store: Store, labels: Sequence[Compared], *, public: bool = False) -> dict[str, Any]:
    judges: dict[int, Mapping[str, str]] = {}
    if (verify := store.recipe("verify")) is not None:
        judges[0] = verify.facts
    elif any(of.judge == 0 for of in labels):
        judges[0] = {}
    judged: dict[int, list[Sequence[float]]] = {}
    for of in store.judgements():
        if of["pairs"]:
            judges[of["judge"]] = of["facts"]
            judged.setdefault(of["judge"], []).extend(of["pairs"])
    if public:
        judges = {number: public_facts(facts) for number, facts in judges.items()}
    return figures.trust(labels, judges, judged)
