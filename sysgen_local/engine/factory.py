"""A model's files or a server's address -> an engine. The libraries behind it are imported here."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from sysgen_local.core.model_files import ModelFiles
from sysgen_local.core.server import Server
from sysgen_local.engine.options import Options
from sysgen_local.engine.request import Engine

if TYPE_CHECKING:
    from sysgen_local.engine.cluster.shares import Share

Tune = Callable[[ModelFiles, Options], Options]


def open_engine(
    model: ModelFiles | Server,
    options: Options,
    say: Callable[[str], None] = lambda line: None,
    *,
    find: Callable[[], ModelFiles] | None = None,
    tune: Tune | None = None,
) -> Engine:
    """Loads the GGUF with its adapters, or finds the server; `say` is given a line when a server or
    a cluster is waited for.

    With `options.ray` the GGUF is loaded by workers on a cluster. `find` returns its files on the
    machine where it is called; without it the paths are the same everywhere. `tune` returns the
    options for the files on that machine. Both are pickled.

    Raises UsageError or SysgenError for a model, or a cluster, that cannot be used.
    """
    if isinstance(model, Server):
        from sysgen_local.engine.openai.engine import ServerEngine

        patience = None if options.patience is None else 60 * options.patience
        return ServerEngine(model, slots=options.slots, patience=patience, say=say)
    if options.ray is not None:
        from sysgen_local.engine.cluster.engine import RayEngine

        same = partial(ModelFiles, model.path, model.adapters)
        return RayEngine(partial(_open_on_node, find or same, tune, options), options, say)
    from sysgen_local.engine.llama.engine import LlamaEngine

    return LlamaEngine(model.path, options, model.adapters)


def _open_on_node(
    find: Callable[[], ModelFiles], tune: Tune | None, options: Options, share: Share
) -> Engine:
    """The engine of one worker, which does not use more of its node than its share."""
    part = min(1.0, share.gpus or share.cpus / (os.cpu_count() or 1))
    threads = options.threads or (int(share.cpus) if part < 1 and not share.gpus else None)
    mine = replace(options, ray=None, threads=threads, memory_share=part)
    files = find()
    with keeping_weights():
        return open_engine(files, tune(files, mine) if tune else mine)


@contextmanager
def keeping_weights() -> Iterator[None]:
    """In the `with` block, the weights of the engine that was closed last stay in memory until an
    engine of another GGUF is opened: the next engine of the same GGUF does not read them again."""
    from sysgen_local.engine.llama.shared import MODELS

    with MODELS.keeping():
        yield


def is_on_gpu(files: ModelFiles) -> bool:
    """Whether all layers of the model would be on a GPU here. Loads no weights."""
    from sysgen_local.engine.llama.plan import gpu_layers

    return gpu_layers(files, None) < 0


def connect(options: Options) -> None:
    """Connects to the cluster of `options.ray`, if there is one. Raises UsageError for a cluster
    that cannot be used."""
    if options.ray is not None:
        from sysgen_local.engine.cluster import connection

        connection.connect(options.ray)


def require(model: ModelFiles | Server, options: Options | None = None) -> None:
    """Raises as `open_engine` for a model that llama.cpp cannot load, whose weights do not fit into
    memory, or whose server does not answer. Loads no weights. With `options.ray` the memory is that
    of other machines, and not looked at."""
    if isinstance(model, Server):
        from sysgen_local.engine.openai.pool import look

        look(model)
        return
    from sysgen_local.engine.llama import weights

    if options is None or options.ray is None:
        weights.require_memory(model)
    with weights.load_vocab_only(model.path):
        pass


def identified(server: Server) -> Server:
    """The server with the model that it lists first, where none was named, and with what it tells
    of the weights: another model at the same address is another model. Of several servers one must
    answer. Raises as `open_engine`."""
    if server.weights:
        return server
    from sysgen_local.engine.openai.pool import look

    return look(server)


def prompt_facts(model: ModelFiles | Server) -> dict[str, str]:
    """How this model's prompts are rendered, as facts of a recipe. Imports llama.cpp for a GGUF.

    A server renders its prompts itself. It is asked not to think, which older versions did not do.
    Raises UsageError as `open_engine`.
    """
    if isinstance(model, Server):
        return {"thinking": "off"}
    from sysgen_local.engine.llama import chat_profile

    return {"chat": chat_profile.recipe_json(model.path)}
