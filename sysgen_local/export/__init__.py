"""Exports finished rows as training files, with a dataset card that names their sources."""

from sysgen_local.export.card import licences
from sysgen_local.export.dataset import export_dataset
from sysgen_local.export.reasoning import omitted_reasoning
from sysgen_local.export.write import (
    STDOUT,
    ExportOptions,
    check_output,
    export,
    write_rejects,
)

__all__ = [
    "STDOUT",
    "ExportOptions",
    "check_output",
    "export",
    "export_dataset",
    "licences",
    "omitted_reasoning",
    "write_rejects",
]
