"""Phrases that another program wrote, as results of phase 1."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from sysgen_local.core.errors import UsageError
from sysgen_local.core.records import Generated
from sysgen_local.phases.tags import parse_any
from sysgen_local.running.executor import Task
from sysgen_local.store import Store


def import_phrases(store: Store, path: Path) -> tuple[int, int]:
    """Stores the phrases of a file as results of phase 1: (rows stored, rows that had phrases).

    Every line of `path` is {"row": number, "text": tagged or JSON phrases}. Rows of other shards
    than the store's are left out. All lines are checked before anything is written; raises
    UsageError that names file and line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no text in UTF-8 (byte {error.start})") from error
    written: dict[int, Generated] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                entry = _Imported.model_validate_json(line)
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(map(str, first["loc"])) or "line"
                raise UsageError(
                    f"{path}, line {number}: {where}: {first['msg']}",
                    hint='each line is {"row": 1, "text": "<<Role>> You are ..."}',
                ) from error
            if entry.row in written:
                raise UsageError(f"{path}, line {number}: row {entry.row} is there twice")
            written[entry.row] = Generated(parse_any(entry.text), raw=entry.text)
    due = {row.row for row in store.due("generate")}
    known = store.inputs().rows
    if unknown := [row for row in written if not 1 <= row <= known]:
        raise UsageError(
            f"{path}: row {unknown[0]} is not in {store.path}, whose rows are 1 to {known}",
            hint="name the dataset that the phrases belong to: import-tags TAGS DATASET",
        )
    store.commit([(row, "generate", result) for row, result in written.items() if row in due])
    if store.recipe("generate") is None:
        facts = {"imported": path.name}
        store.set_recipe("generate", Task.of(facts), facts)
    return len(due & written.keys()), len(store.held(written) - due)


class _Imported(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    row: int
    text: str
