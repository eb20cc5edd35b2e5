"""Checks of an answer by rule: pure functions over text.

`text` measures a text, `rules` decide about an answer by a measure, and `countable` reads the
demands of a phrase and selects the rules for them. `results`, `code` and `tools` each look for one
kind of fault. A benchmark with fixed instructions (IFEval) can call `rules` directly.
"""
