"""The table of patterns that reads phrases: English first, then other languages."""

from __future__ import annotations

from sysgen_local.phases.checks.clauses import Pattern
from sysgen_local.phases.checks.english_amounts import AMOUNTS, ITEMS
from sysgen_local.phases.checks.english_formats import FORMATS
from sysgen_local.phases.checks.english_forms import FORMS
from sysgen_local.phases.checks.english_words import ENDS, PROHIBITIONS, WORDS
from sysgen_local.phases.checks.other_languages import OTHERS

TABLE: tuple[Pattern, ...] = (
    *PROHIBITIONS,
    *ENDS,
    *WORDS,
    *ITEMS,
    *FORMATS,
    *FORMS,
    *AMOUNTS,
    *OTHERS,
)
"""Rows are tried in this order. Words that one row has read are not read by a later row."""
