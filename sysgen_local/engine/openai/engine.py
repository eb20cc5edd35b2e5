"""The engine's protocol over any OpenAI-compatible server: llama-server, vLLM, Ollama, LM Studio.

The server tokenises what it is sent: whether text can become a control token there is up to it.
Where row text must stay row text, use a GGUF in this process. Thinking is switched off by what
vLLM, SGLang and llama-server pass on to the chat template, where the server bears to be told.

What goes wrong is told apart by a small request of the same kind that holds no row: where the
server answers that, the fault is the one request's, which fails alone; else it is the server's.
"""

from __future__ import annotations

import json
import math
import os
import queue
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from threading import Event, Lock, Thread
from typing import Any, TypeVar
from weakref import WeakSet

from sysgen_local.core.errors import UsageError
from sysgen_local.core.thoughts import spoken
from sysgen_local.engine.openai import errors, replies
from sysgen_local.engine.request import Choice, Completion, Json, Message, Request, Segment

T = TypeVar("T")

TOP_LOGPROBS = 20
"""Likeliest tokens a server is asked for when a label is chosen; more is refused by some."""

NO_THINKING = {"chat_template_kwargs": {"enable_thinking": False}}

MAX_LABEL_TOKENS = 64
"""Room for a label written as JSON."""

MAX_RETRIES = 8
"""As often a request is repeated, ever later, while the server is busy, failing or out of reach:
for about four minutes, in which a server can be started anew."""

MAX_RETRY_PAUSE = 60.0
"""Seconds between two of them at most, unless the server names a longer time."""

RETRIES_BEFORE_PROBE = 2
"""So often a request is repeated that the server breaks over, before it is asked whether it can
answer others."""

CLOSE_TIMEOUT = 2.0
"""Seconds that requests under way get to end when the engine is closed."""


class ServerEngine:
    """`slots` requests are under way at a time. `url` ends in /v1; `model` None takes the first
    one that the server lists; OPENAI_API_KEY is sent where it is set."""

    def __init__(
        self,
        url: str,
        model: str | None = None,
        *,
        slots: int | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        """`say` is told when the server is waited for. Raises UsageError or SysgenError where the
        server does not answer as it should."""
        import openai

        self.url = url
        self._say = say
        self._slots = slots or 8
        key = os.environ.get("OPENAI_API_KEY") or "none"
        self._client = openai.OpenAI(base_url=url, api_key=key, max_retries=0, timeout=600)
        self._cancelled = False
        self._stopped = Event()
        self._message_lock = Lock()
        self._next_message_at = -math.inf
        self._answered_kinds: set[type[Json | Choice] | None] = set()
        self._threads: WeakSet[Thread] = WeakSet()
        self._legacy_schema = False
        self._no_logprobs = False
        self._takes_thinking_switch: bool | None = None
        """Whether the server takes the switch for thinking; None before its first answer."""
        self.model = model or self._first_model()

    @property
    def description(self) -> str:
        return f"{self.model} at {self.url}, {self._slots} requests at a time"

    def complete(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        """See `Engine.complete`."""
        source = iter(requests)
        self._stopped.clear()
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
                    self._threads.add(thread)
                    running += 1
                if not running:
                    return
                try:
                    found = done.get(timeout=0.5)  # so that a signal is noticed meanwhile
                except queue.Empty:
                    continue
                running -= 1
                if isinstance(found, BaseException):
                    if self._cancelled:  # a wait that was broken off ends so too
                        return
                    raise found
                yield found
        finally:
            self._cancelled = False

    def cancel(self) -> None:
        """See `Engine.cancel`."""
        self._cancelled = True
        self._stopped.set()

    def close(self) -> None:
        # A connection that is made while the client closes would be nobody's to close.
        self._stopped.set()
        until = time.monotonic() + CLOSE_TIMEOUT
        for thread in list(self._threads):
            thread.join(max(0.0, until - time.monotonic()))
        self._client.close()

    def _first_model(self) -> str:
        try:
            models = self._with_retries(lambda: self._client.models.list().data, seen_before=False)
        except Exception as error:
            raise errors.to_sysgen_error(self.url, "?", error) from error
        if not models:
            raise UsageError(f"{self.url} lists no model", hint="name one: URL#MODEL")
        return str(models[0].id)

    def _answer(self, request: Request) -> Completion:
        """Raises UsageError or SysgenError for a fault of the server's."""
        started = time.perf_counter()
        kind = type(request.constraint) if request.constraint else None
        try:
            found = self._with_retries(lambda: self._request_once(request), probe=request)
            self._answered_kinds.add(kind)
        except Exception as error:
            failure = errors.to_sysgen_error(self.url, self.model, error)
            refused = errors.is_refusal(error)
            if refused and errors.is_context_overflow(error):
                found = Completion(request.id, "", "too_long")
            elif (refused and kind in self._answered_kinds) or self._answers_probe(request, error):
                # What is wrong is in this request.
                finish: Any = "refused" if refused else "failed"
                found = Completion(request.id, failure.message, finish)
            else:
                raise failure from error
        return replace(found, seconds=time.perf_counter() - started)

    def _with_retries(
        self, ask: Callable[[], T], probe: Request | None = None, *, seen_before: bool = True
    ) -> T:
        """The answer, asked for ever later while the server is at fault. `probe`: the request, of
        which it is found out whether it alone is what the server breaks over. `known`: the server
        has been seen before; nobody waits long for one that was never there."""
        for attempt in range(MAX_RETRIES + 1):
            try:
                return ask()
            except Exception as error:
                may_be_own = attempt == RETRIES_BEFORE_PROBE and errors.may_be_request_specific(
                    error
                )
                seen_before = seen_before and bool(self._answered_kinds)
                if not errors.is_retryable(error) or attempt == MAX_RETRIES:
                    raise
                if (
                    errors.is_unreachable(error)
                    and not seen_before
                    and attempt >= RETRIES_BEFORE_PROBE
                ):
                    raise
                if may_be_own and probe and self._answers_probe(probe, error):
                    return ask()  # it may have come back between the two
                pause = max(min(MAX_RETRY_PAUSE, 2.0**attempt), errors.retry_after(error))
                self._report_wait(
                    errors.to_sysgen_error(self.url, self.model, error).message, pause
                )
                if self._stopped.wait(pause):
                    raise
        raise AssertionError

    def _report_wait(self, what: str, pause: float) -> None:
        """Says that it is waited, once for all that wait."""
        with self._message_lock:
            if time.monotonic() >= self._next_message_at:
                self._next_message_at = time.monotonic() + pause
                self._say(f"{what}; asked again in {pause:.0f} s")

    def _answers_probe(self, request: Request, error: Exception) -> bool:
        """Whether the server answers a request of this kind that holds no row."""
        if errors.affects_every_request(error):
            return False
        content = (Segment("Say yes."),)
        probe_request = request._replace(
            messages=(Message("user", content),), max_tokens=min(request.max_tokens, 16)
        )
        try:
            self._request_once(probe_request)
        except Exception:
            return False
        return True

    def _request_once(self, request: Request) -> Completion:
        if isinstance(request.constraint, Choice):
            return self._choose_label(request, request.constraint.labels)
        return replies.completion(request, self._reply(request))

    def _choose_label(self, request: Request, labels: tuple[str, ...]) -> Completion:
        """The label by the probabilities of the first token, or by that token itself. Where
        neither can be had the server writes a label as JSON, and that one has probability 1."""
        found, probabilities = Completion(request.id, "", "refused"), None
        if reply := self._logprobs_reply(request):
            found = replies.completion(request, reply)
            probabilities = replies.label_probabilities(
                labels, replies.first_token_logprobs(reply.choices[0]), found.text
            )
        if probabilities is None:
            written = replies.completion(request, self._reply(_as_json_label(request, labels)))
            probabilities = replies.label_probabilities(
                labels, [], replies.label_in_json(spoken(written.text).answer)
            )
            read, wrote = found.tokens_in + written.tokens_in, found.tokens_out + written.tokens_out
            found = replace(written, tokens_in=read, tokens_out=wrote)
        if probabilities is None:
            why = f"no label can be read in {found.text[:200]!r}"
            return replace(found, text=why, finish="refused")
        chosen = max(probabilities, key=probabilities.__getitem__)
        # A label that was read off is whole, though its writing was cut off.
        return replace(found, text=chosen, finish="stop", probabilities=probabilities)

    def _logprobs_reply(self, request: Request) -> Any:
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

        legacy = self._legacy_schema
        try:
            return self._create(self._body(request, legacy))
        except (
            openai.BadRequestError,
            openai.UnprocessableEntityError,
            openai.InternalServerError,
        ):
            if legacy or not isinstance(request.constraint, Json):
                raise
            # llama-cpp-python's server knows no other way. Where this is refused too, the schema
            # was not what was wrong.
            reply = self._create(self._body(request, legacy_schema=True))
            self._legacy_schema = True
            return reply

    def _create(self, body: dict[str, Any]) -> Any:
        """The reply, with thinking switched off unless the server refuses the switch: then the same
        request is answered without it, and it is left out from then on."""
        import openai

        create = self._client.chat.completions.create
        if self._takes_thinking_switch is False:
            return create(**body)
        try:
            reply = create(**body | {"extra_body": body["extra_body"] | NO_THINKING})
        except (openai.BadRequestError, openai.UnprocessableEntityError):
            if self._takes_thinking_switch:
                raise
            # Where this is refused too, the switch was not what was wrong.
            reply = create(**body)
            self._drop_thinking_switch()
            return reply
        self._takes_thinking_switch = True
        return reply

    def _drop_thinking_switch(self) -> None:
        with self._message_lock:
            if self._takes_thinking_switch is None:
                self._takes_thinking_switch = False
                self._say(
                    f"{self.url} refuses the switch for thinking (chat_template_kwargs): from now "
                    "on it is left out"
                )

    def _body(self, request: Request, legacy_schema: bool) -> dict[str, Any]:
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
                    if legacy_schema
                    else {"type": "json_schema", "json_schema": wanted}
                )
            case Choice():
                body |= {"logprobs": True, "top_logprobs": TOP_LOGPROBS, "max_tokens": 1}
        return body


def _as_json_label(request: Request, labels: tuple[str, ...]) -> Request:
    schema = {
        "type": "object",
        "properties": {"label": {"type": "string", "enum": list(labels)}},
        "required": ["label"],
        "additionalProperties": False,
    }
    return request._replace(constraint=Json(json.dumps(schema)), max_tokens=MAX_LABEL_TOKENS)
