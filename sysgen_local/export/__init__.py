"""Finished rows as files to train on, with the card that says where they come from."""

from sysgen_local.export.card import card, generators, licences
from sysgen_local.export.licences import Licence, licence, permit
from sysgen_local.export.reasoning import left_out
from sysgen_local.export.write import (
    STDOUT,
    Exported,
    Wish,
    can_tell,
    check,
    export,
    split_path,
    write_rejects,
)

__all__ = [
    "STDOUT",
    "Exported",
    "Licence",
    "Wish",
    "can_tell",
    "card",
    "check",
    "export",
    "generators",
    "left_out",
    "licence",
    "licences",
    "permit",
    "split_path",
    "write_rejects",
]
