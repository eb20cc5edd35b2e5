"""What a source held, counted as it is read, and what is said where it is of no use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sysgen_local.core.errors import UsageError
from sysgen_local.core.records import Conversation, Reject
from sysgen_local.sources.shapes import explain_shapes

Records = Iterable[Conversation | Reject]


class Tally:
    """Counts the records of one source. `path` is what the user would recognise."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.usable = 0
        self.rejected = 0
        self.first_reject = ""

    def count(self, records: Records) -> Iterator[Conversation | Reject]:
        """The records as they are."""
        for record in records:
            if isinstance(record, Reject):
                self.rejected += 1
                self.first_reject = self.first_reject or (
                    f"line {record.line}: {record.reason}, {record.detail}"
                )
            else:
                self.usable += 1
            yield record


def strictly(path: str, records: Records) -> Iterator[Conversation | Reject]:
    """The records up to the first that cannot be used. Raises UsageError there."""
    for record in records:
        if isinstance(record, Reject):
            raise UsageError(
                f"{path}, line {record.line}: {record.reason}, {record.detail}",
                hint="mend the line, or leave --strict off: such rows are counted as rejected",
            )
        yield record


def need_usable(tallies: Sequence[Tally]) -> None:
    """Raises UsageError where none of the sources has a row that can be used."""
    if any(tally.usable for tally in tallies):
        return
    for tally in tallies:
        if tally.rejected:
            raise UsageError(
                f"{tally.path} has no usable row: {tally.first_reject}",
                hint=f"understood are {explain_shapes()}; for others use --map",
            )
    raise UsageError(f"{tallies[0].path} is empty: there is no row in it")
