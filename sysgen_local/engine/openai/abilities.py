"""What a server can do. It is found out by about ten short requests without text of a row."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from sysgen_local.engine.openai import errors, replies, row_text
from sysgen_local.engine.openai.schemas import FREE, object_of
from sysgen_local.engine.request import Choice, Json, Message, Request, Segment

SAY_HELLO = "Say hello."
NAME_A_LETTER = "Answer with the letter A or the letter B."
"""Two of the requests."""

_WORD = "K7Q-41"
"""A word that no model writes by itself."""

_MAX_TOKENS = 64
"""The most tokens of an answer in JSON."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """`form`: the number of the form in `schemas.JSON_FORMS` in which it takes a JSON schema.
    `probabilities`: it gives those of tokens. `forbidden`: what must not be in the text of a row,
    because the server reads it as a control token; None where nothing is known of that kind."""

    form: int = 0
    probabilities: bool = True
    forbidden: re.Pattern[str] | None = None

    def forbidden_in(self, request: Request) -> str | None:
        """The first forbidden text in text of a row; None where there is none."""
        if self.forbidden is None:
            return None
        rows = (part.text for of in request.messages for part in of.content if not part.trusted)
        return next((found[0] for text in rows if (found := self.forbidden.search(text))), None)


class Examined(Protocol):
    """The server that is looked at."""

    url: str
    props: dict[str, Any]
    """What it gives at /props."""

    def reply(self, request: Request, abilities: Abilities) -> Any:
        """The reply to a request that is sent as for a server with these abilities."""
        ...

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON object that it gives for this body beside /v1; empty where it gives none."""
        ...


def own_request(text: str, constraint: Json | Choice | None, max_tokens: int) -> Request:
    """A request without text of a row."""
    messages = (Message("user", (Segment(text),)),)
    return Request("", "", messages, constraint, max_tokens=max_tokens)


def examine(server: Examined, say: Callable[[str], None]) -> Abilities:
    """Finds out the abilities, and calls `say` with a line for each that is missing. Raises what
    `reply` raises where the server does not answer at all."""
    can = Abilities(_working_form(server))
    if can.form == FREE:
        say(f"{server.url} holds no answer to a JSON schema: what does not fit is dropped")
    if not _gives_probabilities(server, can):
        can = replace(can, probabilities=False)
        say(
            f"{server.url} gives no probabilities: each verdict counts as certain, and "
            "--min-p-good has no effect"
        )

    def count(text: str) -> int:
        return _tokens_of(server, can, text)

    if not count("x"):
        say(
            f"{server.url} counts no tokens: whether it keeps control tokens in the text of rows "
            "apart is not known"
        )
        return can
    tokens = [of for of in row_text.read_as_control(count) if not _is_plain(server, of)]
    if tokens:
        say(
            f"{server.url} reads control tokens in the text of rows: rows that hold "
            f"{' or '.join(tokens)}, or one like it, are refused"
        )
    return replace(can, forbidden=row_text.pattern(tokens))


def _working_form(server: Examined) -> int:
    """The number of the first form whose answer holds to the schema."""
    import openai

    schema = json.dumps(object_of("code", (_WORD,)))
    request = own_request(SAY_HELLO, Json(schema), _MAX_TOKENS)
    for form in range(FREE):
        try:
            reply = server.reply(request, Abilities(form))
            written = json.loads(replies.completion(request, reply).text)
        except openai.APITimeoutError:
            raise  # another form would take as long
        except Exception as error:
            if errors.affects_every_request(error) or not errors.may_be_request_specific(error):
                raise  # a wrong key or model; busy or gone
            continue
        if isinstance(written, dict) and written.get("code") == _WORD:
            return form
    return FREE


def _gives_probabilities(server: Examined, can: Abilities) -> bool:
    import openai

    try:
        reply = server.reply(own_request(NAME_A_LETTER, Choice(("A", "B")), 1), can)
    except openai.APIStatusError as error:
        if errors.affects_every_request(error) or not errors.may_be_request_specific(error):
            raise
        return False
    if not getattr(reply, "choices", None):
        return False
    logprobs = reply.choices[0].logprobs
    if logprobs is None:
        return False
    # Without content the answer has ended before its first token: nothing is known then.
    return not logprobs.content or bool(logprobs.content[0].top_logprobs)


def _tokens_of(server: Examined, can: Abilities, text: str) -> int:
    """The number of tokens of a prompt with this text; 0 where the server does not count."""
    request = own_request(text, None, 1)
    try:
        return replies.completion(request, server.reply(request, can)).tokens_in
    except Exception:
        return 0


def _is_plain(server: Examined, token: str) -> bool:
    """Whether llama-server has these characters as one token of plain text: it says so, by the
    tokens of a text with and without control tokens. False for another server."""
    if not server.props:
        return False
    as_control, as_text = (
        server.post("tokenize", {"content": token, "parse_special": special}).get("tokens")
        for special in (True, False)
    )
    return bool(as_control) and as_control == as_text
