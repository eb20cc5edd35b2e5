"""Whether judges can be trusted: figures worked out by hand, and what counts."""

from __future__ import annotations

import numpy as np
import pytest

from sysgen_local.core.intervals import share, wilson
from sysgen_local.evaluation.trust import (
    auc,
    calibration_error,
    cases,
    judge_name,
    kappa,
    more_needed,
    order_bias,
    trust,
)
from sysgen_local.report.trust import trust_tables, verdict
from sysgen_local.store import Compared, Label

FACTS = {0: {"model": "m", "prompt_set": "default"}}


def compared(row, said, judge_says="good", p=0.9, reviewer="ann", judge=0, **more):
    kind = "pair" if judge else "phrase"
    tag = None if judge else more.pop("tag", "style")
    label = Label(row, kind, said, reviewer, tag, None if judge else f"text {row}", **more)
    return Compared(label, judge, judge_says, p)


def test_kappa_by_hand():
    # Agreement 35 of 50. By chance: 25/50 * 30/50 + 25/50 * 20/50 = 0.5
    table = {("yes", "yes"): 20, ("yes", "no"): 5, ("no", "yes"): 10, ("no", "no"): 15}
    pairs = [pair for pair, n in table.items() for _ in range(n)]
    assert kappa(pairs) == pytest.approx((0.7 - 0.5) / (1 - 0.5))
    assert kappa([("a", "a"), ("b", "b"), ("c", "c")]) == 1
    assert kappa([("a", "b"), ("b", "a")]) == -1
    assert kappa([("a", "a")]) is None
    assert kappa([]) is None


def test_the_calibration_error_by_hand():
    scored = [(0.85, True), (0.85, False), (0.15, False), (1.0, True), (0.95, True)]
    # The bin of 0.8: |1.7 - 1|; of 0.1: |0.15 - 0|; of 0.9, with 1.0 in it: |1.95 - 2|
    assert calibration_error(scored) == pytest.approx((0.7 + 0.15 + 0.05) / 5)
    assert calibration_error([]) is None


def test_a_calibrated_judge_has_no_error_and_a_boastful_one_has():
    rng = np.random.default_rng(1)
    chances = rng.uniform(size=20_000)
    right = [(p, bool(rng.random() < p)) for p in chances]
    assert calibration_error(right) < 0.015
    boastful = [(min(1.0, p + 0.2), truth) for p, truth in right]
    # The mean of min(0.2, 1 - p) over [0, 1]: 0.8 * 0.2 + 0.2 * 0.1
    assert calibration_error(boastful) == pytest.approx(0.18, abs=0.01)


def alone(agreed, of):
    """The share of so many rows with one label each."""
    return share((row < agreed, 1) for row in range(of))


def test_so_many_more_labels_settle_it():
    for agreed, of in ((8, 10), (45, 60), (20, 20)):
        more = more_needed(alone(agreed, of))
        middle = sum(wilson(agreed, of)[1:]) / 2 if agreed < of else None
        if middle is not None:
            _, low, high = wilson(middle * (of + more), of + more)
            assert (high - low) / 2 == pytest.approx(0.05, abs=0.001)
    assert more_needed(alone(0, 0)) == 381
    assert more_needed(alone(3800, 4000)) == 0
    # Ten labels of each row that agree with one another tell as much as one of them.
    ten = share((10 * (row < 45), 10) for row in range(60))
    few = more_needed(alone(45, 60))
    assert more_needed(ten) == pytest.approx(10 * few, rel=0.12)
    assert more_needed(alone(20, 20)) > 50  # twenty that agree do not promise that all will


def test_only_labels_by_chance_with_an_opinion_and_a_verdict_count():
    labels = [
        compared(1, "good"),
        compared(2, "bad", random=False),
        compared(3, "unclear"),
        compared(4, "good")._replace(judge=None, verdict=None, p=None),
    ]
    found = trust(labels, FACTS, {})
    assert found["labels"]["phrase"] == {
        "all": 4, "asked_for_doubt": 1, "unclear": 1, "outdated": 1
    }  # fmt: skip
    assert found["labels"]["pair"]["all"] == 0
    assert found["judges"][0]["cases"] == 1


def test_the_word_of_most_reviewers_counts_else_that_of_the_first():
    labels = [compared(1, said, reviewer=who) for said, who in
              (("good", "ann"), ("bad", "bob"), ("bad", "cy"))]  # fmt: skip
    labels += [compared(2, "none", reviewer="bob"), compared(2, "good")]
    labels += [compared(3, "good"), compared(3, "good", reviewer="bob")]
    found, divided = cases(labels)
    assert [case.person for case in found] == ["bad", "none", "good"]
    assert divided == 2


def test_reviewers_are_compared_with_each_other_on_what_both_labelled():
    labels = [compared(n, "good" if n % 2 else "bad") for n in range(1, 11)]
    labels += [compared(n, "good" if n % 2 else "none", reviewer="bob") for n in range(5, 15)]
    labels += [compared(n, "good", reviewer="cy", random=False) for n in range(1, 11)]
    [pair] = trust(labels, FACTS, {})["reviewers"]
    assert pair["reviewers"] == ["ann", "bob"]
    assert (pair["cases"], pair["agreed"]) == (6, 3)  # the odd ones of 5 to 10


def sample(n, agree):
    """Of n phrases in n rows, the judge agrees on so many; people call every second one good."""
    for row in range(n):
        said = "good" if row % 2 else "bad"
        other = "bad" if row % 2 else "good"
        says = said if row < agree else other
        yield compared(row, said, says, 0.85 if says == "good" else 0.15,
                       tag="style" if row % 4 < 2 else "role")  # fmt: skip


def test_the_figures_of_a_judge():
    [judge] = trust([*sample(100, 80)], FACTS, {})["judges"]
    assert judge["agreement"]["share"] == 0.8
    assert (judge["agreement"]["low"], judge["agreement"]["high"]) == wilson(80, 100)[1:]
    # 40 and 40 agree, 10 and 10 do not: chance is one half
    assert judge["agreement"]["kappa"]["value"] == pytest.approx(0.6)
    # The standard error of kappa is that of agreement, over 1 - 0.5: 0.04 / 0.5
    assert judge["agreement"]["kappa"]["low"] == pytest.approx(0.6 - 1.96 * 0.08, abs=0.03)
    assert judge["auc"]["value"] == pytest.approx(0.8)
    assert judge["calibration_error"]["value"] == pytest.approx(0.05)
    assert judge["verdicts"] == {"bad": {"bad": 40, "good": 10}, "good": {"bad": 10, "good": 40}}
    assert {tag: of["cases"] for tag, of in judge["by_tag"].items()} == {"role": 50, "style": 50}
    filled = {of["start"]: (of["cases"], of["share"]) for of in judge["bins"] if of["cases"]}
    assert filled == {0.1: (50, 0.2), 0.8: (50, 0.8)}
    assert judge["more"] == more_needed(alone(80, 100))
    assert judge["order"] is None


def test_cases_of_one_row_are_drawn_together():
    """Ten phrases of each row with one verdict are no more evidence than one phrase."""
    alone = [*sample(40, 30)]
    many = [
        of._replace(label=Label(of.label.row, "phrase", of.label.said, "ann", "style", f"text {i}"))
        for of in alone for i in range(10)
    ]  # fmt: skip
    one, ten = (trust(labels, FACTS, {})["judges"][0] for labels in (alone, many))
    for figure in ("value", "low", "high"):
        assert ten["agreement"]["kappa"][figure] == pytest.approx(one["agreement"]["kappa"][figure])
    for figure in ("share", "low", "high"):  # of so few rows t is 3 % above z
        assert ten["agreement"][figure] == pytest.approx(one["agreement"][figure], abs=0.008)
        for many_, few in zip(ten["bins"], one["bins"], strict=True):
            if few["cases"]:
                assert many_[figure] == pytest.approx(few[figure], abs=0.03)


def test_the_bias_of_the_order():
    bias = order_bias([(0.9, 0.8), (0.9, 0.2), (0.9, 0.1), (0.1, 0.2)])
    assert (bias.pairs, bias.flipped, bias.share) == (4, 2, 0.5)
    # Chosen first: the new one in three pairs, and the old one (shown first at the second asking)
    # in three
    assert bias.first == 6 / 8
    assert order_bias([]).first is None


def test_pairs_and_their_judges():
    facts = {3: {"model": "first"}, 4: {"judge": "second", "model": "x"}}
    labels = [compared(n, "new", "new", 0.8, judge=3) for n in range(30)]
    labels += [compared(n, "tie", "tie", 0.5, judge=3) for n in range(30, 40)]
    labels += [compared(n, "new", "original", 0.3, judge=4) for n in range(30)]
    first, second = trust(labels, facts, {3: [(0.9, 0.7)] * 9, 4: [(0.9, 0.1)] * 9})["judges"]
    assert (first["judge"], second["judge"]) == ("first", "second")
    assert (first["agreement"]["share"], second["agreement"]["share"]) == (1, 0)
    assert sum(of["cases"] for of in first["bins"]) == 30  # a tie is neither
    assert (first["order"]["share"], second["order"]["share"]) == (0, 1)
    assert second["order"]["first"] == 1
    assert trust(labels, facts, {})["labels"]["pair"]["all"] == 40  # of two judges, once


def test_what_is_said_of_it():
    [few] = trust([*sample(7, 5)], FACTS, {})["judges"]
    assert verdict(few, "sysgen review --blind --db x.duckdb") == (
        "too few to tell: 7 labels of phrases count, and 20 are the least; "
        "`sysgen review --blind --db x.duckdb` asks for more"
    )
    [none] = trust([], FACTS, {})["judges"]
    assert "no label of phrases counts yet" in verdict(none)
    [enough] = trust([*sample(100, 80)], FACTS, {})["judges"]
    assert verdict(enough).startswith(
        "it agrees with people on 80 % of 100 phrases [71 to 87 %]; about 154 more would "
        "narrow that to +-5 points"
    )
    tables = trust_tables(trust([*sample(100, 80)], FACTS, {}))
    assert [table.title for table in tables] == [
        "m on phrases (prompts: default), and people", "m: are its probabilities right?"
    ]  # fmt: skip
    assert tables[0].rows[0][:5] == ("same verdict", "100", "80 %", "71 to 87 %", "0.60")
    low, high = map(float, tables[0].rows[0][5].split(" to "))
    assert low < 0.6 < high
    assert tables[0].notes[1] == "always saying bad would agree on 50 %"
    assert tables[1].rows[1][-1] == "################.|.."
    assert len(trust_tables(trust([*sample(7, 5)], FACTS, {}))) == 1


def test_a_judge_is_named_by_its_recipe():
    assert judge_name({"model": "m", "judge": "same"}) == "m"
    assert judge_name({"model": "m"}) == "m"
    assert judge_name({"model": "m", "judge": "other"}) == "other"
    assert judge_name({}) == "?"


def test_auc_is_that_of_the_probabilities():
    assert auc([(0.9, True), (0.5, True), (0.5, False), (0.1, False)]) == 0.875
