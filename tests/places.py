"""Where things lie: the checkout, and real data of other projects beside it."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "tests" / "data"
SHARED = ROOT.parent / "shared" / "data"
"""Not part of the project: tests that read it skip, with a word, where it is absent."""
