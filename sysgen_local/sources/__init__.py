"""Input files of every shape as one stream of conversations, and rejects with their reasons."""

from sysgen_local.sources.read import find, read
from sysgen_local.sources.shapes import REASONS, explain_shapes, parse_map, shape

__all__ = ["REASONS", "explain_shapes", "find", "parse_map", "read", "shape"]
