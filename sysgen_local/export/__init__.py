"""Finished rows as files to train on."""

from sysgen_local.export.write import Exported, check, export

__all__ = ["Exported", "check", "export"]
