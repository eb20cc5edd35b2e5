"""A model's file or a server's address -> an engine. The libraries behind it are imported here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sysgen_local.core.server import Server
from sysgen_local.engine.options import Options
from sysgen_local.engine.request import Engine


def open_engine(
    model: Path | Server, options: Options, say: Callable[[str], None] = lambda line: None
) -> Engine:
    """Loads the GGUF, or finds the server; `say` is given a line when the server is waited for.

    Raises UsageError or SysgenError for a model that cannot be used.
    """
    if isinstance(model, Server):
        from sysgen_local.engine.openai.engine import ServerEngine

        return ServerEngine(model.url, model.model, slots=options.slots, say=say)
    from sysgen_local.engine.llama.engine import LlamaEngine

    return LlamaEngine(model, options)


def require(model: Path | Server) -> None:
    """Raises as `open_engine` for a model that llama.cpp cannot load, whose weights do not fit into
    memory, or whose server does not answer. Loads no weights."""
    if isinstance(model, Server):
        open_engine(model, Options()).close()
        return
    from sysgen_local.engine.llama import weights

    weights.require_memory(model)
    with weights.load_vocab_only(model):
        pass


def first_listed(server: Server) -> Server:
    """The server with the model that it lists first, where none was named: another model at the
    same address is another model. Raises as `open_engine`."""
    if server.model is not None:
        return server
    from sysgen_local.engine.openai.engine import ServerEngine

    engine = ServerEngine(server.url)
    engine.close()
    return Server(server.url, engine.model)


def prompt_facts(model: Path | Server) -> dict[str, str]:
    """How this model's prompts are rendered, as facts of a recipe. Imports llama.cpp for a GGUF.

    A server renders its prompts itself. It is asked not to think, which older versions did not do.
    Raises UsageError as `open_engine`.
    """
    if isinstance(model, Server):
        return {"thinking": "off"}
    from sysgen_local.engine.llama import chat_profile

    return {"chat": chat_profile.recipe_json(model)}
