"""The file of measured speeds: what is noted is found again, here and by no other machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

from sysgen_local.core.errors import SysgenError
from sysgen_local.models import measured

ALL_LEFT_OUT = "the measurements in {} are left out: "


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "folder" / "measured.json"
    monkeypatch.setenv("SYSGEN_MEASURED", str(path))
    return path


def note(fingerprint: str = "f" * 64, rows_an_hour: float = 100.0, **other: object) -> None:
    values = {
        "file": "m.gguf", "by": "run", "checked": False, "read": 50.0, "written": 20.0,
        "load_seconds": 1.5, "device": "cpu", "rows": 40,
    }  # fmt: skip
    measured.note(fingerprint=fingerprint, rows_an_hour=rows_an_hour, **(values | other))


def test_nothing_is_known_before_and_no_file_is_made(kept: Path) -> None:
    said: list[str] = []
    assert measured.noted("f" * 64, said.append) is None
    assert not said
    assert not kept.parent.exists()


def test_each_kind_is_kept_and_the_newest_of_a_kind_replaces(kept: Path) -> None:
    note(rows_an_hour=100)
    note(rows_an_hour=60, checked=True)
    note(rows_an_hour=140, by="bench", rows=0)
    note(rows_an_hour=110)
    note("e" * 64, 7)
    known = measured.noted("f" * 64)
    assert known is not None
    assert known.run
    assert known.checked
    assert known.bench
    assert (known.run.rows_an_hour, known.checked.rows_an_hour) == (110, 60)
    assert known.plain == known.run
    assert known.newest.date == max(m.date for m in (known.run, known.checked, known.bench))
    assert (known.run.file, known.run.device, known.run.rows) == ("m.gguf", "cpu", 40)
    assert set(measured.all_noted()) == {"f" * 64, "e" * 64}
    assert [p.name for p in kept.parent.iterdir() if p.suffix != ".lock"] == ["measured.json"]


def test_bench_alone_estimates_rows_without_checks(kept: Path) -> None:
    note(by="bench", rows=0)
    known = measured.noted("f" * 64)
    assert known is not None
    assert known.plain == known.bench
    assert known.checked is None


def test_another_machine_has_its_own(kept: Path) -> None:
    note()
    document = json.loads(kept.read_text())
    document["machines"] = {"another processor, 2 threads": document["machines"].popitem()[1]}
    kept.write_text(json.dumps(document))
    assert measured.noted("f" * 64) is None
    note(rows_an_hour=5)
    assert len(json.loads(kept.read_text())["machines"]) == 2


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"machines": 1}', '{"machines": {"m": 1}}', "\x00\xff"]
)
def test_a_damaged_file_is_left_out_with_one_line_and_then_replaced(kept: Path, text: str) -> None:
    kept.parent.mkdir()
    kept.write_bytes(text.encode("latin-1"))
    said: list[str] = []
    assert measured.noted("f" * 64, said.append) is None
    assert said == [ALL_LEFT_OUT.format(kept) + "it is damaged"]
    note()
    assert measured.noted("f" * 64) is not None


def test_a_measurement_of_another_form_is_left_out_alone(kept: Path) -> None:
    note()
    document = json.loads(kept.read_text())
    (rows,) = document["machines"].values()
    rows += [{"file": "other"}, 3, {**rows[0], "fingerprint": "e" * 64, "later": True}]
    kept.write_text(json.dumps(document))
    assert set(measured.all_noted()) == {"f" * 64, "e" * 64}


def test_a_place_that_cannot_be_written_is_an_error_with_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SYSGEN_MEASURED", str(tmp_path / "file" / "measured.json"))
    with pytest.raises(SysgenError, match="could not be noted") as raised:
        note()
    assert "SYSGEN_MEASURED" in str(raised.value.hint)
    said: list[str] = []
    assert measured.noted("f" * 64, said.append) is None


def test_processes_that_note_at_the_same_time_lose_nothing(kept: Path) -> None:
    program = (
        "import sys; from sysgen_local.models import measured\n"
        "for i in range(5):\n"
        "    measured.note(file='m.gguf', fingerprint=f'{sys.argv[1]}-{i}', by='run',\n"
        "        checked=True, rows_an_hour=1, read=1, written=1, load_seconds=1, device='cpu')"
    )
    started = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", program, str(n)], cwd=ROOT)
        for n in range(4)
    ]
    assert [process.wait(timeout=120) for process in started] == [0] * 4
    assert set(measured.all_noted()) == {f"{n}-{i}" for n in range(4) for i in range(5)}


def test_the_usual_place_is_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SYSGEN_MEASURED", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert measured.file_of_measurements() == tmp_path / "sysgen" / "measured.json"
