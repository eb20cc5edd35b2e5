"""Names of splits (train, test, ...) in the names of files and of the parts of a file."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from sysgen_local.core.errors import UsageError

_ALIKE = (("train", "training"), ("test", "testing"), ("validation", "valid", "val", "dev"),
          ("eval", "evaluation"))  # fmt: skip


def _within(words: tuple[str, ...]) -> re.Pattern[str]:
    either = "|".join(map(re.escape, words))
    return re.compile(rf"(?:^|(?<=[/_.\s-]))({either})(?=$|[/_.\s-])", re.IGNORECASE)


_ANY = _within(tuple(word for words in _ALIKE for word in words))


def named(name: str) -> str | None:
    """The split in a name: `train` for `data/train-00000.parquet`. None where there is none."""
    found = _ANY.findall(name)
    return found[-1].lower() if found else None


def is_train(name: str) -> bool:
    return named(name) in _ALIKE[0]


def asked_for(name: str, split: str) -> bool:
    """Whether the name is one of this split. `val` also means `validation`."""
    words = next((words for words in _ALIKE if split.lower() in words), (split,))
    return _within(words).search(name) is not None


def take(
    names: Sequence[str], split: str | None, where: str, say: Callable[[str], None], *, others: bool
) -> list[str]:
    """The names that belong to `split`, or to `train` where `split` is None. `say` is called with a
    sentence about what is left out. `others`: names without a split are read together with
    `train`, and all names are read where there is no `train`.

    Raises UsageError where there is no such split, and, unless `others`, where there are several
    splits and no `train`.
    """
    found = {name: named(name) for name in names}
    there = sorted({of for of in found.values() if of})
    if split:
        kept = [name for name in names if asked_for(name, split)]
        if not kept:
            raise UsageError(
                f"{where} has no split {split}", hint=f"it has {', '.join(there) or 'no splits'}"
            )
        return kept
    if not there:
        return list(names)
    if train := [name for name in names if is_train(name)]:
        kept = [name for name in names if name in train or (others and not found[name])]
        if left := sorted({of or "files of no split" for name, of in found.items()
                           if name not in kept}):  # fmt: skip
            say(f"{where}: train is read; {', '.join(left)} left out (--split NAME for another)")
        return kept
    if len(there) == 1 or others:
        say(f"{where}: it has no train; {', '.join(there)} read (--split NAME for one of several)")
        return list(names)
    raise UsageError(
        f"{where} has the splits {', '.join(there)}, and no train",
        hint="--split NAME says which is meant",
    )
