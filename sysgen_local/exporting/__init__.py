"""Exports finished rows as training files, with a dataset card that names their sources."""

from sysgen_local.exporting.card import card, generators, licences
from sysgen_local.exporting.licences import Licence, licence, permit
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
    "Licence",
    "card",
    "check_output",
    "export",
    "generators",
    "licence",
    "licences",
    "omitted_reasoning",
    "permit",
    "require_checks",
    "split_path",
    "write_rejects",
]
