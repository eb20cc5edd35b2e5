"""New answers against old ones (the SysGen paper's table 1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sysgen_local.core.errors import UsageError
from sysgen_local.evaluation import similarity
from sysgen_local.store import Store


@dataclass(frozen=True, slots=True)
class Similarity:
    """`rows` were measured now. `measures` are the means over all finished rows, as
    `Store.stats()["measures"]` has them."""

    rows: int
    measures: Any


def compare(
    store: Store,
    *,
    embeddings: str | Path | None = None,
    bertscore: str | None = None,
    bertscore_layer: int | None = None,
    gpu_layers: int | None = None,
    workers: int = 1,
    on_page: Callable[[int], None] = lambda rows: None,
) -> Similarity:
    """ROUGE-1, -2 and -L, GLEU and the ratio of lengths of every finished row; cosine similarity
    too where `embeddings` names a GGUF (`gpu_layers` of it on a GPU), and BERTScore where
    `bertscore` names a model (`bertscore_layer`: which layer's states are compared).

    `workers` are processes; with more than one, a script needs the guard
    `if __name__ == "__main__":`, as with the library multiprocessing.

    What is measured is kept in the store; only rows that lack a figure are worked on. `on_page` is
    given the rows done so far. Raises UsageError for a model or library that cannot be used.
    """
    measures: dict[str, similarity.Measure] = {}
    if embeddings:
        path = Path(embeddings)
        measures[f"similarity ({path.stem})"] = similarity.similarity(path, gpu_layers or 0)
    if bertscore:
        measures[f"bertscore ({Path(bertscore).name})"] = _bertscore(bertscore, bertscore_layer)
    rows = similarity.compare(store, measures, workers=workers, on_page=on_page)
    return Similarity(rows, store.stats()["measures"])


def _bertscore(model: str, layer: int | None) -> similarity.Measure:
    try:
        return similarity.bertscore(model, layer)
    except (OSError, KeyError, ValueError) as error:
        why = next(iter(str(error).splitlines()), type(error).__name__)
        raise UsageError(
            f"the model {model} cannot be used for BERTScore: {why}",
            hint="name a folder with a model of transformers, and --bertscore-layer",
        ) from error
