"""Counts the records of a source while they are read, and refuses input without a usable row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sysgen_local.core.errors import UsageError
from sysgen_local.core.numbered import numbered
from sysgen_local.core.records import Conversation, Reject
from sysgen_local.sources.shapes import explain_shapes

Records = Iterable[Conversation | Reject]


class RecordCounter:
    """Counts the records of one source. `path` is the source's name for the user."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.usable = 0
        self.rejected = 0
        self.first_reject = ""

    def count(self, records: Records) -> Iterator[Conversation | Reject]:
        """Yields the records unchanged and counts them."""
        for record in records:
            if isinstance(record, Reject):
                self.rejected += 1
                self.first_reject = self.first_reject or (
                    f"{numbered(self.path, record.line)}: {record.reason}, {record.detail}"
                )
            else:
                self.usable += 1
            yield record


def strictly(path: str, records: Records) -> Iterator[Conversation | Reject]:
    """Yields the records. Raises UsageError at the first that cannot be used."""
    for record in records:
        if isinstance(record, Reject):
            raise UsageError(
                f"{path}, {numbered(path, record.line)}: {record.reason}, {record.detail}",
                hint="mend it, or leave --strict off: such rows are counted as rejected",
            )
        yield record


def need_usable(counters: Sequence[RecordCounter]) -> None:
    """Raises UsageError where none of the sources has a row that can be used."""
    if any(counter.usable for counter in counters):
        return
    for counter in counters:
        if counter.rejected:
            raise UsageError(
                f"{counter.path} has no usable row: {counter.first_reject}",
                hint=f"understood are {explain_shapes()}; for others use --map",
            )
    raise UsageError(f"{counters[0].path} is empty: there is no row in it")
