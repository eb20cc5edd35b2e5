"""`python -m builtin_model`: build the built-in model from nothing, and measure it.

The shipped `builtin.gguf` is replaced only where `--ship` asks for it.
"""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path

_FOLDER = Path(__file__).parent
_SHIPPED = _FOLDER / "builtin.gguf"
_TOKENIZER = _FOLDER / "tokenizer.json"
_CACHE = _FOLDER / "cache"


def main() -> None:
    parser = _parser()
    options = parser.parse_args()
    if options.measure:
        _measure(parser, options, options.measure)
        return
    if options.minutes <= 0:
        parser.error("--minutes must be more than 0")
    if options.start and not options.start.is_file():
        parser.error(f"--start: there is no file {options.start}")
    if options.out.suffix != ".gguf":
        parser.error(f"--out must end in .gguf, not {options.out.name}")
    if options.out.resolve() == _SHIPPED.resolve():
        parser.error(f"{_SHIPPED.name} is the shipped model: name another file, or use --ship")
    try:
        from builtin_model.export import export
        from builtin_model.tokenizer import train_tokenizer
        from builtin_model.train import Settings, train
    except ModuleNotFoundError as error:
        parser.error(f"{error.name} is missing: pip install -e '.[builtin-model]'")

    tokenizer = _TOKENIZER
    if options.new_tokenizer:
        tokenizer = options.out.with_suffix(".tokenizer.json")
        train_tokenizer(tokenizer)
    settings = Settings(
        seconds=60 * options.minutes,
        seed=options.seed,
        checkpoint=options.out.with_suffix(".pt"),
        tokenizer=tokenizer,
        start=options.start,
        processes=min(2, os.cpu_count() or 1),
    )
    export(train(settings), options.out, tokenizer)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.2f} MB")
    _measure(parser, options, options.out)
    if options.ship:
        shutil.copy(options.out, _SHIPPED)
        if options.new_tokenizer:
            shutil.copy(tokenizer, _TOKENIZER)
        print(f"shipped as {_SHIPPED}")


def _measure(parser: argparse.ArgumentParser, options: argparse.Namespace, path: Path) -> None:
    from builtin_model.evaluate import evaluate

    try:
        print(evaluate(path, options.cases, options.rows).table())
    except (OSError, ValueError) as error:
        parser.error(str(error))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m builtin_model", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="training time (default 30)")
    parser.add_argument("--seed", type=int, default=0, help="of weights and samples (default 0)")
    parser.add_argument(
        "--start", type=Path, metavar="FILE", help="a GGUF or checkpoint to go on from"
    )
    parser.add_argument("--out", type=Path, default=_CACHE / "model.gguf", help="GGUF to write")
    parser.add_argument("--cases", type=int, default=100, help="held-out cases a figure (100)")
    parser.add_argument("--new-tokenizer", action="store_true", help="train a tokenizer first")
    parser.add_argument("--measure", type=Path, metavar="GGUF", help="only print its figures")
    parser.add_argument(
        "--rows", type=Path, metavar="FILE", help="lfs_instruction_data.json, for its labelled rows"
    )
    parser.add_argument("--ship", action="store_true", help="replace builtin.gguf by the result")
    return parser


if __name__ == "__main__":
    main()
