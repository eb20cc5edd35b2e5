"""Where finished rows are written: one file, a folder with a file for each split, or standard
output."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sysgen_local.core.cards import CARD, FOLDER_CARD, is_card, listed
from sysgen_local.core.errors import UsageError
from sysgen_local.core.files import ROW_FILES, check_ending, check_folder, names_folder

STDOUT = Path("-")
"""The path that stands for standard output, as JSONL."""
ALL = {"train": 1.0}
"""The splits of a folder unless others are named: all rows in train.jsonl."""


@dataclass(frozen=True, slots=True)
class Output:
    """A place for finished rows. With `folder`, `path` is a folder that may not exist yet."""

    path: Path
    folder: bool

    @classmethod
    def named(cls, name: str | Path) -> Output:
        """The output that a user named; `names_folder` says whether it is a folder."""
        return cls(Path(name).expanduser(), names_folder(name))

    @property
    def to_stdout(self) -> bool:
        return not self.folder and self.path == STDOUT

    @property
    def name(self) -> str:
        """What the card calls the data, unless the user gives a name."""
        return self.path.resolve().name if self.folder else self.path.stem

    @property
    def card(self) -> Path:
        """The dataset card: out.card.md beside out.jsonl, README.md in a folder."""
        return self.path / FOLDER_CARD if self.folder else self.path.with_suffix(CARD)

    def file(self, split: str) -> Path:
        """data.jsonl, test -> data-test.jsonl. data/, test -> data/test.jsonl."""
        if self.folder:
            return self.path / f"{split}.jsonl"
        return self.path.with_name(f"{self.path.stem}-{split}{self.path.suffix}")

    def files(self, splits: Iterable[str] = ()) -> list[Path]:
        """The files that are written with these splits; none are written to standard output."""
        if self.to_stdout:
            return []
        splits = list(splits) or (list(ALL) if self.folder else [])
        return [self.file(split) for split in splits] if splits else [self.path]

    def check(self, splits: Iterable[str] = (), *, card: bool = True) -> None:
        """Raises UsageError if nothing can be written here. `card`: a card is written too. To be
        called before a long run.

        The files in a folder have names that the user did not choose. So a file there is replaced
        only if the folder's card lists it. A file of an earlier export that would stay is refused
        too: it may hold rows that now belong to another split, and a trainer would read it."""
        if self.to_stdout:
            return
        if not self.folder:
            check_ending(self.path, ROW_FILES)
            check_folder(self.path)
            return
        if not self.path.is_dir():
            if self.path.exists():
                raise UsageError(f"{self.path} is a file", hint="name a folder, or leave / off")
            check_folder(self.path)
            return
        files = self.files(splits)
        check_folder(files[0])
        ours = [self.path / name for name in listed(self.card)]
        for file in files:
            if file.exists() and file not in ours:
                raise UsageError(
                    f"{file} exists, and no {FOLDER_CARD} beside it says that it is an export",
                    hint="delete it, or name another folder",
                )
        for file in ours:
            if file.exists() and file not in files:
                raise UsageError(
                    f"{file} is a split of an earlier export, and this one does not replace it",
                    hint="delete it, or name another folder",
                )
        if card and self.card.exists() and not is_card(self.card):
            raise UsageError(
                f"{self.card} is no card of an export, and would be replaced",
                hint="name another folder, or add --no-card",
            )

    def make(self) -> None:
        """Makes the folder if there is none."""
        if self.folder:
            self.path.mkdir(exist_ok=True)
