"""What the commands print with `--json`: one pydantic model for each form.

New results are built from these models. The older ones (`stats`, `compare`, `judge`, `try`,
`evaluate`) are printed as they come from the store, and a test validates them. `OUTPUTS` names the
form of each command; docs/json.md and docs/schemas.json are written from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from sysgen_local.cli.outputs.evaluation import (
    AdvancedIFScores,
    Comparison,
    HarnessResults,
    IFEvalScores,
    IHEvalScores,
    MultiIFScores,
    OwnScores,
    Scores,
    Study,
    Table,
    TestSet,
    Trained,
)
from sysgen_local.cli.outputs.form import (
    Finding,
    Output,
    Phase,
    PhaseCount,
    Rows,
    Shard,
    print_json,
)
from sysgen_local.cli.outputs.models import (
    CatalogueFacts,
    CheckedModel,
    Device,
    EngineSettings,
    FileFacts,
    LabelSet,
    Machine,
    Measured,
    ModelEntry,
    ModelFacts,
    ModelFile,
    ModelList,
    ModelPath,
    ModelServer,
    Rate,
    Speed,
)
from sysgen_local.cli.outputs.rows import (
    RejectedRow,
    Shown,
    ShownRow,
    TriedRow,
)
from sysgen_local.cli.outputs.stats import (
    Judgement,
    Measures,
    Stats,
)
from sysgen_local.cli.outputs.trust import Trust

if TYPE_CHECKING:
    from sysgen_local.exporting.write import Exported

__all__ = [
    "OUTPUTS",
    "Address",
    "CatalogueFacts",
    "CheckedModel",
    "CommandHelp",
    "Comparison",
    "Context",
    "Device",
    "EngineSettings",
    "Export",
    "ExportedDecisions",
    "ExportedLabels",
    "File",
    "FileFacts",
    "Finding",
    "HubFile",
    "Imported",
    "ImportedDecisions",
    "ImportedLabels",
    "LabelSet",
    "Labelled",
    "Machine",
    "Measured",
    "Merged",
    "ModelEntry",
    "ModelFacts",
    "ModelFile",
    "ModelList",
    "ModelPath",
    "ModelServer",
    "OptionHelp",
    "Page",
    "PhaseCount",
    "Pushed",
    "Rate",
    "RejectedRow",
    "Reviewed",
    "Rows",
    "Run",
    "Running",
    "Shard",
    "Shown",
    "ShownRow",
    "Speed",
    "Status",
    "Study",
    "Table",
    "TestSet",
    "Trained",
    "Trust",
    "file",
    "print_json",
]


class File(Output):
    """A file that was written. `-` is standard output."""

    path: str
    rows: int
    skipped: int = 0
    """Rows that do not fit the format, or make no pair."""
    left_out: dict[str, int] = Field(default_factory=dict)
    """Why -> how many of them."""
    split: str | None = None


def file(written: Exported) -> File:
    """What was written, as a part of a result."""
    return File(
        path=str(written.path), rows=written.rows, skipped=written.skipped,
        left_out=dict(written.left_out), split=written.split,
    )  # fmt: skip


class Run(Output):
    """What a run came to. The counts are of the whole store."""

    db: str
    finished: bool
    """False if the run was interrupted: the same command continues it."""
    rows: Rows
    shard: Shard | None
    """null if the store holds all rows of its inputs."""
    phases: dict[Phase, PhaseCount]
    rejects: dict[str, int]
    """Reason -> rows of the input."""
    advice: list[Finding]
    written: File | None
    card: str | None
    """The path of the dataset card."""
    notes: list[str]
    """What the file does not hold, and why."""
    other_rows: int
    """Final rows of inputs that were not named. They are not in the file."""


class Imported(Output):
    db: str
    imported: int
    skipped: int
    """Rows that had phrases already."""


class Merged(Output):
    db: str
    """The new store."""
    stores: list[str]
    rows: Rows
    shard: Shard | None
    """null if the new store holds all rows of its inputs."""


class Workers(Output):
    """The workers of a run on a Ray cluster."""

    ready: int
    all: int
    nodes: int
    """On how many nodes the ready ones are."""


class Running(Output):
    """The run that has the store open."""

    pid: int
    age: float
    """Seconds since these numbers were written."""
    seconds: float
    seconds_left: float | None
    rows_an_hour: float
    activity: str | None
    """What the run does now, as a sentence."""
    workers: Workers | None
    """null without a cluster."""


class Status(Output):
    db: str
    rows: Rows
    shard: Shard | None
    """null if the store holds all rows of its inputs."""
    phases: dict[Phase, PhaseCount]
    running: Running | None
    """null if no run is in progress."""


class Page(Output):
    path: str
    bytes: int


class Export(Output):
    files: list[File]
    card: str | None
    """The path of the dataset card."""
    notes: list[str]
    """What was left out, and why."""


class HubFile(Output):
    name: str
    bytes: int
    rows: int | None


class Pushed(Output):
    repository: str
    files: list[HubFile]
    uploaded: bool
    url: str | None


class Address(Output):
    """Printed on one line as soon as the page can be opened."""

    address: str
    """With the token that opens the page."""


class Reviewed(Output):
    db: str
    rows: int
    decided: int
    now: int
    """Decisions made in this call."""
    accepted: int
    rejected: int


class Labelled(Output):
    """With --blind: what was decided in this call."""

    db: str
    reviewer: str
    asked: int
    decided: int
    agreed: int
    """Decisions that are the model's, too."""


class ExportedDecisions(Output):
    """With --export."""

    db: str
    path: str
    decisions: int


class ImportedDecisions(Output):
    """With --import: what became of the decisions of the file."""

    db: str
    new: int
    changed: int
    """The store had another decision about the row."""
    same: int
    kept: int
    """The store's own decision stayed: it is newer, or about the present answer."""
    waiting: int
    """New and changed ones about other answers than the rows have now. They are valid once a row
    has that answer."""


class ExportedLabels(Output):
    """With --export-labels."""

    db: str
    path: str
    labels: int


class ImportedLabels(Output):
    """With --import-labels: what became of the labels of the file."""

    db: str
    new: int
    changed: int
    """The reviewer had said something else before."""
    same: int
    kept: int
    """The reviewer said something else later, which stays."""
    waiting: int
    """New and changed ones about phrases or answers that the store has no verdict on."""


class OptionHelp(Output):
    option: str
    help: str


class CommandHelp(Output):
    name: str
    usage: str
    summary: str
    example: str | None
    options: list[OptionHelp]


class Context(Output):
    version: str
    text: str
    exit_codes: dict[str, str]
    commands: list[CommandHelp]


OUTPUTS: dict[str, Any] = {
    "run": Run,
    "generate": Run,
    "filter": Run,
    "verify": Run,
    "respond": Run,
    "check": Run,
    "import-tags": Imported,
    "merge": Merged,
    "try": TriedRow,
    "status": Status,
    "stats": Stats,
    "show": Shown,
    "report": Page,
    "review": (
        Reviewed
        | Labelled
        | ExportedDecisions
        | ImportedDecisions
        | ExportedLabels
        | ImportedLabels
    ),
    "compare": Measures,
    "judge": list[Judgement] | Trust,
    "export": Export,
    "push": Pushed,
    "testset": TestSet,
    "models list": ModelList,
    "models show": ModelFacts,
    "models pull": ModelPath,
    "models path": ModelPath,
    "models check": CheckedModel,
    "evaluate sysbench": Scores,
    "evaluate multifacet": Scores,
    "evaluate advancedif": AdvancedIFScores,
    "evaluate own": OwnScores,
    "evaluate ifeval": IFEvalScores,
    "evaluate multi-if": MultiIFScores,
    "evaluate iheval": IHEvalScores,
    "evaluate harness": HarnessResults,
    "study": Study,
    "train": Trained,
    "doctor": Machine,
    "bench": Speed,
    "context": Context,
    "desk": Address,
}
