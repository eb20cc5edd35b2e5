"""SysBench's numbers: those of the published runs, and what is refused."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys

import pytest
from places import DATA

from sysgen_local.core.errors import UsageError
from sysgen_local.evaluation.benchmarks.sysbench import JudgedSession, JudgedTurn, score
from sysgen_local.evaluation.benchmarks.verdicts import read_verdicts

SYSBENCH = DATA / "sysbench"
SESSIONS = SYSBENCH / "sysbench_structure.jsonl.gz"
RUNS = ("gpt35", "gpt4o", "gt__qwen2_72b", "llama3_8b", "qwen2_72b")
GROUPS = ("total", "dependent", "parallel")
EXACT = 1e-9


@pytest.mark.parametrize("run", RUNS)
def test_published_run(run):
    expected = json.loads((SYSBENCH / f"expected_{run}.json").read_text())
    scores = score(read_verdicts(SESSIONS, SYSBENCH / f"verdicts_{run}.jsonl.gz"))
    official = expected["official_plot_functions"]
    same(scores["csr"], official["tab6_csr"])
    assert scores["csr"]["total"] == pytest.approx(official["tab2_overall"]["CSR"], abs=EXACT)
    assert scores["isr"]["total"] == pytest.approx(official["tab2_overall"]["ISR"], abs=EXACT)
    assert scores["ssr"]["total"] == pytest.approx(official["tab2_overall"]["SSR"], abs=EXACT)
    same(scores["isr"], official["tab3_isr"])
    for group, of in official.get("tab7_isr", {}).items():
        prefix = "" if group == "total" else f"{group}/"
        for name, value in of.items():
            key = group if name == "total" else f"{prefix}{name}"
            assert scores["isr"][key] == pytest.approx(value, abs=EXACT), key
    for group in ("dependent", "parallel"):
        rounds = {k: v for k, v in official["tab4_turn"][group].items() if k != "SSR"}
        same(scores["rounds"][group], rounds)
        assert scores["ssr"][group] == pytest.approx(official["tab4_turn"][group]["SSR"], abs=EXACT)
        same(scores["rounds"][group], official["fig5_isr_per_turn"][group])
    macro = expected["csr_macro_over_instructions_paper_formula"]
    assert scores["csr_macro"] == pytest.approx(macro, abs=EXACT)
    assert scores["counts"]["neither_yes_nor_no"] == expected["non_binary_verdicts"]
    for name, found in (("lenient", scores), ("strict", scores["strict"])):
        exact(found, expected["exact_counts"][name])


def same(found, expected):
    assert expected
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=EXACT), name


def exact(found, counts):
    for name, (part, whole) in counts["isr"].items():
        group, alignment = name.split("/")
        key = (
            group
            if alignment == "total"
            else alignment
            if group == "total"
            else f"{group}/{alignment}"
        )
        assert found["isr"][key] == pytest.approx(part / whole, abs=EXACT), name
    for group in GROUPS:
        part, whole = counts["ssr"][group]
        assert found["ssr"][group] == pytest.approx(part / whole, abs=EXACT)
        for letter, key in (("R", "r1_r5_consecutive"), ("T", "isr_per_round")):
            for n, (part, whole) in enumerate(counts[key][group], 1):
                value = found["rounds"][group][f"{letter}{n}"]
                assert value == pytest.approx(part / whole, abs=EXACT), (group, letter, n)


def test_the_command_prints_what_the_function_counts():
    files = SESSIONS, SYSBENCH / "verdicts_gpt4o.jsonl.gz"
    command = [sys.executable, "-m", "sysgen_local.cli.main", "evaluate", "sysbench"]
    command += ["--structure", files[0], "--verdicts", files[1]]

    def said(*more: str) -> str:
        return subprocess.run(
            [*command, *more], capture_output=True, text=True, check=True, timeout=120
        ).stdout

    assert json.loads(said("--json")) == score(read_verdicts(*files))
    assert "CSR" in said()


def turn(*marks, alignment="aligned", kind="action"):
    return JudgedTurn(alignment, tuple((kind, mark) for mark in marks))


def test_what_is_neither_yes_nor_no():
    """It fails neither the usable flag nor passes the strict one, and is not satisfied."""
    scores = score([JudgedSession("1", "dependent", (turn("yes", "not applicable"), turn("no")))])
    assert scores["csr"]["total"] == 1 / 3
    assert scores["isr"]["total"] == 1 / 2
    assert scores["ssr"] == {"total": 1 / 2, "dependent": 1 / 2, "parallel": None}
    assert scores["strict"]["isr"]["total"] == 0
    assert scores["csr"]["style"] is None
    assert scores["isr"]["misaligned"] is None
    assert scores["counts"]["neither_yes_nor_no"] == 1


def test_nothing_judged_is_no_zero():
    scores = score([])
    assert scores["csr"]["total"] is None
    assert scores["ssr"]["total"] is None
    assert scores["rounds"]["total"]["R5"] is None


STRUCTURE = {
    "system_id": 1,
    "multi_turn": "parallel",
    "turns": [
        {"round": 1, "alignment": "aligned", "types": ["action", "style"]},
        {"round": 2, "alignment": "misaligned", "types": ["role"]},
    ],
}
VERDICTS = [
    {"system_id": 1, "round": 2, "verdicts": ["是"]},
    {"system_id": 1, "round": 1, "verdicts": [True, "no"]},
]


def written(tmp_path, structure=STRUCTURE, verdicts=VERDICTS):
    files = tmp_path / "structure.jsonl", tmp_path / "verdicts.json.gz"
    files[0].write_text(json.dumps(structure) + "\n")
    files[1].write_bytes(gzip.compress(json.dumps(verdicts).encode()))
    return files


def test_in_any_order_and_spelling(tmp_path):
    scores = score(read_verdicts(*written(tmp_path)))
    assert scores["csr"]["total"] == 2 / 3
    assert scores["isr"]["misaligned"] == 1
    assert scores["ssr"]["parallel"] == 0


@pytest.mark.parametrize(
    ("structure", "verdicts", "says"),
    [
        (STRUCTURE, VERDICTS[:1], "lacks session 1, round 1"),
        (STRUCTURE, [*VERDICTS, VERDICTS[0]], "is there already"),
        (STRUCTURE, [VERDICTS[0], VERDICTS[1] | {"verdicts": [1]}], "1 verdicts for the 2"),
        (STRUCTURE, [VERDICTS[0], VERDICTS[1] | {"verdicts": [1, None]}], "no verdict"),
        (STRUCTURE, [VERDICTS[0], VERDICTS[1] | {"verdicts": [1, 2]}], "no verdict"),
        (STRUCTURE, [*VERDICTS, {"system_id": 2, "round": 1, "verdicts": [1]}], "is not in"),
        (STRUCTURE, [{"round": 1, "verdicts": [1]}], "system_id"),
        (STRUCTURE | {"multi_turn": "neither"}, VERDICTS, "multi_turn"),
        (
            STRUCTURE | {"turns": [{"round": 1, "alignment": "aligned"}]},
            VERDICTS,
            "types: Field required",
        ),
        (
            STRUCTURE | {"turns": [{"round": 1, "alignment": "aligned", "types": ["tone"]}]},
            VERDICTS,
            "types.0",
        ),
    ],
)
def test_bad_files_are_refused(tmp_path, structure, verdicts, says):
    with pytest.raises(UsageError, match=says.replace("(", "\\(")):
        read_verdicts(*written(tmp_path, structure, verdicts))
