"""The recipe of the built-in demonstration model: corpus, training, GGUF and figures."""

from pathlib import Path

SHIPPED = Path(__file__).resolve().parents[2] / "builtin.gguf"
"""The model in the repository."""
