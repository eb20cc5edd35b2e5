"""`python -m builtin_recipe`: build the built-in model from nothing, and measure it.

The shipped `builtin.gguf` is replaced only where `--ship` asks for it.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

_FOLDER = Path(__file__).parents[2]
_SHIPPED = _FOLDER / "builtin.gguf"
_TOKENIZER = _FOLDER / "tokenizer.json"
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
    for name in ("start", "tokenizer"):
        file = getattr(options, name)
        if file and not file.is_file():
            parser.error(f"--{name}: there is no file {file}")
    if options.start and not options.tokenizer:
        parser.error("--start needs the --tokenizer that the file was trained with")
    if options.out.suffix != ".gguf":
        parser.error(f"--out must end in .gguf, not {options.out.name}")
    if options.out.resolve() == _SHIPPED.resolve():
        parser.error(f"{_SHIPPED.name} is the shipped model: name another file, or use --ship")
    try:
        from torch import cuda

        from builtin_recipe.export import export, weights
        from builtin_recipe.model import Config
        from builtin_recipe.tokenizer import Encoder, train_tokenizer
        from builtin_recipe.train import Settings, train
    except ModuleNotFoundError as error:
        parser.error(f"{error.name} is missing: pip install -e . -e builtin_model/recipe")

    if options.device == "cuda" and not cuda.is_available():
        parser.error("--device cuda: PyTorch finds no CUDA device here")
    if options.start:
        [size, width] = weights(options.start)["token_embd.weight"].shape
        wanted = (Encoder(options.tokenizer).size, Config().width)
        if (size, width) != wanted:
            parser.error(
                f"--start: {options.start} has {size} tokens and width {width}, "
                f"the tokenizer {wanted[0]} and the model {wanted[1]}"
            )
    tokenizer = options.tokenizer
    if tokenizer is None:
        tokenizer = options.out.with_suffix(".tokenizer.json")
        train_tokenizer(tokenizer)
    settings = Settings.on(
        options.device,
        seconds=60 * minutes,
        seed=options.seed,
        checkpoint=options.out.with_suffix(".pt"),
        tokenizer=tokenizer,
        start=options.start,
    )
    export(train(settings), options.out, tokenizer)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.2f} MB")
    _measure(parser, options, options.out)
    if options.ship:
        shutil.copy(options.out, _SHIPPED)
        shutil.copy(tokenizer, _TOKENIZER)
        print(f"shipped as {_SHIPPED}")


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
    parser.add_argument(
        "--start", type=Path, metavar="FILE", help="a GGUF or checkpoint to go on from"
    )
    parser.add_argument("--out", type=Path, default=_CACHE / "model.gguf", help="GGUF to write")
    parser.add_argument("--cases", type=int, default=100, help="held-out cases a figure (100)")
    parser.add_argument(
        "--tokenizer", type=Path, metavar="FILE", help="take this one instead of training one"
    )
    parser.add_argument("--measure", type=Path, metavar="GGUF", help="only print its figures")
    parser.add_argument(
        "--validate", type=Path, metavar="GGUF", help="only print what one of several is chosen by"
    )
    parser.add_argument(
        "--rows", type=Path, metavar="FILE", help="lfs_instruction_data.json, for its labelled rows"
    )
    parser.add_argument("--ship", action="store_true", help="replace builtin.gguf by the result")
    return parser


if __name__ == "__main__":
    main()
