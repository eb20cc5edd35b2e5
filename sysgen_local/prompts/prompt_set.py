"""A prompt set: a folder with a prompt file for each phase that asks a model.

Two sets are shipped: `default` has demonstrations, `compact` is for tuned models. A user's own set
is a folder with the same files.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sysgen_local.core.errors import UsageError
from sysgen_local.core.records import Tag
from sysgen_local.core.resources import resource
from sysgen_local.engine.request import Message
from sysgen_local.prompts.prompt_file import OPTIONAL, VARIABLES, PromptFile


class ContentFree(BaseModel):
    """Content-free questions for calibrating a judge (Zhao et al., 2021): requests without content,
    and for each tag phrases that would suit any request."""

    model_config = ConfigDict(extra="forbid")

    requests: Annotated[list[str], Field(min_length=1)]
    phrases: dict[Tag, Annotated[list[str], Field(min_length=1)]]


class PromptSet:
    """The prompts of all phases that ask a model. `name` is the argument of `load`."""

    def __init__(self, name: str, folder: Path, files: Mapping[str, PromptFile]) -> None:
        self.name = name
        self._folder = folder
        self._files = files

    @classmethod
    def load(cls, name: str) -> PromptSet:
        """A shipped set by its name, or a folder with a file for each phase. Raises UsageError."""
        shipped = resource("prompts")
        own = Path(name).expanduser()
        folder = own if own.is_dir() else shipped / name
        if not folder.is_dir():
            sets = ", ".join(sorted(p.name for p in shipped.iterdir() if p.is_dir()))
            raise UsageError(
                f"there is no prompt set {name}", hint=f"name one of {sets}, or a folder"
            )
        there = [name for name in OPTIONAL if (folder / f"{name}.md").is_file()]
        files = {phase: PromptFile(phase, folder / f"{phase}.md") for phase in (*VARIABLES, *there)}
        return cls(name, folder, files)

    @property
    def shipped(self) -> bool:
        """Whether the set comes with sysgen."""
        return self._folder.parent == resource("prompts")

    def has(self, phase: str) -> bool:
        """Whether the set has this file. See `OPTIONAL`."""
        return phase in self._files

    def names_language(self, phase: str) -> bool:
        """Whether this phase's prompt uses the variable `language`."""
        return "language" in self._files[phase].used

    def groups(self, phase: str, *, foreign: bool = False) -> list[int]:
        """The numbers of this phase's groups of demonstrations. See `PromptFile.groups`."""
        return self._files[phase].groups(foreign=foreign)

    def messages(self, phase: str, group: int = 0, **values: Any) -> tuple[Message, ...]:
        """The messages for these values. All strings in them, nested ones too, are untrusted."""
        return self._files[phase].messages(values, group)

    @property
    def content_free(self) -> ContentFree | None:
        """The questions of `nothing.toml`. None if the set has no such file: the verdicts are not
        calibrated then."""
        path = self._folder / "nothing.toml"
        if not path.is_file():
            return None
        try:
            return ContentFree.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise UsageError(f"{path} cannot be read: {error}") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise UsageError(f"{path}: {where}: {first['msg']}") from error

    def judge_prompt(self, question: str) -> PromptFile:
        """The prompt for the judge's question `prefer` or `align`. If the set has no such file, it
        is the one of the shipped default set."""
        own = self._folder / f"{question}.md"
        return PromptFile(
            question, own if own.is_file() else resource("prompts") / "default" / own.name
        )

    def demonstrations(self, phase: str) -> tuple[str, ...]:
        """The texts of all phrases in this phase's demonstrations, in order."""
        return self._files[phase].demonstrations()

    def fingerprint(self, phase: str) -> str:
        """SHA-256 of the file's text; "" if the set has no such file."""
        return self._files[phase].fingerprint if self.has(phase) else ""
