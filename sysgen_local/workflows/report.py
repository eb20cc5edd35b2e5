"""The report page of a store, with its licences and judgements."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sysgen_local.core.errors import UsageError
from sysgen_local.evaluation.preference import summary
from sysgen_local.exporting import licenses, public_facts, public_lineage
from sysgen_local.report.grid import Table
from sysgen_local.report.page import page
from sysgen_local.report.trainings import TrainingRecord
from sysgen_local.store import Store
from sysgen_local.training.folder import read_curve, read_recipe
from sysgen_local.workflows.trust import public_trust


def report(
    store: Store,
    *,
    title: str | None = None,
    benchmarks: Sequence[Table] = (),
    trainings: Sequence[Path] = (),
) -> str:
    """The page as HTML; `title` is the name of the store by default. `benchmarks` are the tables of
    benchmark scores, `trainings` folders of `sysgen train`. Raises UsageError for a folder that
    holds no training."""
    every = licenses(store.stats(), public_lineage(store.lineage(), store.files()))
    return page(
        store,
        title=title or store.path.stem,
        licences=[(name, of.id, of.asks) for name, of in every.items()],
        judgements=summary(
            [{**of, "facts": public_facts(of["facts"])} for of in store.judgements()]
        ),
        benchmarks=benchmarks,
        trainings=list(map(_training, trainings)),
        trust=public_trust(store),
    )


def _training(folder: Path) -> TrainingRecord:
    recipe = read_recipe(folder)
    if not recipe:
        raise UsageError(f"{folder} holds no training", hint="name a folder of `sysgen train -o`")
    return TrainingRecord(folder.absolute().name, recipe, read_curve(folder))
