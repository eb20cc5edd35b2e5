"""The engine's protocol over any OpenAI-compatible server: llama-server, vLLM, Ollama, LM Studio.

The server tokenises what it is sent: whether text can become a control token there is up to it.
Where row text must stay row text, use a GGUF in this process.
"""

from __future__ import annotations

import json
import math
import os
import queue
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from threading import Thread
from typing import Any
from weakref import WeakSet

from sysgen_local.engine.request import Choice, Completion, Json, Request
from sysgen_local.errors import SysgenError, UsageError

TOP = 20
"""Likeliest tokens a server is asked for when a label is chosen; more is refused by some."""

LABEL_TOKENS = 64
"""Room for a label written as JSON."""

RETRIES = 5
"""As often a request is repeated, ever later, while the server is busy, failing or out of reach."""

GRACE = 2.0
"""Seconds that requests under way get to end when the engine is closed."""


class ServerEngine:
    """`slots` requests are under way at a time. `url` ends in /v1; `model` None takes the first
    one that the server lists; OPENAI_API_KEY is sent where it is set."""

    def __init__(self, url: str, model: str | None = None, *, slots: int | None = None) -> None:
        """Raises UsageError or SysgenError where the server does not answer as it should."""
        import openai

        self.url = url
        self._slots = slots or 8
        key = os.environ.get("OPENAI_API_KEY") or "none"
        self._client = openai.OpenAI(base_url=url, api_key=key, max_retries=RETRIES, timeout=600)
        self._cancelled = False
        self._asking: WeakSet[Thread] = WeakSet()
        self._old_schema = False
        self._no_logprobs = False
        self.model = model or self._first_model()

    @property
    def description(self) -> str:
        return f"{self.model} at {self.url}, {self._slots} requests at a time"

    def complete(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        """See `Engine.complete`."""
        source = iter(requests)
        done: queue.SimpleQueue[Completion | BaseException] = queue.SimpleQueue()
        running = 0

        def ask(request: Request) -> None:
            try:
                done.put(self._answer(request))
            except BaseException as error:
                done.put(error)

        try:
            while not self._cancelled:
                while running < self._slots and (request := next(source, None)) is not None:
                    # Not a pool's threads: the interpreter waits for those before it ends, and an
                    # interrupt would last as long as the server's slowest answer.
                    thread = Thread(target=ask, args=(request,), name="server", daemon=True)
                    thread.start()
                    self._asking.add(thread)
                    running += 1
                if not running:
                    return
                try:
                    found = done.get(timeout=0.5)  # so that a signal is noticed meanwhile
                except queue.Empty:
                    continue
                running -= 1
                if isinstance(found, BaseException):
                    raise found
                yield found
        finally:
            self._cancelled = False

    def cancel(self) -> None:
        """See `Engine.cancel`."""
        self._cancelled = True

    def close(self) -> None:
        # A connection that is made while the client closes would be nobody's to close.
        until = time.monotonic() + GRACE
        for thread in list(self._asking):
            thread.join(max(0.0, until - time.monotonic()))
        self._client.close()

    def _first_model(self) -> str:
        with _Explained(self.url, "?"):
            models = self._client.models.list().data
        if not models:
            raise UsageError(f"{self.url} lists no model", hint="name one: URL#MODEL")
        return models[0].id

    def _answer(self, request: Request) -> Completion:
        import openai

        started = time.perf_counter()
        try:
            with _Explained(self.url, self.model):
                if isinstance(request.constraint, Choice):
                    found = self._chosen(request, request.constraint.labels)
                else:
                    found = _completion(request, self._reply(request))
        except openai.BadRequestError as error:
            text = str(error)
            long = "context" in text.lower() or "too long" in text.lower()
            found = Completion(request.id, "" if long else text, "too_long" if long else "refused")
        return replace(found, seconds=time.perf_counter() - started)

    def _chosen(self, request: Request, labels: tuple[str, ...]) -> Completion:
        """The label by the probabilities of the first token, or by that token itself. Where
        neither can be had the server writes a label as JSON, and that one has probability 1."""
        found, shares = Completion(request.id, "", "refused"), None
        if reply := self._read_off(request):
            found = _completion(request, reply)
            shares = label_shares(labels, _tops(reply.choices[0]), found.text)
        if shares is None:
            written = _completion(request, self._reply(_in_writing(request, labels)))
            shares = label_shares(labels, [], _label(written.text))
            read, wrote = found.tokens_in + written.tokens_in, found.tokens_out + written.tokens_out
            found = replace(written, tokens_in=read, tokens_out=wrote)
        if shares is None:
            return replace(found, finish="refused")
        chosen = max(shares, key=shares.__getitem__)
        # A label that was read off is whole, though its writing was cut off.
        return replace(found, text=chosen, finish="stop", probabilities=shares)

    def _read_off(self, request: Request) -> Any:
        """The reply to a request for probabilities; None from a server that will not give them."""
        import openai

        if self._no_logprobs:
            return None
        try:
            return self._reply(request)
        except (openai.BadRequestError, openai.InternalServerError) as error:
            if "logprobs" not in str(error):
                raise
            self._no_logprobs = True
            return None

    def _reply(self, request: Request) -> Any:
        import openai

        create = self._client.chat.completions.create
        old = self._old_schema
        try:
            return create(**self._body(request, old))
        except (
            openai.BadRequestError,
            openai.UnprocessableEntityError,
            openai.InternalServerError,
        ):
            if old or not isinstance(request.constraint, Json):
                raise
            # llama-cpp-python's server knows no other way. Where this is refused too, the schema
            # was not what was wrong.
            reply = create(**self._body(request, old_schema=True))
            self._old_schema = True
            return reply

    def _body(self, request: Request, old_schema: bool) -> dict[str, Any]:
        sampling = request.sampling
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": m.role, "content": m.text} for m in request.messages],
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": request.max_tokens,
            "seed": request.seed & 0x7FFFFFFF,
        }
        # Not every server knows these: they are sent only where they matter.
        extra = {"top_k": sampling.top_k, "min_p": sampling.min_p}
        body["extra_body"] = {name: value for name, value in extra.items() if value}
        match request.constraint:
            case Json(schema):
                fitting = json.loads(schema)
                wanted = {"name": "answer", "strict": True, "schema": fitting}
                body["response_format"] = (
                    {"type": "json_object", "schema": fitting}
                    if old_schema
                    else {"type": "json_schema", "json_schema": wanted}
                )
            case Choice():
                body |= {"logprobs": True, "top_logprobs": TOP, "max_tokens": 1}
        return body


def _completion(request: Request, reply: Any) -> Completion:
    choice, usage = reply.choices[0], reply.usage
    text = choice.message.content or ""
    return Completion(
        request.id,
        _strict(text) if isinstance(request.constraint, Json) else text,
        "length" if choice.finish_reason == "length" else "stop",
        tokens_in=usage.prompt_tokens if usage else 0,
        tokens_out=usage.completion_tokens if usage else 0,
    )


def _strict(text: str) -> str:
    """JSON whose strings have no raw line breaks, which some servers' grammars let through; as it
    is where it is none even so."""
    try:
        return json.dumps(json.loads(text, strict=False), ensure_ascii=False)
    except ValueError:
        return text


def _in_writing(request: Request, labels: tuple[str, ...]) -> Request:
    schema = {
        "type": "object",
        "properties": {"label": {"type": "string", "enum": list(labels)}},
        "required": ["label"],
        "additionalProperties": False,
    }
    return request._replace(constraint=Json(json.dumps(schema)), max_tokens=LABEL_TOKENS)


def _label(text: str) -> str:
    """The label in a server's JSON; what it wrote where that is none."""
    try:
        return str(json.loads(text)["label"])
    except (ValueError, KeyError, TypeError):
        return text


def _tops(choice: Any) -> list[tuple[str, float]]:
    """The likeliest first tokens with their log-probabilities, where the server tells."""
    content = choice.logprobs.content if choice.logprobs else None
    if not content:
        return []
    return [(top.token, top.logprob) for top in content[0].top_logprobs or ()]


def label_shares(
    labels: tuple[str, ...], tops: list[tuple[str, float]], text: str
) -> Mapping[str, float] | None:
    """Each label's share of the probability of the tokens that may begin it, summing to 1.

    A server that tells no probabilities leaves 1 for the label it wrote and 0 for the others.
    None where no label can be read.
    """
    shares = dict.fromkeys(labels, 0.0)
    for token, logprob in tops:
        begun = token.strip().lower()
        fitting = [label for label in labels if begun and label.lower().startswith(begun)]
        if len(fitting) == 1:
            shares[fitting[0]] += math.exp(logprob)
    total = sum(shares.values())
    if total > 0:
        return {label: share / total for label, share in shares.items()}
    written = text.strip().lower()
    fitting = [x for x in labels if written and x.lower().startswith(written[: len(x)])]
    return {label: float(label == fitting[0]) for label in labels} if len(fitting) == 1 else None


class _Explained:
    """The client's errors in one sentence each; a request that the server refuses goes on."""

    def __init__(self, url: str, model: str) -> None:
        self._url = url
        self._model = model

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        import openai

        url = self._url
        if isinstance(error, openai.BadRequestError):
            return
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            raise UsageError(
                f"{url} wants a key, or another one", hint="set OPENAI_API_KEY"
            ) from error
        if isinstance(error, openai.NotFoundError):
            raise UsageError(
                f"{url} has no model {self._model}, or is no OpenAI-compatible address",
                hint="write http://HOST:PORT/v1#MODEL",
            ) from error
        if isinstance(error, openai.RateLimitError):
            raise SysgenError(
                f"{url} lets through no more requests for now",
                hint="wait, or ask fewer at a time (--slots); the same command takes it up again",
            ) from error
        if isinstance(error, openai.APIStatusError):
            raise SysgenError(
                f"{url} answered {error.status_code}: {str(error).splitlines()[0]}",
                hint="look at the server's log; the same command takes it up again",
            ) from error
        if isinstance(error, openai.APIConnectionError):
            raise SysgenError(
                f"{url} cannot be reached",
                hint="is the server running? The same command takes it up again",
            ) from error
