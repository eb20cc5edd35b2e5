"""What the page sends: the forms of a run and of an export, and which rows to show."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from sysgen_local.core.errors import UsageError
from sysgen_local.exporting import Output
from sysgen_local.store import Format, RowQuery, Variant
from sysgen_local.store.rows import quoted

Line = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=4000, pattern=r"^[^\x00-\x1f]*$")
]


class RunForm(BaseModel):
    """The options of a run; "" and None were not given. Without `inputs` the run goes on with the
    rows that are in the store. `check` False skips the fifth phase."""

    model_config = ConfigDict(extra="forbid")

    inputs: Annotated[list[Line], Field(max_length=1000)] = []
    model: Line = ""
    prompts: Line = ""
    limit: Annotated[int, Field(ge=1, lt=2**63)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    check: bool = True

    def arguments(self, db: Path) -> list[str]:
        """The command line of the run, without the program. Raises UsageError for an input that is
        not on this machine."""
        given = {
            "db": db, "model": self.model, "prompts": self.prompts,
            "limit": self.limit, "seed": self.seed,
        }  # fmt: skip
        options = [f"--{name}={value}" for name, value in given.items() if value not in ("", None)]
        unchecked = [] if self.check else ["--no-check"]
        # Behind "--", because the name of a file may begin with a dash.
        inputs = ["--", *map(_input, filter(None, self.inputs))]
        return ["run", *options, *unchecked, "--yes", "--json-log", *inputs]


class ExportForm(BaseModel):
    """The options of an export; `pairs` "" was not given. `replace`: a file that exists may be
    replaced."""

    model_config = ConfigDict(extra="forbid")

    output: Line
    format: Format = "messages"
    variant: Variant = "full"
    pairs: Literal["", "best-worst", "obey-violate", "conflict"] = ""
    where: Annotated[str, StringConstraints(strip_whitespace=True, max_length=10_000)] = ""
    replace: bool = False

    def path(self) -> str:
        """The file or the folder to write. Raises UsageError where a file exists and may not be
        replaced."""
        output = Output.named(self.output)
        if not self.output or output.to_stdout:
            raise UsageError("the export has no file name", hint="name a .jsonl or .parquet file")
        there = [file for file in output.files() if file.is_file()]
        if there and not self.replace:
            raise UsageError(f"{there[0]} exists", hint="name another file, or tick “replace”")
        return self.output


class RowsForm(BaseModel):
    """Which rows are shown: the first `PAGE` of this state behind row `after`, which have these
    words in their instruction, system message or an answer."""

    model_config = ConfigDict(extra="forbid")

    state: Literal["", "final", "dropped", "pending"] = ""
    words: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] = ""
    after: Annotated[int, Field(ge=0, lt=10**15)] = 0

    def query(self, limit: int) -> RowQuery:
        """The query of these rows, at most `limit`."""
        where = f'"row" > {self.after}'
        if self.words:
            texts = "concat_ws(chr(10), instruction, old_answer, system, new_answer)"
            where += f" AND contains(lower({texts}), lower({quoted(self.words)}))"
        return RowQuery(self.state or None, where=where, limit=limit)


def _input(name: str) -> str:
    path = Path(name).expanduser()
    if not path.exists():
        hint = "name a file or a folder of this machine, one a line"
        if name.startswith("hf://"):
            hint = f"`sysgen run {name}` in a terminal reads it from the hub"
        raise UsageError(f"{name} is not on this machine", hint=hint)
    return str(path)
