"""What rules can tell of an answer: pure functions over text, which know nothing of rows.

`text` measures, `rules` judge an answer by a measure, `countable` reads what a phrase demands
and picks the rule for it. `results`, `code` and `tools` look for one kind of fault each.
A benchmark whose instructions are known beforehand (IFEval) calls `rules` directly.
"""
