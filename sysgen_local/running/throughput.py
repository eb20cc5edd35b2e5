"""Tokens of prompts and answers per second on this machine, by the settings of the engine.

Measured with the engine of a run, in a second or some for each setting. Rows an hour are estimated
from it for a typical row. What `sysgen bench` measured best is noted (`models.measured`), and so
are the settings that are fastest: a run takes these.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from math import inf
from pathlib import Path
from typing import Literal

from sysgen_local.core.errors import MemoryShortError, SysgenError
from sysgen_local.core.model_files import ModelFiles
from sysgen_local.core.server import Server
from sysgen_local.engine.factory import is_on_gpu, keeping_weights, open_engine
from sysgen_local.engine.options import BATCH, Options
from sysgen_local.engine.request import (
    Choice,
    Engine,
    Loaded,
    Message,
    Request,
    Sampling,
    Segment,
    Telling,
)
from sysgen_local.models import fingerprint, measured
from sysgen_local.models.measured import Settings

READ, WRITTEN = 700, 330
"""Tokens of a typical row over the paper's four phases: an instruction and an answer of 300 tokens
together, seven phrases judged, an answer of 200 tokens. A shared prefix costs nothing."""

PROMPT, ANSWER = 300, 48
"""Tokens of a request in the measurement."""

CONTEXT = 1024

SAMPLING = Sampling(temperature=0.7, top_k=20, top_p=0.8)
"""As most models of the catalogue are sampled."""

SLOTS = (16, 32, 48, 64, 96, 128)
BATCHES = (1024, 2048)
"""What is tried in turn for the fastest settings."""

MOST_MISSES = 2
"""After so many numbers of slots that gain nothing, no larger one is tried."""

MOST_SECONDS = 20.0
"""A run tries no more settings after this time."""

MOST_SLOTS = 240

GAIN = 1.03
"""A setting that gains less is not taken: measurements differ by as much."""

FEWEST_ROWS = 500
"""A run of fewer rows does not look for the fastest settings: it would not win back the time."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Rates:
    """Tokens/s with so many slots busy: prompts read, answers written. `load_seconds`: time to load
    the model. `device`: `cpu`, `gpu (33 layers)`, or `server`."""

    slots: int
    prefill: float
    decode: float
    load_seconds: float = 0.0
    device: str = "cpu"

    @property
    def rows_an_hour(self) -> float:
        """Of typical rows (READ, WRITTEN); 0 of a model that wrote nothing."""
        if not self.decode:
            return 0.0
        return 3600 / (READ / self.prefill + WRITTEN / self.decode)


def measure(model: ModelFiles | Server, options: Options, say: Say = lambda line: None) -> Rates:
    """The rates with the options' slots, or as many of the wanted ones as there is memory for.
    `say` is given lines about servers. Raises as `open_engine`."""
    engine = open_engine(model, replace(options, context=CONTEXT), say)
    try:
        slots = engine.load().slots if isinstance(engine, Telling) else 0
        slots = options.slots or slots
        _work(engine, [_write(i, 1) for i in range(slots)])  # warm
        seconds, read, _ = _work(engine, [_read(i) for i in range(max(2, slots))])
        start, _, first = _work(engine, [_write(i, 1) for i in range(slots)])
        whole, _, all_ = _work(engine, [_write(i, ANSWER) for i in range(slots)])
        # Beside other work the few tokens can take longer than the many: then nothing is deducted.
        decode = (all_ - first) / (whole - start) if whole > start else all_ / whole
        if not isinstance(engine, Loaded):
            return Rates(slots, read / seconds, decode, device="server")
        return Rates(slots, read / seconds, decode, engine.load_seconds, engine.device)
    finally:
        engine.close()


def note_best(path: Path, rates: Sequence[Rates]) -> None:
    """Notes the rates with the most rows an hour for this model file; none of a model that wrote
    nothing. Raises SysgenError as `measured.note`."""
    best = max(rates, key=lambda of: of.rows_an_hour)
    if best.rows_an_hour:
        # Later ones find the file in the system's cache.
        _note(path, "bench", replace(best, load_seconds=rates[0].load_seconds))


def fastest_settings(
    model: ModelFiles,
    options: Options,
    say: Callable[[Settings, Rates], None] = lambda settings, rates: None,
    most_seconds: float = inf,
) -> tuple[Settings, Rates] | None:
    """Tries settings on this machine. Returns the fastest ones and their rates; None for a model
    that wrote nothing. `say` is given each that was tried.

    It tries more slots, then larger batches, then with a GPU sampling during decoding and picking
    tokens on the device, and takes each change that gains 3 %. On a large GPU that takes about ten
    seconds. After `most_seconds` nothing more is tried. Raises as `open_engine` where not even the
    first can be tried.
    """
    # What is found is kept for other runs too, so it must not depend on the rows of this one.
    options = replace(options, lengths=(), longest=None, least=None, late_rows=None)
    search = _Search(model, options, say, time.monotonic() + most_seconds)
    with keeping_weights():
        search.tries(Settings(SLOTS[0], options.batch or BATCH, overlap=False, on_device=False))
        misses = 0
        for slots in SLOTS[1:]:
            misses = 0 if search.tries(replace(search.best, slots=slots)) else misses + 1
            if misses == MOST_MISSES or search.is_full:
                break
        for batch in BATCHES:
            if not search.tries(replace(search.best, batch=batch)):
                break
        if search.rates.device != "cpu":
            if not search.tries(replace(search.best, overlap=True)):
                twice = min(2 * search.best.slots, MOST_SLOTS)  # a step has half of them then
                search.tries(replace(search.best, overlap=True, slots=twice))
            search.tries(replace(search.best, on_device=True))
    return (search.best, search.rates) if search.rates.rows_an_hour else None


class _Search:
    """The best settings so far and their rates. `is_full`: there is no memory for more slots."""

    best: Settings
    rates: Rates

    def __init__(
        self,
        model: ModelFiles,
        options: Options,
        say: Callable[[Settings, Rates], None],
        until: float,
    ) -> None:
        self.is_full = False
        self._model = model
        self._options = options
        self._say = say
        self._until = until
        self._tried: set[Settings] = set()

    def tries(self, settings: Settings) -> bool:
        """Whether these settings are better. They are not tried where they were before, or where
        the time is over. Raises as `open_engine` where the first cannot be tried."""
        is_first = not self._tried
        if settings in self._tried or (not is_first and time.monotonic() > self._until):
            return False
        self._tried.add(settings)
        of = asdict(settings)
        try:
            rates = measure(self._model, replace(self._options, wanted_slots=of.pop("slots"), **of))
        except MemoryShortError:
            if is_first:
                raise
            self.is_full = True
            return False
        self.is_full = rates.slots < settings.slots
        settings = replace(settings, slots=rates.slots)
        self._say(settings, rates)
        if not is_first and rates.rows_an_hour < GAIN * self.rates.rows_an_hour:
            return False
        self.best, self.rates = settings, rates
        return True


def note_settings(path: Path, settings: Settings, rates: Rates) -> None:
    """Notes the fastest settings for this model file. Raises SysgenError as `measured.note`."""
    _note(path, "settings", rates, settings)


def with_fastest_settings(
    model: ModelFiles, options: Options, rows: int, say: Say = lambda line: None
) -> Options:
    """The options for `rows` rows with the settings that are fastest for the model on this machine,
    as far as they are known, the user has set none, and the run has the machine to itself. Where
    the whole model is on a GPU, they are found out before the first run of many rows; otherwise the
    defaults do well.

    `say` is given lines about that. Raises as `open_engine`.
    """
    given = (options.slots, options.batch, options.gpu_layers, options.overlap, options.on_device)
    if any(of is not None for of in given) or options.memory_share < 1:
        return options
    known = measured.noted(fingerprint(model.path))
    settings = known.settings.settings if known and known.settings else None
    if settings is None:
        if rows < FEWEST_ROWS or not is_on_gpu(model):
            return options
        say(f"finding the fastest settings for {model.path.name} here, once, in ten seconds or so")
        try:
            found = fastest_settings(model, options, most_seconds=MOST_SECONDS)
        except MemoryShortError as error:  # the run may do with fewer slots, or say so itself
            say(f"none were found: {error.message}")
            return options
        if found is None:
            return options
        settings, rates = found
        say(f"{settings} (`sysgen bench --settings` finds them anew)")
        try:
            note_settings(model.path, settings, rates)
        except SysgenError as error:  # the run goes on with them all the same
            say(str(error))
    return replace(
        options,
        wanted_slots=settings.slots,
        batch=settings.batch,
        overlap=settings.overlap,
        on_device=settings.on_device,
    )


def _note(
    path: Path, by: Literal["bench", "settings"], rates: Rates, settings: Settings | None = None
) -> None:
    measured.note(
        file=path.name,
        fingerprint=fingerprint(path),
        by=by,
        checked=False,
        rows_an_hour=rates.rows_an_hour,
        read=rates.prefill,
        written=rates.decode,
        load_seconds=rates.load_seconds,
        device=rates.device,
        settings=settings,
    )


def _work(engine: Engine, requests: Iterable[Request]) -> tuple[float, int, int]:
    """(seconds, tokens read, tokens written). What the KV cache had is not read, as far as the
    engine says so."""
    started = time.perf_counter()
    read = written = 0
    for of in engine.complete(requests):
        read += of.tokens_in if of.tokens_decoded is None else of.tokens_decoded
        written += of.tokens_out
    return time.perf_counter() - started, read, written


def _read(i: int) -> Request:
    """A prompt of its own that is only read."""
    text = f"Case {i}. " + " ".join(f"{(i + 3) * k * 7919 % 1000}" for k in range(PROMPT // 4))
    return Request(f"{i}", "read", (_user(text),), Choice(("yes", "no")))


def _write(i: int, tokens: int) -> Request:
    """A short prompt with a long answer."""
    text = f"Explain step by step how rain number {i + 1} forms. Write a numbered list."
    return Request(f"{i}", "write", (_user(text),), sampling=SAMPLING, max_tokens=tokens, seed=i)


def _user(text: str) -> Message:
    return Message("user", (Segment(text),))
