"""Measures how similar new answers are to the old ones (SysGen, table 1).

Each measure is computed by a reference library of its field:

rouge1, rouge2, rougeL: F-measures by rouge-score (Google Research), without stemming.
gleu: sentence GLEU by NLTK (Wu et al., 2016); the old answer is the reference, words are separated
    by spaces.
length_ratio: characters of the new answer divided by those of the old one.
similarity: cosine of the embeddings of both texts by a GGUF model in llama.cpp.
bertscore: F1 by bert-score, with the model that the user names.

All turns of an answer are joined into one text.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from multiprocessing import get_context, parent_process, resource_tracker
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from sysgen_local.core.extras import needs
from sysgen_local.running import interrupts

if TYPE_CHECKING:
    from sysgen_local.store import Store

OVERLAP = ("rouge1", "rouge2", "rougeL", "gleu", "length_ratio")

Pairs = Sequence[tuple[str, str]]
Measure = Callable[[Pairs], list[float]]
"""(old, new) answers -> one number for each pair."""


def compare(
    store: Store,
    measures: dict[str, Measure],
    *,
    workers: int = 1,
    on_page: Callable[[int], None] = lambda rows: None,
) -> int:
    """Measures every finished row that lacks one of OVERLAP or `measures`. Returns how many rows.

    The rows come in pages, so memory does not grow with their number, and each page is stored.
    """
    with needs("compare", "comparing answers"):
        import nltk  # noqa: F401 - the workers use it

        _rouge()
    done = 0
    with _mapping(workers) as mapped:
        for page in store.to_measure([*OVERLAP, *measures]):
            pairs = [(old, new) for _, old, new in page]
            values = list(mapped(pairs))
            for name, measure in measures.items():
                for of, value in zip(values, measure(pairs), strict=True):
                    of[name] = value
            store.write_measures({row: of for (row, _, _), of in zip(page, values, strict=True)})
            done += len(page)
            on_page(done)
    return done


@contextmanager
def _mapping(workers: int) -> Iterator[Callable[[Pairs], Iterable[dict[str, float]]]]:
    """`overlap` over pairs: in so many processes, or in this one."""
    if workers == 1:
        yield partial(map, overlap)
        return
    # spawn, because a process with the threads of models and store cannot be forked safely.
    with ProcessPoolExecutor(workers, get_context("spawn"), _end_with_parent) as pool:
        # Starting the resource tracker unblocks the signals in this thread, so it comes first.
        resource_tracker.ensure_running()

        def mapped(pairs: Pairs) -> Iterable[dict[str, float]]:
            with interrupts.held_back():  # the pool starts a process when it has work for it
                return pool.map(overlap, pairs, chunksize=16)

        yield mapped


def _end_with_parent() -> None:
    """Prepares a worker process: the parent handles Ctrl-C, and the worker ends with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    interrupts.let_through()
    Thread(target=_watch, daemon=True).start()


def _watch() -> None:
    if parent := parent_process():
        parent.join()
        os._exit(1)


def overlap(pair: tuple[str, str]) -> dict[str, float]:
    """The measures of OVERLAP for an (old, new) answer."""
    from nltk.translate.gleu_score import sentence_gleu

    old, new = pair
    found = {name: of.fmeasure for name, of in _rouge().score(old, new).items()}
    found["gleu"] = float(sentence_gleu([old.split()], new.split())) if new.split() else 0.0
    found["length_ratio"] = len(new) / len(old)
    return found


@cache
def _rouge() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rouge1", "rouge2", "rougeL"])


def similarity(path: Path, gpu_layers: int = 0) -> Measure:
    """The measure by the embedding model in this GGUF file."""
    from sysgen_local.engine.llama.embed import Embedder

    model = Embedder(path, gpu_layers=gpu_layers)

    def measure(pairs: Pairs) -> list[float]:
        old, new = (model.embed([pair[i] for pair in pairs]) for i in (0, 1))
        return [float(value) for value in (old * new).sum(axis=1)]

    return measure


def bertscore(model: str, layer: int | None, device: str | None = None) -> Measure:
    """The measure by the library bert-score, with a model of transformers (a name or a folder).
    `layer` is the layer whose states are compared; needed if the library does not know the model.
    """
    with needs("bertscore", "BERTScore"):
        from bert_score import BERTScorer

    scorer = BERTScorer(model_type=model, num_layers=layer, device=device)

    def measure(pairs: Pairs) -> list[float]:
        old, new = zip(*pairs, strict=True)
        _, _, f1 = scorer.score(list(new), list(old))
        return [float(value) for value in f1]

    return measure
