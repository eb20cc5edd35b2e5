"""The folder of a training: what is temporary in it, and who may write to it."""

import json
import subprocess
import sys
import zipfile
from dataclasses import asdict
from pathlib import Path

import pytest

from sysgen_local.core.errors import UsageError
from sysgen_local.training.folder import (
    CHECKPOINTS,
    CURVE,
    Point,
    holds_something,
    last_checkpoint,
    locked,
    read_curve,
    scratch,
    write_curve,
)


def test_a_temporary_folder_stands_in_the_next_folder_that_exists(tmp_path):
    with scratch(tmp_path / "a" / "b") as new:
        assert new.parent == tmp_path
        assert not holds_something(tmp_path)
        with scratch(tmp_path) as other:
            assert new.exists()
            assert other.parent == tmp_path
    assert [*tmp_path.iterdir()] == []


def test_what_a_killed_process_left_is_removed(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    left = tmp_path / f".training-{int(ended.stdout)}-abc"
    left.mkdir()
    (left / "model-f16.gguf").write_bytes(b"cut")
    mine = tmp_path / ".training-notes"
    mine.mkdir()
    with scratch(tmp_path):
        assert not left.exists()
    assert [*tmp_path.iterdir()] == [mine]
    assert holds_something(tmp_path)


def test_a_place_where_no_folder_can_be_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="file is a file"), scratch(tmp_path / "file" / "out"):
        pass
    with pytest.raises(UsageError, match="/proc cannot be written to"), scratch(Path("/proc/out")):
        pass


def test_one_process_trains_in_a_folder(tmp_path):
    code = (
        "import sys; from pathlib import Path; from sysgen_local.training.folder import locked\n"
        "with locked(Path(sys.argv[1])): pass"
    )
    other = [sys.executable, "-c", code, str(tmp_path)]
    with locked(tmp_path):
        refused = subprocess.run(other, capture_output=True, text=True)
        assert f"another process trains in {tmp_path}" in refused.stderr
        assert not holds_something(tmp_path)
    subprocess.run(other, check=True)
    with pytest.raises(ValueError, match="mine"), locked(tmp_path):
        raise ValueError("mine")
    assert [*tmp_path.iterdir()] == []


def test_lines_of_a_curve_that_are_no_points_are_left_out(tmp_path):
    good = Point(1, 2, 0.5, float("nan"), None, 1e-3, 10, 1.5)
    write_curve(tmp_path, [good])
    bad = [{"step": "x"}, {**asdict(good), "steps": None}, {**asdict(good), "loss": "a"}, [], 7]
    with (tmp_path / CURVE).open("ab") as file:
        file.write("".join(json.dumps(of) + "\n" for of in bad).encode())
        file.write(b'{"step": 2, \xff')
    [found] = read_curve(tmp_path)
    assert (found.step, found.tokens) == (1, 10)


def make_checkpoint(folder, step):
    path = folder / CHECKPOINTS / f"checkpoint-{step}"
    path.mkdir(parents=True)
    header = json.dumps({"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()
    (path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(16))
    with zipfile.ZipFile(path / "optimizer.pt", "w") as file:
        file.writestr("data.pkl", bytes(100))
    (path / "trainer_state.json").write_text(json.dumps({"global_step": step}))
    return path


@pytest.mark.parametrize("kept", [0, 6, 40, -1])
@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "trainer_state.json"])
def test_the_newest_whole_checkpoint_is_taken(tmp_path, name, kept):
    first, second = make_checkpoint(tmp_path, 9), make_checkpoint(tmp_path, 10)
    assert last_checkpoint(tmp_path) == (10, second)
    cut = (second / name).read_bytes()[:kept]
    (second / name).write_bytes(cut)
    if name == "trainer_state.json" and kept == 40:
        (second / name).write_text("[]")
    assert last_checkpoint(tmp_path) == (9, first)
    assert not second.exists()
