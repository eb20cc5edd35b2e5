"""Input files of every shape as one stream of conversations, and rejects with their reasons."""

from sysgen_local.sources.draw import Drawn, draw
from sysgen_local.sources.find import find, find_each
from sysgen_local.sources.read import read
from sysgen_local.sources.reasons import REASONS
from sysgen_local.sources.shapes import explain_shapes, parse_map, shape
from sysgen_local.sources.tally import Tally, need_usable, strictly

__all__ = [
    "REASONS",
    "Drawn",
    "Tally",
    "draw",
    "explain_shapes",
    "find",
    "find_each",
    "need_usable",
    "parse_map",
    "read",
    "shape",
    "strictly",
]
