"""The SysGen paper's own figures (arXiv 2502.11330, tables 2, 8, 9), to stand beside a file's."""

from __future__ import annotations

from sysgen_local.records import Tag

ROWS = 806_796
"""Rows of its five datasets."""

MODELS = ("LLaMA-3.1-8B", "Qwen2.5-14B", "Phi-4")

SURVIVED: dict[str, tuple[int, ...]] = {
    "filter": (602_750, 806_602, 774_613),
    "respond": (586_831, 775_830, 773_878),
}
"""Phase -> rows that were left after it, model by model (table 2)."""

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
"""Tag -> thousands found, model by model (table 8)."""

DATASETS: dict[str, tuple[int, int, int]] = {
    "Capybara": (41_301, 300, 1_423),
    "Airoboros": (59_277, 507, 1_111),
    "OrcaMath": (200_035, 239, 878),
    "Magicoder": (111_183, 653, 1_552),
    "MetaMath": (395_000, 214, 498),
}
"""Dataset -> rows, mean characters of query and of answer (table 9)."""
