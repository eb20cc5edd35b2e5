"""Reads input files of many formats as one stream of conversations and rejects with reasons."""

from sysgen_local.sources.counter import RecordCounter, need_usable, strictly
from sysgen_local.sources.draw import SampledRows, draw
from sysgen_local.sources.find import find, find_each
from sysgen_local.sources.read import read
from sysgen_local.sources.reasons import REASONS
from sysgen_local.sources.shapes import explain_shapes, parse_map, shape

__all__ = [
    "REASONS",
    "RecordCounter",
    "SampledRows",
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
