"""The report's plots: Vega-Lite specifications, drawn as SVG when the page is written.

So the page needs no code for plots: it opens quickly, and the plots contain no scripts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Any

from sysgen_local.core.extras import needs
from sysgen_local.core.records import TAGS
from sysgen_local.report.colours import HEX

INK = "currentColor"
BLUE, ORANGE, GREY = "#4c8dc9", "#d98032", "#888888"
_CONFIG = {
    "background": None,
    "view": {"stroke": None},
    # A browser's font may be wider than the one with which the margins are measured.
    "padding": {"left": 5, "top": 5, "right": 20, "bottom": 5},
    "font": "system-ui, sans-serif",
    "axis": {"labelColor": INK, "titleColor": INK, "gridColor": "#88888844",
             "labelFontSize": 12, "titleFontSize": 12, "labelFlush": False,
             "domainColor": GREY, "tickColor": GREY},
    "legend": {"labelColor": INK, "titleColor": INK, "labelFontSize": 12, "titleFontSize": 12},
    "text": {"color": INK, "fontSize": 12},
}  # fmt: skip
WIDTH, HEIGHT, LINE = 420, 220, 16
NARROW = 360
"""Width where long names stand beside the plot."""
NAME = 24
"""Characters of a dataset's name in a line."""


def funnel(stats: Mapping[str, Any]) -> str:
    """How many rows are left after each phase."""
    rows = stats["rows"]
    steps = [("input", rows["input"]), ("usable", rows["input"] - rows["rejected"])]
    steps += [(phase, of["kept"]) for phase, of in stats["phases"].items()]
    values = [{"step": name, "rows": n, "label": f"{n:,}"} for name, n in steps]
    y = {"field": "step", "type": "nominal", "sort": None, "title": None}
    x = {"field": "rows", "type": "quantitative", "title": "rows", "axis": {"tickCount": 4}}
    return _draw(
        values,
        layer=[
            {"mark": {"type": "bar", "color": BLUE}, "encoding": {"x": x, "y": y}},
            {
                "mark": {"type": "text", "align": "left", "dx": 4},
                "encoding": {"x": x, "y": y, "text": {"field": "label"}},
            },
        ],
    )


def tags(shares: Sequence[tuple[str, str, float]]) -> str:
    """The share of each dataset's rows with a good phrase under each tag. Long names of datasets
    are broken into lines, not cut."""
    found = {(dataset, tag): share for dataset, tag, share in shares}
    datasets = tuple(dict.fromkeys(dataset for dataset, _, _ in shares))
    lines = {name: wrap(name, NAME) or [""] for name in datasets}
    longest = max((len(line) for of in lines.values() for line in of), default=0)
    step = 8 + LINE * max(map(len, lines.values()), default=1)
    values = [
        {"dataset": "\n".join(lines[dataset]), "tag": tag, "share": found.get((dataset, tag), 0.0)}
        for dataset in datasets
        for tag in TAGS
    ]
    return _draw(
        values,
        width=NARROW,
        height=max(HEIGHT, step * len(datasets)),
        padding={"left": 5 + 2 * longest, "top": 5, "right": 20, "bottom": 5},
        encoding={
            "x": {"field": "tag", "type": "nominal", "sort": None, "title": None,
                  "axis": {"labelAngle": -40}},
            "y": {"field": "dataset", "type": "nominal", "sort": None, "title": None,
                  "axis": {"labelExpr": "split(datum.label, '\\n')", "labelLimit": 0}},
        },
        layer=[
            {
                "mark": {"type": "rect"},
                "encoding": {
                    "color": {
                        "field": "share", "type": "quantitative",
                        "scale": {"domain": [0, 1], "range": ["#88888822", BLUE]},
                        "legend": None,  # each cell has its number
                    },
                },
            },
            {
                "mark": {"type": "text"},
                "encoding": {"text": {"field": "share", "type": "quantitative", "format": ".0%"}},
            },
        ],
    )  # fmt: skip


def verdicts(stats: Mapping[str, Any]) -> str:
    """The distribution of the judge's probabilities of good."""
    values = [
        {"tag": tag, "p": i / 10 + 0.05, "phrases": n}
        for tag, of in stats["verdicts"].items()
        if tag != "all"
        for i, n in enumerate(of["p_good"])
    ]
    return _draw(
        values,
        mark={"type": "bar"},
        encoding={
            "x": {"field": "p", "type": "quantitative", "bin": {"step": 0.1, "extent": [0, 1]},
                  "title": "probability of good"},
            "y": {"field": "phrases", "type": "quantitative", "aggregate": "sum",
                  "title": "phrases"},
            "color": {"field": "tag", "type": "nominal", "sort": None, "title": None,
                      "scale": {"domain": list(HEX), "range": list(HEX.values())}},
        },
    )  # fmt: skip


def tenths(numbers: Sequence[int], title: str, what: str) -> str:
    """A histogram over ten equal parts of [0, 1]. `numbers` has the ten counts."""
    values = [{"p": i / 10 + 0.05, "n": n} for i, n in enumerate(numbers)]
    return _draw(
        values,
        mark={"type": "bar", "color": BLUE},
        encoding={
            "x": {"field": "p", "type": "quantitative", "bin": {"step": 0.1, "extent": [0, 1]},
                  "title": title},
            "y": {"field": "n", "type": "quantitative", "aggregate": "sum", "title": what},
        },
    )  # fmt: skip


def reliability(bins: Sequence[Mapping[str, Any]], good: str) -> str:
    """The reliability diagram: in each bin of a judge's probabilities the share that people call
    good, with its 95 % interval, over the mean probability. On the diagonal both are the same."""
    values = [dict(of) for of in bins if of["cases"]]
    scale = {"domain": [0, 1]}
    x = {"field": "p", "type": "quantitative", "scale": scale,
         "title": f"mean probability of {good}, says the judge"}  # fmt: skip
    y = {"type": "quantitative", "scale": scale, "title": f"share that people call {good}"}
    ideal = [{"p": 0, "share": 0}, {"p": 1, "share": 1}]
    return _draw(
        values,
        layer=[
            {"data": {"values": ideal}, "mark": {"type": "line", "color": GREY, "strokeDash": [4]},
             "encoding": {"x": x, "y": {**y, "field": "share"}}},
            {"mark": {"type": "rule", "color": BLUE},
             "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}}},
            {"mark": {"type": "point", "filled": True, "color": BLUE, "opacity": 1},
             "encoding": {"x": x, "y": {**y, "field": "share"},
                          "size": {"field": "cases", "type": "quantitative", "title": "labels",
                                   "legend": None}}},
            {"mark": {"type": "text", "dy": -10, "dx": 12},
             "encoding": {"x": x, "y": {**y, "field": "share"}, "text": {"field": "cases"}}},
        ],
    )  # fmt: skip


def tries(counts: Mapping[str, int]) -> str:
    """How many rows took how many answers."""
    values = [{"tries": int(number), "rows": rows} for number, rows in counts.items()]
    return _draw(
        values,
        mark={"type": "bar", "color": ORANGE},
        encoding={
            "x": {"field": "tries", "type": "ordinal", "title": "answers",
                  "axis": {"labelAngle": 0}},
            "y": {"field": "rows", "type": "quantitative", "title": "rows"},
        },
    )  # fmt: skip


def lengths(ratios: Sequence[tuple[float, int]]) -> str:
    """The distribution of the length of new answers divided by that of old ones."""
    values = [{"from": low, "to": low + 0.1, "rows": rows} for low, rows in ratios]
    return _draw(
        values,
        layer=[
            {
                "mark": {"type": "bar", "color": ORANGE},
                "encoding": {
                    "x": {"field": "from", "type": "quantitative", "bin": {"binned": True},
                          "title": "new length / old length (4: that or more)"},
                    "x2": {"field": "to"},
                    "y": {"field": "rows", "type": "quantitative"},
                },
            },
            {"mark": {"type": "rule", "color": GREY}, "encoding": {"x": {"datum": 1}}},
        ],
    )  # fmt: skip


def pace(points: Sequence[tuple[float, int, int]]) -> str:
    """The number of rows through over the time of work (`Store.pace`), from the start."""
    whole = points[-1][0] if points else 0.0
    unit, size = next((of for of in _UNITS if whole > 1.5 * of[1]), _UNITS[-1])
    values = [{"time": 0.0, "rows": 0}] if points else []
    values += [{"time": hours / size, "rows": rows} for hours, rows, _ in points]
    return _draw(
        values,
        mark={"type": "line", "color": BLUE, "point": True},
        encoding={
            "x": {"field": "time", "type": "quantitative", "axis": {"tickCount": 6},
                  "title": f"{unit} of work, without the time between runs"},
            "y": {"field": "rows", "type": "quantitative", "title": "rows through"},
        },
    )  # fmt: skip


def losses(curves: Mapping[str, Sequence[tuple[int, float, bool]]]) -> str:
    """The loss of trainings over their steps: name -> (step, loss, whether of held-out rows)."""
    values = [
        {"training": name, "step": step, "loss": loss, "held_out": held_out}
        for name, points in curves.items()
        for step, loss, held_out in points
    ]
    longest = max((len(points) for points in curves.values()), default=0)
    around = max(1, longest // 20)
    mean = {
        "window": [{"op": "mean", "field": "loss", "as": "mean"}],
        "frame": [-around, around],
        "groupby": ["training"],
    }
    trained = {"filter": "!datum.held_out"}
    y = {"field": "loss", "type": "quantitative", "title": "loss (nats a learned token)",
         "scale": {"zero": False}}  # fmt: skip
    return _draw(
        values,
        encoding={
            "x": {"field": "step", "type": "quantitative", "title": "step"},
            "color": {"field": "training", "type": "nominal", "title": None, "sort": None},
        },
        layer=[
            {"mark": {"type": "line", "strokeWidth": 1, "opacity": 0.3}, "transform": [trained],
             "encoding": {"y": y}},
            {"mark": {"type": "line", "strokeWidth": 2}, "transform": [trained, mean],
             "encoding": {"y": {**y, "field": "mean"}}},
            {"mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
             "transform": [{"filter": "datum.held_out"}], "encoding": {"y": y}},
        ],
    )  # fmt: skip


_UNITS = (("hours", 1.0), ("minutes", 1 / 60), ("seconds", 1 / 3600))
"""Units of time, in hours."""


def _draw(values: list[dict[str, Any]], **spec: Any) -> str:
    with needs("report", "drawing plots"):
        import vl_convert

    whole = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "data": {"values": values},
        "width": WIDTH,
        "height": HEIGHT,
        "config": _CONFIG,
        **spec,
    }
    return str(vl_convert.vegalite_to_svg(whole))
