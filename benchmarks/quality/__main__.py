"""`python -m benchmarks.quality`: the quality of the data in figures with 95 % intervals."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks.quality import verdicts
from benchmarks.quality.figures import Tree, medians, plain
from benchmarks.quality.measure import Measured, measure, measure_copy
from benchmarks.quality.printing import lines
from benchmarks.quality.run import Command
from sysgen_local.core.errors import SysgenError, UsageError

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "quality"
"""Folder with real rows and labelled phrases, if they are beside the checkout."""


def main(words: Sequence[str]) -> int:
    """Prints the figures. Returns the exit code."""
    own, extra = list(words), []
    if "--" in own:
        at = own.index("--")
        own, extra = own[:at], own[at + 1 :]
    options = _parser().parse_args(own)
    try:
        _measure(options, tuple(extra))
    except SysgenError as error:
        print(f"quality: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("quality: interrupted: nothing was measured", file=sys.stderr)
        return 130
    except click.ClickException as error:  # an option behind `--`
        print(f"quality: sysgen run: {error.format_message()}", file=sys.stderr)
        return error.exit_code
    return 0


def _measure(options: argparse.Namespace, extra: tuple[str, ...]) -> None:
    if options.model is None and (options.phrases or not options.db):
        what = f"judge {options.phrases}" if options.phrases else "run"
        raise UsageError(
            f"there is no model to {what} with",
            hint="--model GGUF|NAME; or --db STORE for what is there already, without --phrases",
        )
    if options.db:
        for name in ("rows", "seed", "limit", "keep"):
            if getattr(options, name) is not None:
                raise UsageError(
                    f"--{name} is for a run, and --db measures what is there already",
                    hint="give one of the two",
                )
    command = None
    if options.model is not None:
        command = Command(options.model, options.prompts, options.limit, extra)
    labelled = _labelled(options.phrases, command)
    if options.db:
        heads = [db.name for db in options.db]
        found = [measure_copy(db, options.prompts, _say) for db in options.db]
    else:
        assert command is not None
        rows = _rows(options.rows)
        seeds = options.seed or [0]
        heads = [f"seed {seed}" for seed in seeds]
        found = [_fresh(command, rows, seed, options) for seed in seeds]
    judged: Tree | None = None
    if labelled and command is not None:
        _say(f"{len(labelled)} labelled phrases are judged")
        with tempfile.TemporaryDirectory() as folder:
            db = Path(folder, "phrases.duckdb")
            judged = verdicts.measured(verdicts.judge(labelled, db, command.verify))
    if options.json:
        print(json.dumps(_object(heads, found, judged), indent=1, ensure_ascii=False))
        return
    for head, one in zip(heads, found, strict=True):
        print(f"{head}: " + ", ".join(f"{k} {v}" for k, v in one.made_with.items()))
    print("\n".join(lines(heads, [one.figures for one in found])))
    if judged is not None:
        print("\n".join(lines(["phrases"], [{"labelled_phrases": judged}])))


def _fresh(
    command: Command, rows: Sequence[Path], seed: int, options: argparse.Namespace
) -> Measured:
    """Runs the rows into a new store and measures it. With --keep the store is kept."""
    with tempfile.TemporaryDirectory() as folder:
        db = Path(folder, "run.duckdb")
        if options.keep is not None:
            options.keep.mkdir(parents=True, exist_ok=True)
            db = options.keep / f"seed-{seed}.duckdb"
            if db.exists():
                raise UsageError(f"{db} is there already", hint="--db measures it; or move it away")
        _say(f"seed {seed}: {', '.join(map(str, rows))}")
        seconds = command.over(rows, db, seed)
        return measure(db, options.prompts, _say, seconds=seconds)


def _rows(given: Sequence[Path] | None) -> list[Path]:
    rows = list(given or [DATA / "rows.jsonl"])
    for path in rows:
        if not path.exists():
            where = "" if given else " (the default)"
            raise UsageError(f"there are no rows at {path}{where}", hint="--rows FILE names some")
    return rows


def _labelled(given: Path | None, command: Command | None) -> list[verdicts.Labelled]:
    """The labelled phrases of --phrases, or the default ones if they exist. Empty if there is no
    model to judge them."""
    path = given or DATA / "phrases.jsonl"
    if command is None:
        return []
    if given is None and not path.exists():
        _say(f"there are no labelled phrases at {path}: --phrases FILE names some")
        return []
    return verdicts.read(path)


def _object(heads: Sequence[str], found: Sequence[Measured], judged: Tree | None) -> dict[str, Any]:
    """All figures for `--json`."""
    return {
        "runs": [
            {"name": head, "made_with": one.made_with, **plain(one.figures)}
            for head, one in zip(heads, found, strict=True)
        ],
        "medians": medians([one.figures for one in found]),
        "labelled_phrases": None if judged is None else plain(judged),
    }


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality",
        description=__doc__,
        epilog="What stands behind -- goes to `sysgen run` as it is: -- --no-check --slots 8",
    )
    parser.add_argument("--model", metavar="GGUF|NAME", help="runs the rows, judges the phrases")
    parser.add_argument(
        "--rows", type=Path, action="append", metavar="FILE", help="rows to run (several times)"
    )
    parser.add_argument("--phrases", type=Path, metavar="FILE", help="labelled phrases")
    parser.add_argument(
        "--db", type=Path, action="append", metavar="STORE", help="measure what this store holds"
        ", in place of a run (several times)"
    )  # fmt: skip
    parser.add_argument("--prompts", metavar="SET|DIR", help="prompt set")
    parser.add_argument("--seed", type=int, nargs="+", metavar="N", help="a run for each (0)")
    parser.add_argument("--limit", type=int, metavar="N", help="of each file only so many rows")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the stores there")
    parser.add_argument("--json", action="store_true", help="one object with all of it")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
