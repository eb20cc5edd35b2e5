"""The search for the fastest settings, with scripted rates; `test_bench` has real ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sysgen_local.core.errors import MemoryShortError
from sysgen_local.core.model_files import ModelFiles
from sysgen_local.engine.options import Options
from sysgen_local.models import fingerprint, measured
from sysgen_local.models.measured import Settings
from sysgen_local.running import throughput
from sysgen_local.running.throughput import Rates, fastest_settings, with_fastest_settings

PLAIN = Settings(16, 512, overlap=False, on_device=False)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SYSGEN_MEASURED", str(tmp_path / "measured.json"))
    return tmp_path / "measured.json"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch):
    """A machine that is as fast as a function of the settings says; returns what was tried."""

    def made(speed, device: str = "gpu (24 layers)", most_slots: int = 240) -> list[Settings]:
        tried: list[Settings] = []

        def measure(model, options, say=None) -> Rates:
            slots = min(options.wanted_slots, options.late_rows or most_slots, most_slots)
            of = Settings(slots, options.batch, options.overlap, options.on_device)
            tried.append(of)
            return Rates(slots, 1e9, speed(of), 1.0, device)

        monkeypatch.setattr(throughput, "measure", measure)
        monkeypatch.setattr(throughput, "is_on_gpu", lambda files: device != "cpu")
        return tried

    return made


@pytest.fixture
def files(builtin: Path) -> ModelFiles:
    return ModelFiles(builtin)


@pytest.mark.parametrize(
    ("speed", "found"),
    [
        (lambda of: 100.0, PLAIN),
        (lambda of: 100.0 + of.slots / 16, replace(PLAIN, slots=16)),  # less than 3 % more
        (lambda of: 10.0 * min(of.slots, 128), replace(PLAIN, slots=128)),
        # One number of slots may be measured too slow, and a larger one gains all the same.
        (lambda of: 10.0 * of.slots * (of.slots in (16, 48)) + 1, replace(PLAIN, slots=48)),
        (lambda of: 10.0 * min(of.slots, 32) + of.batch, Settings(32, 2048, False, False)),
        (lambda of: 100.0 + 50 * of.overlap, replace(PLAIN, overlap=True)),
        (lambda of: 100.0 + 50 * of.on_device, replace(PLAIN, on_device=True)),
        # Halves pay only with more slots than are best without.
        (
            lambda of: 100.0 * (1.5 if of.overlap and of.slots > 16 else 1 - of.overlap / 2),
            replace(PLAIN, slots=32, overlap=True),
        ),
    ],
)
def test_it_goes_on_from_the_best_so_far(builtin: Path, machine, speed, found):
    tried = machine(speed)
    settings, rates = fastest_settings(ModelFiles(builtin, ()), Options())
    assert settings == found
    assert rates.decode == speed(found)
    assert len(tried) == len(set(tried)) <= 12


def test_a_cpu_is_not_asked_for_what_only_a_gpu_needs(builtin: Path, machine):
    tried = machine(lambda of: 10.0 * of.slots, "cpu")
    fastest_settings(ModelFiles(builtin, ()), Options())
    assert [of.slots for of in tried] == [16, 32, 48, 64, 96, 128, 128]
    assert not any(of.overlap or of.on_device for of in tried)


def test_slots_for_which_memory_is_short_are_not_taken(builtin: Path, machine):
    tried = machine(lambda of: 10.0 * of.slots, most_slots=40)
    settings, _ = fastest_settings(ModelFiles(builtin, ()), Options())
    assert settings.slots == 40
    assert max(of.slots for of in tried) == 40


def test_the_search_ends_after_its_time(builtin: Path, machine, monkeypatch):
    tried = machine(lambda of: 10.0 * of.slots)
    now = iter(range(0, 1000, 7))
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    settings, _ = fastest_settings(ModelFiles(builtin, ()), Options(), most_seconds=20)
    assert [of.slots for of in tried] == [16, 32, 48]
    assert settings == tried[-1]


@pytest.mark.parametrize("first", [True, False])
def test_a_search_without_memory_costs_no_run(files: ModelFiles, kept: Path, machine, first):
    def speed(of: Settings) -> float:
        if first or of.slots > 32:
            raise MemoryShortError("no room")
        return 10.0 * of.slots

    machine(speed)
    said: list[str] = []
    found = with_fastest_settings(files, Options(), 999, said.append)
    assert found.wanted_slots == (None if first else 32)
    assert ("none were found: no room" in said) is first


def test_a_model_that_writes_nothing_has_none(builtin: Path, machine):
    machine(lambda of: 0.0)
    assert fastest_settings(ModelFiles(builtin, ()), Options()) is None


def test_a_run_of_many_rows_on_a_gpu_finds_them_once(
    builtin: Path, files: ModelFiles, kept: Path, machine
):
    tried = machine(lambda of: 10.0 * min(of.slots, 64) + 99 * of.overlap)
    said: list[str] = []
    options = Options(context=2048)
    assert with_fastest_settings(files, options, 499, said.append) == options
    assert not tried
    found = with_fastest_settings(files, options, 500, said.append)
    assert found == replace(options, wanted_slots=64, batch=512, overlap=True, on_device=False)
    assert [line.split()[0] for line in said] == ["finding", "64"]
    tried.clear()
    assert with_fastest_settings(files, options, 3) == found
    assert not tried
    noted = measured.noted(fingerprint(builtin))
    assert noted.plain == noted.settings == noted.newest
    assert noted.settings.settings == Settings(64, 512, overlap=True, on_device=False)


def test_what_is_found_does_not_depend_on_the_rows(files: ModelFiles, kept: Path, machine):
    """A worker may join when only a few long rows are left."""
    machine(lambda of: 10.0 * min(of.slots, 64))
    options = Options(lengths=((30000, 2),), least=32768, late_rows=2)
    found = with_fastest_settings(files, options, 999)
    assert found == replace(options, wanted_slots=64, batch=512, overlap=False, on_device=False)


@pytest.mark.parametrize(
    "given",
    [{"slots": 4}, {"batch": 64}, {"gpu_layers": 0}, {"overlap": False}, {"memory_share": 0.5}],
    ids=str,
)
def test_what_the_user_set_is_kept(files: ModelFiles, kept: Path, machine, given):
    tried = machine(lambda of: 1.0)
    options = Options(**given)
    assert with_fastest_settings(files, options, 9999) == options
    assert not tried


def test_a_machine_without_a_gpu_has_its_own(files: ModelFiles, kept: Path, machine):
    tried = machine(lambda of: 1.0, "cpu")
    assert with_fastest_settings(files, Options(), 9999) == Options()
    assert not tried


def test_what_cannot_be_noted_is_used_all_the_same(
    files: ModelFiles, tmp_path, monkeypatch, machine
):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SYSGEN_MEASURED", str(tmp_path / "file" / "measured.json"))
    machine(lambda of: 10.0 * min(of.slots, 128))
    said: list[str] = []
    assert with_fastest_settings(files, Options(), 999, said.append).wanted_slots == 128
    assert "could not be noted" in said[-1]
