"""Names and licences of well-known datasets.

The licences are those on the datasets' cards; None where the card has none or several.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Preset:
    """A dataset. `pattern` is searched for in the repository's name or the file's name."""

    pattern: str
    name: str
    license: str | None


PRESETS = (
    # The five datasets of the paper.
    Preset(r"\bcapybara", "Capybara", "apache-2.0"),
    Preset(r"\bairoboros", "Airoboros", None),
    Preset(r"orca-?math", "OrcaMath", "mit"),
    Preset(r"magicoder-oss-instruct", "Magicoder-OSS-Instruct", "mit"),
    Preset(r"magicoder-evol-instruct", "Magicoder-Evol-Instruct", "apache-2.0"),
    Preset(r"metamathqa", "MetaMath", "mit"),
    # Others that are in wide use.
    Preset(r"\bgsm8k", "GSM8K", "mit"),
    Preset(r"alpaca[-_]cleaned", "Alpaca-cleaned", "cc-by-4.0"),
    Preset(r"dolly-15k", "Dolly-15k", "cc-by-sa-3.0"),
    Preset(r"ultrachat_200k", "UltraChat-200k", "mit"),
)


def preset(name: str) -> Preset | None:
    """The dataset of this repository (`OWNER/NAME`) or file name; None where it is not known."""
    return next((p for p in PRESETS if re.search(p.pattern, name, re.IGNORECASE)), None)
