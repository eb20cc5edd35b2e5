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
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sysgen_local.engine.request import Choice, Completion, Json, Request
from sysgen_local.errors import SysgenError, UsageError

TOP = 20
"""Likeliest tokens a server is asked for when a label is chosen; more is refused by some."""

RETRIES = 5
"""As often a request is repeated, ever later, while the server is busy, failing or out of reach."""


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
        self._old_schema = False
        self.model = model or self._first_model()

    @property
    def description(self) -> str:
        return f"{self.model} at {self.url}, {self._slots} requests at a time"

    def complete(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        """See `Engine.complete`."""
        source = iter(requests)
        done: queue.SimpleQueue[Completion | BaseException] = queue.SimpleQueue()
        running = 0
        pool = ThreadPoolExecutor(self._slots, thread_name_prefix="server")

        def ask(request: Request) -> None:
            try:
                done.put(self._answer(request))
            except BaseException as error:
                done.put(error)

        try:
            while not self._cancelled:
                while running < self._slots and (request := next(source, None)) is not None:
                    pool.submit(ask, request)
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
            pool.shutdown(wait=False, cancel_futures=True)

    def cancel(self) -> None:
        """See `Engine.cancel`."""
        self._cancelled = True

    def close(self) -> None:
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
                reply = self._reply(request)
        except openai.BadRequestError as error:
            text = str(error)
            long = "context" in text.lower() or "too long" in text.lower()
            return Completion(request.id, "" if long else text, "too_long" if long else "refused")
        choice = reply.choices[0]
        text = choice.message.content or ""
        usage = reply.usage
        shares = None
        if isinstance(request.constraint, Choice):
            shares = label_shares(request.constraint.labels, _tops(choice), text)
            text = max(shares, key=shares.__getitem__) if shares else text
        return Completion(
            request.id,
            text,
            # A label is cut off after its first token; one that cannot be read is no answer.
            ("stop" if shares else "refused")
            if isinstance(request.constraint, Choice)
            else ("length" if choice.finish_reason == "length" else "stop"),
            tokens_in=usage.prompt_tokens if usage else 0,
            tokens_out=usage.completion_tokens if usage else 0,
            seconds=time.perf_counter() - started,
            probabilities=shares,
        )

    def _reply(self, request: Request) -> Any:
        import openai

        create = self._client.chat.completions.create
        old = self._old_schema
        try:
            return create(**self._body(request, old_schema=old))
        except (
            openai.BadRequestError,
            openai.UnprocessableEntityError,
            openai.InternalServerError,
        ):
            # Others may be under way: what counts is how this one asked.
            if not isinstance(request.constraint, Json) or old:
                raise
            self._old_schema = True  # llama-cpp-python's server knows no other way
            return create(**self._body(request, old_schema=True))

    def _body(self, request: Request, *, old_schema: bool) -> dict[str, Any]:
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
