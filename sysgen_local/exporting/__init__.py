"""Exports finished rows as training files, with a dataset card that names their sources."""

from sysgen_local.exporting.card import card, generators, licenses
from sysgen_local.exporting.licenses import License, license_of, permit
from sysgen_local.exporting.output import STDOUT, Output
from sysgen_local.exporting.public_names import (
    files_of,
    public_condition,
    public_facts,
    public_lineage,
    public_name,
    source_names,
)
from sysgen_local.exporting.reasoning import omitted_reasoning
from sysgen_local.exporting.write import (
    Exported,
    ExportOptions,
    export,
    refuse_input,
    require_results,
    write_rejects,
)

__all__ = [
    "STDOUT",
    "ExportOptions",
    "Exported",
    "License",
    "Output",
    "card",
    "export",
    "files_of",
    "generators",
    "license_of",
    "licenses",
    "omitted_reasoning",
    "permit",
    "public_condition",
    "public_facts",
    "public_lineage",
    "public_name",
    "refuse_input",
    "require_results",
    "source_names",
    "write_rejects",
]
