"""Dataset cards: how they are named, and the files that they list."""

from __future__ import annotations

import re
from pathlib import Path

CARD = ".card.md"
"""Ending of the card that stands beside a file of rows."""
FOLDER_CARD = "README.md"
"""Name of the card in a folder of splits. Hubs show a file of this name as the card."""
MADE = "Made with sysgen-local"
"""Words in every card. They tell a card from another README.md."""

_FILES = re.compile(r"^## Files\n\n(?:\|.*\n)+", re.M)
_FILE = re.compile(r"^\| (.+) \| [\d,]+ \|$", re.M)


def is_card(path: Path) -> bool:
    """Whether this is a file that has the words of a card."""
    return MADE in _text(path)


def listed(path: Path) -> list[str]:
    """The names of the files that this card lists; none where it is no card."""
    text = _text(path)
    table = _FILES.search(text) if MADE in text else None
    return _FILE.findall(table.group()) if table else []


def exports(folder: Path) -> set[str]:
    """The names of the files in a folder that are exports of a store: a card in it lists them."""
    cards = [*folder.glob(f"*{CARD}"), folder / FOLDER_CARD]
    return {name for card in cards for name in listed(card)}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
