"""What is known of datasets by name: licence and, where keys mislead, the mapping. Facts only.

Licences are those of the datasets' cards; None where the card names none or several.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Preset:
    """`pattern` is matched against the repository's name or the file's."""

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
    # Others that people begin with.
    Preset(r"\bgsm8k", "GSM8K", "mit"),
    Preset(r"alpaca[-_]cleaned", "Alpaca-cleaned", "cc-by-4.0"),
    Preset(r"dolly-15k", "Dolly-15k", "cc-by-sa-3.0"),
    Preset(r"ultrachat_200k", "UltraChat-200k", "mit"),
)


def preset(name: str) -> Preset | None:
    """By repository (`OWNER/NAME`) or file name, whatever its case."""
    return next((p for p in PRESETS if re.search(p.pattern, name, re.IGNORECASE)), None)
