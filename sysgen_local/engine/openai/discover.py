"""Finds servers that run on this machine, at the ports that they use unless told otherwise."""

from __future__ import annotations

import http.client
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

USUAL = (("llama-server", 8080), ("vLLM", 8000), ("Ollama", 11434), ("LM Studio", 1234))
"""Servers and their ports."""

OWNERS = {"llamacpp": "llama-server", "vllm": "vLLM", "library": "Ollama"}
"""What a server calls itself in its list of models -> its name. Any of them may use any port."""

TIMEOUT = 1.0
"""Seconds for an answer."""


@dataclass(frozen=True, slots=True)
class RunningServer:
    """`models`: those that it lists. `parallel`: how many requests at a time it is set to; None
    where it does not say."""

    name: str
    url: str
    models: tuple[str, ...]
    parallel: int | None


def running(places: Sequence[tuple[str, int]] = USUAL) -> list[RunningServer]:
    """The servers that answer at these ports of this machine."""
    with ThreadPoolExecutor(len(places)) as pool:
        found = pool.map(lambda place: _at(*place), places)
    return [server for server in found if server is not None]


def _at(name: str, port: int) -> RunningServer | None:
    listed = _get(port, "/v1/models").get("data")
    if not isinstance(listed, list):
        return None
    models = [of for of in listed if isinstance(of, dict) and isinstance(of.get("id"), str)]
    owner = str(models[0].get("owned_by")) if models else ""
    slots = _get(port, "/props").get("total_slots")
    return RunningServer(
        OWNERS.get(owner, name),
        f"http://127.0.0.1:{port}/v1",
        tuple(of["id"] for of in models),
        slots if isinstance(slots, int) else None,
    )


def _get(port: int, path: str) -> dict[str, Any]:
    """The JSON object at this path; empty where there is none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    try:
        connection.request("GET", path)
        found = json.loads(connection.getresponse().read(1 << 20))
    except (OSError, http.client.HTTPException, ValueError):
        return {}
    finally:
        connection.close()
    return found if isinstance(found, dict) else {}
