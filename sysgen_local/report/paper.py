"""The figures of the SysGen paper (arXiv 2502.11330, tables 1, 2, 8, 9) for comparison."""

from __future__ import annotations

from sysgen_local.core.records import Tag

ROWS = 806_796
"""Rows of its five datasets."""

MODELS = ("LLaMA-3.1-8B", "Qwen2.5-14B", "Phi-4")

SURVIVED: dict[str, tuple[int, ...]] = {
    "filter": (602_750, 806_602, 774_613),
    "respond": (586_831, 775_830, 773_878),
}
"""Phase -> rows left after it, for each model (table 2)."""

TAGGED: dict[Tag, tuple[int, ...]] = {
    "role": (576, 754, 746),
    "content": (580, 740, 743),
    "task": (580, 765, 735),
    "action": (495, 382, 663),
    "style": (284, 599, 604),
    "background": (294, 540, 554),
    "tool": (10, 132, 91),
    "format": (328, 402, 539),
}
"""Tag -> thousands of rows with it, for each model (table 8)."""

DATASETS: dict[str, tuple[int, int, int]] = {
    "Capybara": (41_301, 300, 1_423),
    "Airoboros": (59_277, 507, 1_111),
    "OrcaMath": (200_035, 239, 878),
    "Magicoder": (111_183, 653, 1_552),
    "MetaMath": (395_000, 214, 498),
}
"""Dataset -> (rows, mean characters of the query, of the answer) (table 9)."""

COMPARED: dict[str, dict[str, float]] = {
    "LLaMA-3.1-8B": {"rouge1": 33.3, "rouge2": 15.6, "rougeL": 23.1, "gleu": 28.2,
                     "length_ratio": 1.35},
    "Qwen2.5-14B": {"rouge1": 44.9, "rouge2": 23.2, "rougeL": 30.7, "gleu": 39.2,
                    "length_ratio": 1.55},
    "Phi-4": {"rouge1": 51.9, "rouge2": 32.3, "rougeL": 41.1, "gleu": 37.2, "length_ratio": 1.89},
}  # fmt: skip
"""Model -> measure -> value of new answers against old ones (table 1); in per cent except the
ratio."""
