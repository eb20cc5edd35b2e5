"""What is poor about data, and what to try: counts in, sentences out."""

from sysgen_local.advice.evidence import Evidence
from sysgen_local.advice.findings import ENDLESS, FEWEST, Finding, findings

__all__ = ["ENDLESS", "FEWEST", "Evidence", "Finding", "findings"]
