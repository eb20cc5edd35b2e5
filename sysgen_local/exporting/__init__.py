"""Exports finished rows as training files, with a dataset card that names their sources."""

from sysgen_local.exporting.card import card, generators, licenses
from sysgen_local.exporting.licenses import License, license_of, permit
from sysgen_local.exporting.reasoning import omitted_reasoning
from sysgen_local.exporting.write import (
    STDOUT,
    Exported,
    ExportOptions,
    check_output,
    export,
    require_checks,
    split_path,
    write_rejects,
)

__all__ = [
    "STDOUT",
    "ExportOptions",
    "Exported",
    "License",
    "card",
    "check_output",
    "export",
    "generators",
    "license_of",
    "licenses",
    "omitted_reasoning",
    "permit",
    "require_checks",
    "split_path",
    "write_rejects",
]
