"""Completion in the shell: what parameters complete to, and `sysgen completion`.

click asks the functions here while a command line is typed, with (context, parameter, incomplete
word). What they return is either all values that begin with this word, or, if there is none, one
item of the type "file": then the shell itself completes files and folders. The two are not mixed,
because the bash script of click drops the values in front of an item of the type "file".
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
)

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem[str]]]
SHELLS = ("bash", "zsh", "fish")


@add_completion_class
class _Bash(BashComplete):
    """click's completion for bash, for words with a colon or an equals sign as well.

    bash splits words at both (COMP_WORDBREAKS), and replaces only the last part: it passes
    `phi-4:q8` as the three words `phi-4`, `:` and `q8`, and `--redo=v` as `--redo`, `=` and `v`.
    Here the parts at a colon are one word again, and what bash has already is cut off from the
    values. The equals sign behind an option is left out.
    """

    def get_completion_args(self) -> tuple[list[str], str]:
        arguments, incomplete = super().get_completion_args()
        words: list[str] = []
        for word in [*arguments, incomplete]:
            if words and (word == ":" or words[-1].endswith(":")):
                words[-1] += word
            elif word != "=" or not words or not words[-1].startswith("--"):
                words.append(word)
        if incomplete == "=":
            words.append("")
        *arguments, incomplete = words
        self._typed = incomplete[: incomplete.rfind(":") + 1]
        return arguments, incomplete

    def format_completion(self, item: CompletionItem[str]) -> str:
        return f"{item.type},{item.value.removeprefix(self._typed)}"


class _WholeWord(ShellComplete):
    """For shells that replace the whole word: the values of `--redo=v` begin with `--redo=`."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        option, equals, value = incomplete.partition("=")
        if not equals or not option.startswith("--"):
            return super().get_completions(args, incomplete)
        found = super().get_completions([*args, option], value)
        values = [v for item in found for v in (_listed(item) or [item.value])]
        return _values(f"{option}={value}" for value in values)


@add_completion_class
class _Zsh(_WholeWord, ZshComplete):
    pass


@add_completion_class
class _Fish(_WholeWord, FishComplete):
    """The function of fish that completes paths does not expand `~`: such paths are listed here."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        found = super().get_completions(args, incomplete)
        if not incomplete.startswith("~"):
            return found
        return _values(value for item in found for value in _listed(item) or [item.value])


def files(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:
    """Files and folders."""
    return [CompletionItem(word, type="file")]


def files_like(endings: tuple[str, ...]) -> Completer:
    """Files whose name has one of these endings; any file, and folders, where there is none."""

    def complete(
        context: click.Context, parameter: click.Parameter, word: str
    ) -> list[CompletionItem]:
        return _values(_files_here(word, endings)) or files(context, parameter, word)

    return complete


def models(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:
    """Names of models, GGUF files, and behind a `+` the adapters."""
    return _values(_models(word)) or files(context, parameter, word)


def labelled_models(
    context: click.Context, parameter: click.Parameter, word: str
) -> list[CompletionItem]:
    """`LABEL=MODEL`: completes what stands behind the label."""
    label = word[: word.find("=") + 1]
    found = _models(word.removeprefix(label))
    return _values(f"{label}{value}" for value in found) or files(context, parameter, word)


def model_names(
    context: click.Context, parameter: click.Parameter, word: str
) -> list[CompletionItem]:
    """Names of models."""
    return _values(_names(word))


def prompt_sets(
    context: click.Context, parameter: click.Parameter, word: str
) -> list[CompletionItem]:
    """The shipped prompt sets; folders where none begins so."""
    from sysgen_local.core.resources import resource

    shipped = sorted(path.name for path in resource("prompts").iterdir() if path.is_dir())
    found = [name for name in shipped if name.startswith(word)]
    return _values(found) or [CompletionItem(word, type="dir")]


def _listed(item: CompletionItem) -> list[str]:
    """The paths of an item of the type "file" or "dir". Folders end with a slash."""
    if item.type not in ("file", "dir"):
        return []
    folders = [f"{path}/" for path in _paths(item.value, Path.is_dir)]
    return folders + (_paths(item.value, Path.is_file) if item.type == "file" else [])


def _values(found: Iterable[str]) -> list[CompletionItem]:
    return [CompletionItem(value) for value in found]


def _models(word: str) -> list[str]:
    """The models, and the LoRA adapters behind a model and a `+`, that begin so."""
    base = word[: word.rfind("+") + 1]
    adapters = [f"{base}{file}" for file in _files_here(word.removeprefix(base), (".gguf",))]
    return [*_names(word), *_files_here(word, (".gguf",)), *(adapters if base else ())]


def _names(word: str) -> list[str]:
    """The names in the catalogue, and the repositories that were pulled, that begin so. With a
    colon in the word, those with their quantisations. None where the user's own models.toml is not
    valid."""
    from sysgen_local.core.errors import UsageError
    from sysgen_local.models.cache import cached, repositories
    from sysgen_local.models.catalogue import load_catalogue

    try:
        quants = {entry.name: list(entry.files) for entry in load_catalogue().entries.values()}
    except UsageError:
        return []
    for repo in repositories():
        if repo.startswith(word.partition(":")[0]) and (here := cached(repo)):
            quants[repo] = [of.gguf.quant for of in here if of.gguf.quant]
    names = [f"{name}:{of}" for name in quants for of in quants[name]] if ":" in word else quants
    return [name for name in names if name.startswith(word)]


def _files_here(word: str, endings: tuple[str, ...]) -> list[str]:
    """The files whose path begins as the word and has one of the endings."""
    return _paths(word, lambda path: path.name.lower().endswith(endings) and path.is_file())


def _paths(word: str, wanted: Callable[[Path], bool]) -> list[str]:
    """The paths that begin as the word, as the user types them: with `~` where it was typed.

    A name that must be quoted in a shell is left out. If no other fits, the shell completes it."""
    name = word.rpartition("/")[2]
    typed = word[: len(word) - len(name)]
    try:
        here = sorted(Path(os.path.expanduser(typed or ".")).iterdir())
    except OSError:
        return []
    return [
        f"{typed}{path.name}"
        for path in here
        if path.name.startswith(name) and (name or path.name[0] != ".") and wanted(path)
        if shlex.quote(path.name) == path.name
    ]


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the script for completion in a shell.

    It completes commands, options, files by their endings (*.duckdb for --db), models by name,
    pulled repository or file, prompt sets and phases. For bash and zsh, put the line of the example
    at the end of ~/.bashrc or ~/.zshrc (in zsh below `compinit`). For fish, write the script to the
    file of the example. Then open a new shell.

    \b
    Examples:
      eval "$(sysgen completion bash)"
      eval "$(sysgen completion zsh)"
      sysgen completion fish > ~/.config/fish/completions/sysgen.fish
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None  # click knows these three
    root = click.get_current_context().find_root().command
    click.echo(kind(root, {}, "sysgen", "_SYSGEN_COMPLETE").source())
