"""`python -m benchmarks.trust`: how far a model's verdicts on phrases agree with labelled phrases.

The phrases and their labels go into a store, `sysgen run --phase verify` judges them, and the
figures are those of `sysgen judge --trust`.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import click

from benchmarks.quality import verdicts
from benchmarks.quality.__main__ import DATA
from benchmarks.quality.run import Command
from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.report.trust import trust_tables
from sysgen_local.store import Store
from sysgen_local.workflows.trust import trust


def main(words: Sequence[str]) -> int:
    """Prints the figures. Returns the exit code."""
    own, extra = list(words), []
    if "--" in own:
        at = own.index("--")
        own, extra = own[:at], own[at + 1 :]
    options = _parser().parse_args(own)
    try:
        phrases = verdicts.read(options.phrases)
        if options.sample is not None and options.sample < len(phrases):
            phrases = random.Random(options.seed).sample(phrases, options.sample)
        if options.db and options.db.exists():
            raise UsageError(f"{options.db} is there already", hint="name a new store")
        command = Command(options.model, options.prompts, extra=tuple(extra))
        folder = nullcontext(None) if options.db else tempfile.TemporaryDirectory()
        with folder as made:
            db = options.db or Path(made, "phrases.duckdb")
            verdicts.judge(phrases, db, command.verify)
            with Store.open(db, create=False, read_only=True) as store:
                found = trust(store)
    except SysgenError as error:
        print(f"trust: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("trust: interrupted: nothing was measured", file=sys.stderr)
        return 130
    except click.ClickException as error:  # an option behind `--`
        print(f"trust: sysgen run: {error.format_message()}", file=sys.stderr)
        return error.exit_code
    if options.json:
        print(json.dumps(found, indent=1))
        return 0
    for table in trust_tables(found):
        print(table.markdown(), end="\n\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.trust",
        description=__doc__,
        epilog="What stands behind -- goes to `sysgen run` as it is: -- --threads 1",
    )
    parser.add_argument("--model", required=True, metavar="GGUF|NAME", help="judges the phrases")
    parser.add_argument(
        "--phrases", type=Path, default=DATA / "phrases.jsonl", metavar="FILE",
        help="labelled phrases",
    )  # fmt: skip
    parser.add_argument("--sample", type=int, metavar="N", help="only N of them, by chance")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the sample (0)")
    parser.add_argument("--prompts", metavar="SET|DIR", help="prompt set")
    parser.add_argument("--db", type=Path, metavar="STORE", help="keep the store there")
    parser.add_argument("--json", action="store_true", help="one object with all of it")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
