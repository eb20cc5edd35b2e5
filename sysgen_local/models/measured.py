"""The measured speed of models on this machine: noted by `sysgen bench` and by runs, and read by
`sysgen models list`, by the forecast of a run, and by runs for the fastest settings.

One small JSON file holds the measurements: the file that SYSGEN_MEASURED names, else
`$XDG_CACHE_HOME/sysgen/measured.json` (`~/.cache/...`). A measurement belongs to a model file (by
its fingerprint, see `gguf_file.fingerprint`) and to a machine (by its processor and GPUs), since
several machines may share a home folder. Of measurements of the same kind the newest one is kept.

    known = noted(fingerprint(path))
    if known and known.checked:
        hours = rows / known.checked.rows_an_hour
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal

from sysgen_local.core.errors import SysgenError
from sysgen_local.core.files import write

Say = Callable[[str], None]
By = Literal["bench", "settings", "run"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How the engine is set: see `engine.options.Options`."""

    slots: int
    batch: int
    overlap: bool
    on_device: bool

    def __str__(self) -> str:
        ways = [
            *(["sampling during decoding"] if self.overlap else []),
            *(["the GPU picks the 64 best tokens"] if self.on_device else []),
        ]
        return ", ".join([f"{self.slots} slots, {self.batch} tokens a step", *ways])


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measurement of one model file.

    `file` is the file's name, `fingerprint` its identity. `by` is what measured: `bench` works on
    prompts of its own and estimates the rows an hour of a typical row; `settings` does so for the
    fastest of several `settings`, which runs then take; `run` counts the rows of a real run,
    dropped ones included. `checked`: the rows an hour include the checks of phase 5.

    `read` and `written` are tokens per second of prompts and answers. Of `bench` these are the
    rates while it only reads or only writes. Of `run` they are the tokens of the run divided by its
    whole time, so their ratio is that of the rows. `load_seconds`: time to load the model, in
    seconds. `rows`: rows that were counted; 0 for `bench`. `device`: `cpu`, or `gpu (33 layers)`.
    `version` is that of sysgen-local; `date` is in UTC, in ISO 8601, to the second.
    """

    file: str
    fingerprint: str
    by: By
    checked: bool
    rows_an_hour: float
    read: float
    written: float
    load_seconds: float
    rows: int
    device: str
    version: str
    date: str
    settings: Settings | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known about the speed of one model here; at least one of the four is there.

    `run` is of a run without checks, `checked` of a run with checks, `bench` of `sysgen bench`,
    `settings` of the fastest settings.
    """

    run: Measurement | None = None
    checked: Measurement | None = None
    bench: Measurement | None = None
    settings: Measurement | None = None

    @property
    def plain(self) -> Measurement | None:
        """Rows an hour without checks: of a run if there was one, else estimated."""
        return self.run or self.bench or self.settings

    @property
    def _all(self) -> tuple[Measurement | None, ...]:
        return self.run, self.checked, self.bench, self.settings

    @property
    def newest(self) -> Measurement:
        """The measurement that was made last."""
        return max((m for m in self._all if m), key=lambda m: m.date)


def noted(fingerprint: str, say: Say = lambda line: None) -> Measured | None:
    """What was measured of the file with this fingerprint, on this machine; None if nothing was.
    `say` is given a line where the file of measurements cannot be read; nothing is raised then."""
    return all_noted(say).get(fingerprint)


def all_noted(say: Say = lambda line: None) -> dict[str, Measured]:
    """Everything that was measured on this machine, by fingerprint. `say` as in `noted`."""
    kinds: dict[str, dict[str, Measurement]] = {}
    for measurement in _read(say).get(machine(), []):
        kinds.setdefault(measurement.fingerprint, {})[_kind(measurement)] = measurement
    return {fingerprint: Measured(**by_kind) for fingerprint, by_kind in kinds.items()}


def note(
    *,
    file: str,
    fingerprint: str,
    by: By,
    checked: bool,
    rows_an_hour: float,
    read: float,
    written: float,
    load_seconds: float,
    device: str,
    rows: int = 0,
    settings: Settings | None = None,
) -> None:
    """Keeps a measurement made now; see `Measurement` for the values. An earlier one of the same
    kind is replaced. Processes that write at the same time wait for each other.

    Raises SysgenError where the file cannot be written.
    """
    from filelock import FileLock, Timeout

    from sysgen_local import __version__

    made = Measurement(
        file=file,
        fingerprint=fingerprint,
        by=by,
        checked=checked,
        rows_an_hour=round(rows_an_hour, 2),
        read=round(read, 2),
        written=round(written, 2),
        load_seconds=round(load_seconds, 2),
        rows=rows,
        device=device,
        version=__version__,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        settings=settings,
    )
    path = file_of_measurements()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock"), timeout=10):
            known = _read(lambda line: None)
            here = known.get(machine(), [])
            known[machine()] = [
                *(m for m in here if (m.fingerprint, _kind(m)) != (fingerprint, _kind(made))),
                made,
            ]
            write(path, _as_json(known))
    except (OSError, Timeout, NotImplementedError) as error:  # the last: no locks on this disk
        raise SysgenError(
            f"the measured speed could not be noted in {path}: {error}",
            hint="let SYSGEN_MEASURED name a file that you may write to",
        ) from error


def file_of_measurements() -> Path:
    """Where the measurements are kept."""
    if named := os.environ.get("SYSGEN_MEASURED"):
        return Path(named).expanduser()
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "sysgen" / "measured.json"


@cache
def machine() -> str:
    """Processor, threads and GPUs of this machine, as in "AMD EPYC 9B14, 8 threads, NVIDIA L4"."""
    from sysgen_local.engine.llama.devices import devices

    found = devices()
    processor = next((d.description for d in found if d.kind == "cpu"), "unknown processor")
    gpus = [d.description for d in found if d.kind in ("gpu", "igpu")]
    return ", ".join([processor.strip(), f"{os.cpu_count()} threads", *gpus])


def _kind(measurement: Measurement) -> str:
    """The name of the field of `Measured` that it goes into."""
    if measurement.by != "run":
        return measurement.by
    return "checked" if measurement.checked else "run"


def _read(say: Say) -> dict[str, list[Measurement]]:
    """Machine -> its measurements. Empty where there is no file yet, or where it is damaged."""
    path = file_of_measurements()
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): list(_measurements(of)) for name, of in document["machines"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is damaged"
        say(f"the measurements in {path} are left out: {why}")
        return {}


def _measurements(rows: Iterable[Any]) -> Iterable[Measurement]:
    """The measurements of these JSON objects. An object of another version is left out."""
    from pydantic import TypeAdapter, ValidationError

    adapter = TypeAdapter(Measurement)
    for row in rows:
        with suppress(ValidationError):
            yield adapter.validate_python(row)


def _as_json(known: dict[str, list[Measurement]]) -> str:
    machines = {name: [asdict(m) for m in of] for name, of in known.items()}
    return json.dumps({"machines": machines}, indent=1, ensure_ascii=False)
