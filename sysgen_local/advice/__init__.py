"""What is poor about data, and what to try: counts in, sentences out."""

from sysgen_local.advice.evidence import Evidence
from sysgen_local.advice.findings import FEWEST, Finding, findings

__all__ = ["FEWEST", "Evidence", "Finding", "findings"]
