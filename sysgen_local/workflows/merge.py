"""Several stores into one: the shards of a dataset, or stores of different inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any

from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.core.files import check_folder, whole
from sysgen_local.core.shard import Shard, listed
from sysgen_local.store import Counts, Store
from sysgen_local.workflows.recipe import agreed_recipes

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class MergeResult:
    """The store that was written: its file, its counts, and its shard (see `Store.shard_facts`),
    which is None where it holds all rows."""

    path: Path
    counts: Counts
    shard: Mapping[str, Any] | None


def merge(
    paths: Sequence[str | Path],
    output: str | Path,
    *,
    partial: bool = False,
    replace: bool = False,
    say: Say = lambda line: None,
) -> MergeResult:
    """Writes the rows of several stores into a new one, with all results, reviews and verdicts.

    The stores at `paths` are the shards of a dataset (`shard="I/N"` of `run`), or stores of
    different inputs, in the order in which their rows are to be. They are only read. Of one that is
    in use, a copy as of now is taken, and `say` is given a sentence about that. `partial` allows
    that shards are missing: the result holds the shards that are there, and can be merged with the
    others later. `replace` allows that there is a store at `output`. Nothing is written unless all
    is.

    Raises UsageError where the stores do not belong together, hold different results for a row, or
    where the output is there already; RecipeError where they were made with different recipes.
    """
    output = Path(output).expanduser()
    files = [Path(path).expanduser() for path in paths]
    _require_distinct(files, output)
    check_folder(output)
    if output.exists():
        _require_replaceable(output, replace)
    with whole(output) as part:
        try:
            with Store.open(part) as made:
                _fill(made, files, partial, say)
                counts, facts = made.counts(), made.shard_facts()
                made.checkpoint()  # what is only in the log would be lost with it
        finally:
            _clean(part)
    return MergeResult(output, counts, facts)


def _fill(made: Store, files: Sequence[Path], partial: bool, say: Say) -> None:
    """Merges the stores in these files into a new store."""
    with ExitStack() as opened:
        stores = [
            opened.enter_context(made.attach(path, f"part{number}"))
            for number, path in enumerate(files)
        ]
        shard = _union(stores, partial)
        recipes = agreed_recipes(stores)
        for store in stores:
            if store.as_of:
                say(
                    f"{store.path} is in use, or comes from an older version: its copy as of "
                    f"{store.as_of:%H:%M:%S} is merged"
                )
        made.merge(stores, recipes, shard)


def _require_distinct(files: Sequence[Path], output: Path) -> None:
    """Raises UsageError where a store is named twice, or is the output too."""
    if not files:
        raise UsageError("there is no store to merge", hint="name the stores of all shards")
    seen: set[Path] = set()
    for path in files:
        place = path.resolve()
        if place in seen:
            raise UsageError(f"{path} is named twice", hint="name each store once")
        seen.add(place)
    if output.resolve() in seen:
        raise UsageError(
            f"{output} is one of the stores that are merged", hint="name another file with -o"
        )


def _require_replaceable(output: Path, replace: bool) -> None:
    """Raises UsageError unless this is a store that may be replaced, and LockedError where it is in
    use."""
    if not replace:
        raise UsageError(
            f"{output} is there already", hint="name another file with -o, or give --replace"
        )
    # It is opened to be written: so nobody uses it, and no write-ahead log stays beside it.
    with Store.open(output, create=False) as store:
        try:
            store.checkpoint()
        except OSError as error:
            raise SysgenError(
                f"{output} cannot be replaced: {error.strerror}",
                hint="see whether the disk is full",
            ) from error


def _union(stores: Sequence[Store], partial: bool) -> Shard | None:
    """The shards that the stores hold together; None for all rows. Raises UsageError where one is
    no shard and another is, where they are not of the same number, where two hold the same shard,
    and where some are missing and `partial` is False."""
    found = [(store, store.shard) for store in stores]
    parts = [(store, shard) for store, shard in found if shard is not None]
    if not parts:
        return None
    if whole_ones := [store for store, shard in found if shard is None]:
        store, shard = parts[0]
        raise UsageError(
            f"{store.path} holds {shard}, and {whole_ones[0].path} holds no shard",
            hint="merge the shards first, and what comes of it with the other store",
        )
    holders: dict[int, Store] = {}
    first, one = parts[0]
    for store, shard in parts:
        if shard.of != one.of:
            raise UsageError(
                f"{first.path} holds {one}, and {store.path} holds {shard}",
                hint="all shards of a dataset are made with the same N of --shard I/N",
            )
        for number in shard.numbers:
            if number in holders:
                raise UsageError(
                    f"{holders[number].path} and {store.path} both hold shard {number} of {one.of}",
                    hint="name one store for each shard",
                )
            holders[number] = store
    union = Shard.union(shard for _, shard in parts)
    if union.missing and not partial:
        raise UsageError(
            f"{listed(union.missing)} of {union.of} {_are(union.missing)} missing",
            hint="name the stores of all shards, or give --partial to merge those that are there",
        )
    return union if union.missing else None


def _are(numbers: Sequence[int]) -> str:
    return "are" if len(numbers) > 1 else "is"


def _clean(part: Path) -> None:
    """Removes what DuckDB leaves beside a file when it is stopped."""
    with suppress(OSError):
        Path(f"{part}.wal").unlink()
    rmtree(f"{part}.tmp", ignore_errors=True)
