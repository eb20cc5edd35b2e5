"""Trainings on the report page: what was trained on what, and the curves of the loss."""

import io
import json

import pytest
from filled import fill

from sysgen_local.core.errors import UsageError
from sysgen_local.report.training_view import training_view
from sysgen_local.report.trainings import TrainingRecord, training_table
from sysgen_local.store import Store
from sysgen_local.training.folder import RECIPE, Point, add_point, read_curve, write_curve
from sysgen_local.workflows.report import report

RECIPES = {
    "base": "<b>base.gguf", "rows": 1200, "variant": "full", "finished": False,
    "schedule": {"method": "lora", "rank": 16, "epochs": 2.0, "learning_rate": 5e-4},
}  # fmt: skip
POINTS = [
    *(Point(n, 40, n / 20, 3.0 - n / 20, None, 1e-4, 100 * n, n) for n in range(1, 41)),
    Point(40, 40, 2.0, None, 1.25, None, 4000, 41.0),
]


def record(folder, recipe=RECIPES):
    folder.mkdir()
    (folder / RECIPE).write_text(json.dumps(recipe))
    write_curve(folder, POINTS)
    return folder


def test_the_table_has_the_losses_of_first_and_last_steps():
    table = training_table([TrainingRecord("mine", RECIPES, POINTS)])
    assert table.rows == (
        ("mine", "<b>base.gguf", "1,200", "full", "LoRA 16", "2", "0.0005", "2.875", "1.075",
         "1.250"),
    )  # fmt: skip
    assert table.notes[-1] == "mine has not finished"
    full = {**RECIPES, "finished": True, "schedule": {**RECIPES["schedule"], "method": "full"}}
    [line] = training_table([TrainingRecord("mine", full, [])]).rows
    assert line[4] == "every weight"
    assert line[-3:] == ("", "", "")


def test_the_page_shows_curves_and_held_out_rows(tmp_path):
    fill(tmp_path / "s.duckdb", 10)
    folders = [record(tmp_path / name) for name in ("one", "two")]
    with Store.open(tmp_path / "s.duckdb", read_only=True) as store:
        page = report(store, trainings=folders)
        assert "What was trained on what" not in report(store)
    assert "&lt;b&gt;base.gguf" in page
    assert str(tmp_path) not in page
    plot = page[page.index("<figcaption>Loss") :]
    plot = plot[: plot.index("</figure>")]
    assert plot.count('aria-roledescription="line mark"') >= 4
    assert plot.count('aria-roledescription="point"') == 2
    for name in ("one", "two"):
        assert f">{name}<" in plot


def test_a_folder_without_a_training_is_refused(tmp_path):
    fill(tmp_path / "s.duckdb", 2)
    with Store.open(tmp_path / "s.duckdb", read_only=True) as store:
        with pytest.raises(UsageError, match="holds no training"):
            report(store, trainings=[tmp_path])
        damaged = record(tmp_path / "damaged")
        (damaged / RECIPE).write_text('{"base": ')
        with pytest.raises(UsageError, match=r"recipe\.json is damaged"):
            report(store, trainings=[damaged])


def test_a_line_that_a_kill_cut_is_left_out(tmp_path):
    write_curve(tmp_path, POINTS[:3])
    with (tmp_path / "curve.jsonl").open("a") as file:
        file.write('{"step": 4, "ste')
    assert read_curve(tmp_path) == POINTS[:3]
    write_curve(tmp_path, POINTS[:3])
    add_point(tmp_path, POINTS[3])
    assert read_curve(tmp_path) == POINTS[:4]


def test_the_last_state_is_printed_once():
    stream = io.StringIO()
    with training_view(stream) as view:
        view.show(Point(1, 1, 1.0, 0.5, None, 1e-3, 10, 1.5))
    assert stream.getvalue().count("step 1 of 1 step") == 1
