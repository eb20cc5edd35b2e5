"""One OpenAI-compatible server: llama-server, vLLM, Ollama, LM Studio and others.

The server applies the chat template and tokenises. Thinking is switched off through
`chat_template_kwargs`, which vLLM, SGLang and llama-server pass on to the chat template. A server
that refuses this field is asked without it.

How JSON and labels are asked for depends on what the server can do (`abilities`). `prepare` finds
that out before the first row.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from threading import Lock, local
from typing import Any

from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.core.extras import needs
from sysgen_local.core.server import Address
from sysgen_local.core.thoughts import parse_reply
from sysgen_local.engine.openai import errors, identity, replies
from sysgen_local.engine.openai.abilities import Abilities, examine, own_request
from sysgen_local.engine.openai.schemas import JSON_FORMS, object_of
from sysgen_local.engine.request import Choice, Completion, Json, Request

TOP_LOGPROBS = 20
"""How many of the most probable tokens are asked for when a label is chosen. Some servers refuse
a larger number."""

NO_THINKING = {"chat_template_kwargs": {"enable_thinking": False}}
"""Part of a request's body that switches thinking off."""

MAX_LABEL_TOKENS = 64
"""The most tokens of a label that is written as JSON."""

TIMEOUT = 600.0
"""Seconds after which an answer no longer comes."""

LOOK_TIMEOUT = 10.0
"""The same for questions about the server itself, and for a connection."""


class Client:
    """Sends single requests, without retries. Raises what the `openai` library raises."""

    def __init__(self, address: Address, say: Callable[[str], None] = lambda line: None) -> None:
        with needs("server", "a model behind an address"):
            import openai

        self.url = address.url
        self.model = address.model or "?"  # until the server has listed its models
        self.weights = ""
        """What identifies its model; empty before `prepare`."""
        self.parallel: int | None = None
        """How many requests at a time the server is set to, where it says so."""
        self.can = Abilities()
        """What the server can do, after `prepare`."""
        self.props: dict[str, Any] = {}
        """What llama-server gives at /props; empty for others."""
        self.answered_kinds: set[type[Json | Choice] | None] = set()
        """The kinds of requests that the server has answered."""
        self._key = address.key
        self._named = address.model
        self._say = say
        key = os.environ.get(address.key) or "none"
        http = openai.DefaultHttpxClient(event_hooks={"request": [self._trace]})
        try:
            self._client = openai.OpenAI(
                base_url=self.url, api_key=key, max_retries=0, http_client=http,
                timeout=openai.Timeout(TIMEOUT, connect=LOOK_TIMEOUT),
            )  # fmt: skip
        except Exception as error:  # that of httpx or httpx2, as the version of openai has it
            raise UsageError(
                f"{self.url[:200]!r} is not the address of a server: {error}"
            ) from error
        self._request = local()
        self._message_lock = Lock()
        self._takes_thinking_switch: bool | None = None
        """Whether the server accepts NO_THINKING; None before its first answer."""

    def close(self) -> None:
        self._client.close()

    def error(self, error: Exception) -> SysgenError:
        """The client's error as one sentence with a hint."""
        return errors.to_sysgen_error(self.url, self.model, error, self._key)

    # The server itself.

    def listed(self) -> list[dict[str, Any]]:
        """The models that the server lists, each with what it tells of it."""
        client = self._client.with_options(timeout=LOOK_TIMEOUT)
        try:
            found = client.get("/models", cast_to=object)
        except ValueError:  # no JSON
            found = None
        listed = found.get("data") if isinstance(found, dict) else None
        if not isinstance(listed, list) or not all(isinstance(of, dict) for of in listed):
            raise UsageError(
                f"{self.url} is no OpenAI-compatible address: it gives no list of models",
                hint="write http://HOST:PORT/v1#MODEL",
            )
        return [model for model in listed if "id" in model]

    def get(self, path: str) -> dict[str, Any]:
        """What the server gives at this path beside /v1; empty where it gives no JSON object.
        Raises the error of a server that gives none now: llama-server gives none while it loads."""
        try:
            client = self._client.with_options(timeout=LOOK_TIMEOUT)
            found = client.get(self._beside(path), cast_to=object)
        except Exception as error:
            if not errors.may_be_request_specific(error):
                raise
            return {}
        return found if isinstance(found, dict) else {}

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON object that the server gives for this body at this path beside /v1; empty where
        it gives none."""
        try:
            client = self._client.with_options(timeout=LOOK_TIMEOUT)
            found = client.post(self._beside(path), body=body, cast_to=object)
        except Exception:
            return {}
        return found if isinstance(found, dict) else {}

    def _beside(self, path: str) -> str:
        return f"{self.url.removesuffix('/v1')}/{path}"

    def identify(self, weights: str = "") -> str:
        """Asks which model the server has. Returns what identifies it.

        `weights`: what identified the model before, or that of other servers of the pool. Raises
        UsageError for another model, and for one that the server does not list.
        """
        listed, self.props = self._listed_model(), self.get("props")
        found = identity.of_model(listed, self.props)
        if weights and found != weights:
            raise UsageError(
                f"{self.url} serves another model: {identity.difference(weights, found)}",
                hint="all servers of a run must serve the same weights under the same name",
            )
        return found

    def prepare(self, weights: str = "") -> str:
        """As `identify`, before the first request and after the server was lost. The first time it
        also finds out what the server can do. Raises as `ask`, too."""
        found = self.identify(weights)
        if not self.weights:
            slots = self.props.get("total_slots")
            self.parallel = slots if isinstance(slots, int) and slots > 0 else None
            self.can = examine(self, self._say)
            self.weights = self.identify(found)  # it was not started again meanwhile
        return found

    # Requests.

    def ask(self, request: Request) -> Completion:
        """The completion of a request. Raises ValueError for a reply that is no chat completion."""
        if isinstance(request.constraint, Choice):
            return self._choose_label(request, request.constraint.labels)
        return replies.completion(request, self.reply(request, self.can))

    def reply(self, request: Request, abilities: Abilities) -> Any:
        """The reply to a request that is sent as for a server with these abilities."""
        return self._create(self._body(request, abilities.form))

    def answers_probe(self, request: Request, error: Exception) -> bool:
        """Whether the server answers a short request of the same kind without text of a row, after
        this error."""
        if errors.affects_every_request(error):
            return False
        probe = own_request("Say yes.", request.constraint, min(request.max_tokens, 16))
        try:
            self.ask(probe)
        except Exception:
            return False
        return True

    def _choose_label(self, request: Request, labels: tuple[str, ...]) -> Completion:
        """The most probable label.

        First choice: the log-probabilities of the first token. Second: the label that this token
        is. Third: the server writes a label as JSON. Without log-probabilities the label gets a
        probability of 1.
        """
        found, probabilities = Completion(request.id, "", "refused", tokens_decoded=0), None
        if self.can.probabilities:
            reply = self.reply(request, self.can)
            found = replies.completion(request, reply)
            probabilities = replies.label_probabilities(
                labels, replies.first_token_logprobs(reply.choices[0]), found.text
            )
        if probabilities is None:
            written = replies.completion(
                request, self.reply(_as_json_label(request, labels), self.can)
            )
            probabilities = replies.label_probabilities(
                labels, [], replies.label_in_json(parse_reply(written.text).answer)
            )
            found = _added(found, written)
        if probabilities is None:
            why = f"no label can be read in {found.text[:200]!r}"
            return replace(found, text=why, finish="refused")
        chosen = max(probabilities, key=probabilities.__getitem__)
        # The label is whole even where its text was cut off after one token.
        return replace(found, text=chosen, finish="stop", probabilities=probabilities)

    def _create(self, body: dict[str, Any]) -> Any:
        """The reply to a request body, with NO_THINKING added. Where the server refuses that, the
        request is sent again without it, and later requests leave it out."""
        import openai

        create = self._chat
        if self._takes_thinking_switch is False:
            return create(**body)
        try:
            reply = create(**body | {"extra_body": body["extra_body"] | NO_THINKING})
        except (openai.BadRequestError, openai.UnprocessableEntityError):
            if self._takes_thinking_switch:
                raise
            # If this is refused too, the reason is another one, and its error is raised.
            reply = create(**body)
            self._drop_thinking_switch()
            return reply
        self._takes_thinking_switch = True
        return reply

    def _chat(self, **body: Any) -> Any:
        """The reply to a request body. Where a connection was made for it, the server may have been
        started again meanwhile: it is asked for its model. Raises UsageError for another one."""
        self._request.connected = False
        reply = self._client.chat.completions.create(**body)
        if self._request.connected and self.weights:
            self.identify(self.weights)
        return reply

    def _trace(self, request: Any) -> None:
        """Notes for the thread that sends this HTTP request whether a connection is made for it."""

        def note(event: str, _: object) -> None:
            self._request.connected |= event == "connection.connect_tcp.complete"

        if not hasattr(self._request, "connected"):
            self._request.connected = False
        request.extensions["trace"] = note

    def _drop_thinking_switch(self) -> None:
        """Leaves NO_THINKING out from now on and says so once."""
        with self._message_lock:
            if self._takes_thinking_switch is None:
                self._takes_thinking_switch = False
                self._say(
                    f"{self.url} refuses the switch for thinking (chat_template_kwargs): from now "
                    "on it is left out"
                )

    def _body(self, request: Request, form: int) -> dict[str, Any]:
        """The body of a request. `form`: the number of the form in JSON_FORMS."""
        sampling = request.sampling
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": m.role, "content": m.text} for m in request.messages],
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": request.max_tokens,
            "seed": request.seed & 0x7FFFFFFF,
        }
        # Some servers refuse these parameters, so they are sent only where they have an effect.
        extra = {"top_k": sampling.top_k, "min_p": sampling.min_p}
        body["extra_body"] = {name: value for name, value in extra.items() if value}
        match request.constraint:
            case Json(schema):
                body["extra_body"] |= JSON_FORMS[form](json.loads(schema))
            case Choice():
                body |= {"logprobs": True, "top_logprobs": TOP_LOGPROBS, "max_tokens": 1}
        return body

    def _listed_model(self) -> dict[str, Any]:
        """What the server tells of the model: of the first one where none is named. Raises
        UsageError where there is no such model."""
        listed = self.listed()
        names = [str(model["id"]) for model in listed]
        if not names:
            raise UsageError(f"{self.url} lists no model", hint="load one there")
        if self._named is None:
            self.model = names[0]
            return listed[0]
        if self._named not in names:
            near = difflib.get_close_matches(self._named, names, 3, 0.4) or names[:3]
            raise UsageError(
                f"{self.url} has no model {self._named}",
                hint=f"it has {', '.join(near)}",
            )
        return listed[names.index(self._named)]


def _as_json_label(request: Request, labels: tuple[str, ...]) -> Request:
    """The same request, answered by a JSON object that holds one of the labels."""
    schema = json.dumps(object_of("label", labels))
    return request._replace(constraint=Json(schema), max_tokens=MAX_LABEL_TOKENS)


def _added(first: Completion, second: Completion) -> Completion:
    """The second completion with the tokens of both."""
    decoded = (first.tokens_decoded, second.tokens_decoded)
    return replace(
        second,
        tokens_in=first.tokens_in + second.tokens_in,
        tokens_out=first.tokens_out + second.tokens_out,
        tokens_decoded=None if None in decoded else sum(of or 0 for of in decoded),
    )
