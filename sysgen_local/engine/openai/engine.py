"""An engine for any OpenAI-compatible server: llama-server, vLLM, Ollama, LM Studio.

The server applies the chat template and tokenises. Whether text of a row can become a control
token there depends on the server; a GGUF in this process rules it out. Thinking is switched off
through `chat_template_kwargs`, which vLLM, SGLang and llama-server pass on to the chat template. A
server that refuses this field is asked without it.

How an error of one request is told from an error of the server:
- A request that fails is repeated with growing pauses, because the server may be busy.
- Where it still fails, a probe is sent: a short request of the same kind with no text of a row.
- If the server answers the probe, only this request fails, and the run goes on.
- If it does not, the server is at fault, and the error ends the run.
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
from sysgen_local.core.extras import needs
from sysgen_local.core.thoughts import parse_reply
from sysgen_local.engine.openai import errors, replies
from sysgen_local.engine.request import Choice, Completion, Json, Message, Request, Segment

T = TypeVar("T")

TOP_LOGPROBS = 20
"""How many of the most probable tokens are asked for when a label is chosen. Some servers refuse
a larger number."""

NO_THINKING = {"chat_template_kwargs": {"enable_thinking": False}}
"""Part of a request's body that switches thinking off."""

MAX_LABEL_TOKENS = 64
"""The most tokens of a label that is written as JSON."""

MAX_RETRIES = 8
"""How often a request is repeated while the server is busy, failing or out of reach. With growing
pauses that is about four minutes, enough to restart a server."""

MAX_RETRY_PAUSE = 60.0
"""The longest pause before a retry, in seconds, unless the server asks for a longer one."""

RETRIES_BEFORE_PROBE = 2
"""How often a request is repeated before a probe checks whether the server answers others."""

CLOSE_TIMEOUT = 2.0
"""Seconds that running requests get to end when the engine is closed."""


class ServerEngine:
    """Sends requests to a server, each from a thread of its own, at most `slots` at a time.

    `url` ends in /v1. Where `model` is None, the first model that the server lists is used. The
    environment variable OPENAI_API_KEY is sent as the key where it is set.
    """

    def __init__(
        self,
        url: str,
        model: str | None = None,
        *,
        slots: int | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        """`slots`: requests at a time, 8 by default. `say` is called with a line of text when the
        engine waits for the server. Raises UsageError or SysgenError where the list of models is
        asked for and the server does not give it."""
        with needs("server", "a model behind an address"):
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
        """Whether the server accepts NO_THINKING; None before its first answer."""
        self.model = model or "?"  # until the server has listed its models
        if model is None:
            self.model = self._first_model()

    @property
    def description(self) -> str:
        """See `Engine.description`."""
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
                    # Daemon threads instead of a thread pool: Python waits for a pool's threads
                    # at exit, so Ctrl-C would take as long as the slowest answer.
                    thread = Thread(target=ask, args=(request,), name="server", daemon=True)
                    thread.start()
                    self._threads.add(thread)
                    running += 1
                if not running:
                    return
                try:
                    found = done.get(timeout=0.5)  # so that a signal can be handled
                except queue.Empty:
                    continue
                running -= 1
                if isinstance(found, BaseException):
                    if self._cancelled:  # `cancel` also ends a pause with the last error
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
        """Waits for running requests for up to CLOSE_TIMEOUT seconds, then closes the client."""
        # A thread that connects while the client closes would leave that connection open.
        self._stopped.set()
        until = time.monotonic() + CLOSE_TIMEOUT
        for thread in list(self._threads):
            thread.join(max(0.0, until - time.monotonic()))
        self._client.close()

    def _first_model(self) -> str:
        """The first model that the server lists."""
        try:
            models = self._with_retries(lambda: self._client.models.list().data, seen_before=False)
        except Exception as error:
            raise errors.to_sysgen_error(self.url, "?", error) from error
        if not models:
            raise UsageError(f"{self.url} lists no model", hint="name one: URL#MODEL")
        return str(models[0].id)

    def _answer(self, request: Request) -> Completion:
        """The completion of one request. Where only this request fails, the completion says why.
        Raises UsageError or SysgenError where the server is at fault."""
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
                # Only this request is at fault.
                finish: Any = "refused" if refused else "failed"
                found = Completion(request.id, failure.message, finish)
            else:
                raise failure from error
        return replace(found, seconds=time.perf_counter() - started)

    def _with_retries(
        self, ask: Callable[[], T], probe: Request | None = None, *, seen_before: bool = True
    ) -> T:
        """Calls `ask` until it succeeds, with growing pauses between the tries.

        `probe`: the request that `ask` sends. After RETRIES_BEFORE_PROBE retries, a probe checks
        whether this request alone makes the server fail. `seen_before`: whether the server has
        answered before; one that never did is not waited for long. Raises the last error where
        retries are of no use or used up.
        """
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
                    return ask()  # the server may have recovered before the probe
                pause = max(min(MAX_RETRY_PAUSE, 2.0**attempt), errors.retry_after(error))
                self._report_wait(
                    errors.to_sysgen_error(self.url, self.model, error).message, pause
                )
                if self._stopped.wait(pause):
                    raise
        raise AssertionError

    def _report_wait(self, what: str, pause: float) -> None:
        """Passes a message about the pause to `say`, once for all threads that wait."""
        with self._message_lock:
            if time.monotonic() >= self._next_message_at:
                self._next_message_at = time.monotonic() + pause
                self._say(f"{what}; asked again in {pause:.0f} s")

    def _answers_probe(self, request: Request, error: Exception) -> bool:
        """Whether the server answers a short request of the same kind without text of a row."""
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
        """The completion of a request, without retries. Raises what the client raises, and
        ValueError for a reply that is no chat completion."""
        if isinstance(request.constraint, Choice):
            return self._choose_label(request, request.constraint.labels)
        return replies.completion(request, self._reply(request))

    def _choose_label(self, request: Request, labels: tuple[str, ...]) -> Completion:
        """The most probable label.

        First choice: the log-probabilities of the first token. Second: the label that this token
        is. Third: the server writes a label as JSON. Without log-probabilities the label gets a
        probability of 1.
        """
        found, probabilities = Completion(request.id, "", "refused"), None
        if reply := self._logprobs_reply(request):
            found = replies.completion(request, reply)
            probabilities = replies.label_probabilities(
                labels, replies.first_token_logprobs(reply.choices[0]), found.text
            )
        if probabilities is None:
            written = replies.completion(request, self._reply(_as_json_label(request, labels)))
            probabilities = replies.label_probabilities(
                labels, [], replies.label_in_json(parse_reply(written.text).answer)
            )
            read, wrote = found.tokens_in + written.tokens_in, found.tokens_out + written.tokens_out
            found = replace(written, tokens_in=read, tokens_out=wrote)
        if probabilities is None:
            why = f"no label can be read in {found.text[:200]!r}"
            return replace(found, text=why, finish="refused")
        chosen = max(probabilities, key=probabilities.__getitem__)
        # The label is whole even where its text was cut off after one token.
        return replace(found, text=chosen, finish="stop", probabilities=probabilities)

    def _logprobs_reply(self, request: Request) -> Any:
        """The reply to a request with log-probabilities; None where the server refuses them."""
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
        """The reply to a request; a JSON schema is sent in the form that the server accepts."""
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
            # The server of llama-cpp-python accepts a schema only in this form. If it refuses this
            # too, the reason is another one, and its error is raised.
            reply = self._create(self._body(request, legacy_schema=True))
            self._legacy_schema = True
            return reply

    def _create(self, body: dict[str, Any]) -> Any:
        """The reply to a request body, with NO_THINKING added. Where the server refuses that, the
        request is sent again without it, and later requests leave it out."""
        import openai

        create = self._client.chat.completions.create
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

    def _drop_thinking_switch(self) -> None:
        """Leaves NO_THINKING out from now on and says so once."""
        with self._message_lock:
            if self._takes_thinking_switch is None:
                self._takes_thinking_switch = False
                self._say(
                    f"{self.url} refuses the switch for thinking (chat_template_kwargs): from now "
                    "on it is left out"
                )

    def _body(self, request: Request, legacy_schema: bool) -> dict[str, Any]:
        """The body of a request. `legacy_schema`: the JSON schema in the form that the server of
        llama-cpp-python takes."""
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
    """The same request, answered by a JSON object that holds one of the labels."""
    schema = {
        "type": "object",
        "properties": {"label": {"type": "string", "enum": list(labels)}},
        "required": ["label"],
        "additionalProperties": False,
    }
    return request._replace(constraint=Json(json.dumps(schema)), max_tokens=MAX_LABEL_TOKENS)
