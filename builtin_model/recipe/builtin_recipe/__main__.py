"""`python -m builtin_recipe`: build the built-in model from nothing, and measure it.

The shipped `builtin.gguf` is left alone: who wants another one shipped copies it there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

_CACHE = Path(__file__).parents[1] / "cache"
_MINUTES = {"cpu": 90.0, "cuda": 4.0}


def main() -> None:
    parser = _parser()
    options = parser.parse_args()
    if options.measure:
        _measure(parser, options, options.measure)
        return
    if options.validate:
        _validate(parser, options.validate)
        return
    minutes = _MINUTES[options.device] if options.minutes is None else options.minutes
    if minutes <= 0:
        parser.error("--minutes must be more than 0")
    if options.out.suffix != ".gguf":
        parser.error(f"--out must end in .gguf, not {options.out.name}")
    try:
        from torch import cuda

        from builtin_recipe.export import export
        from builtin_recipe.tokenizer import train_tokenizer
        from builtin_recipe.train import Settings, train
    except ModuleNotFoundError as error:
        parser.error(f"{error.name} is missing: pip install -e . -e builtin_model/recipe")

    if options.device == "cuda" and not cuda.is_available():
        parser.error("--device cuda: PyTorch finds no CUDA device here")
    tokenizer = options.out.with_suffix(".tokenizer.json")
    train_tokenizer(tokenizer)
    settings = Settings.on(
        options.device,
        seconds=60 * minutes,
        seed=options.seed,
        checkpoint=options.out.with_suffix(".pt"),
        tokenizer=tokenizer,
    )
    export(train(settings), options.out, tokenizer)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.2f} MB")
    _measure(parser, options, options.out)


def _measure(parser: argparse.ArgumentParser, options: argparse.Namespace, path: Path) -> None:
    from builtin_recipe.evaluate import evaluate

    try:
        print(evaluate(path, options.cases, options.rows).table())
    except (OSError, ValueError) as error:
        parser.error(str(error))


def _validate(parser: argparse.ArgumentParser, path: Path) -> None:
    from builtin_recipe.evaluate import validate

    try:
        print(validate(path).table())
    except (OSError, ValueError) as error:
        parser.error(str(error))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m builtin_recipe", description=__doc__)
    parser.add_argument(
        "--minutes",
        type=float,
        help="processor time of each of two processes (90); on a GPU, time that passes (4)",
    )
    parser.add_argument(
        "--device", default="cpu", choices=tuple(_MINUTES), help="where to train (default cpu)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of weights and samples (default 0)")
    parser.add_argument("--out", type=Path, default=_CACHE / "model.gguf", help="GGUF to write")
    parser.add_argument("--cases", type=int, default=100, help="held-out cases a figure (100)")
    parser.add_argument("--measure", type=Path, metavar="GGUF", help="only print its figures")
    parser.add_argument(
        "--validate", type=Path, metavar="GGUF", help="only print what one of several is chosen by"
    )
    parser.add_argument(
        "--rows", type=Path, metavar="FILE", help="lfs_instruction_data.json, for its labelled rows"
    )
    return parser


if __name__ == "__main__":
    main()
