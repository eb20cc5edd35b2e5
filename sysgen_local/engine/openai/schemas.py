"""JSON schemas for servers: how one is sent, and the schema of a small object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

JSON_FORMS: tuple[Callable[[dict[str, Any]], dict[str, Any]], ...] = (
    lambda schema: {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": schema},
        }
    },
    lambda schema: {"response_format": {"type": "json_object", "schema": schema}},
    lambda schema: {"json_schema": schema},
    lambda schema: {"guided_json": schema},
    lambda schema: {
        "tools": [{"type": "function", "function": {"name": "answer", "parameters": schema}}],
        "tool_choice": {"type": "function", "function": {"name": "answer"}},
    },
    lambda schema: {},
)
"""How a JSON schema is sent: in OpenAI's form, in that of llama-cpp-python's server, in that of
llama-server (which makes a GBNF grammar of it), in that of older vLLM, as the arguments of a tool,
not at all."""

FREE = len(JSON_FORMS) - 1
"""The number of the last form: the answer is not held to the schema."""


def object_of(key: str, values: tuple[str, ...]) -> dict[str, Any]:
    """The JSON schema of an object with this key and one of these values."""
    return {
        "type": "object",
        "properties": {key: {"type": "string", "enum": list(values)}},
        "required": [key],
        "additionalProperties": False,
    }
