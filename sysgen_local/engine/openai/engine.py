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
from sysgen_local.core.thoughts import parse_reply
from sysgen_local.engine.openai import faults, replies
from sysgen_local.engine.request import Choice, Completion, Json, Message, Request, Segment

T = TypeVar("T")

TOP = 20
"""Likeliest tokens a server is asked for when a label is chosen; more is refused by some."""

UNTHINKING = {"chat_template_kwargs": {"enable_thinking": False}}

LABEL_TOKENS = 64
"""Room for a label written as JSON."""

RETRIES = 8
"""As often a request is repeated, ever later, while the server is busy, failing or out of reach:
for about four minutes, in which a server can be started anew."""

LONGEST_PAUSE = 60.0
"""Seconds between two of them at most, unless the server names a longer time."""

OWN_FAULT = 2
"""So often a request is repeated that the server breaks over, before it is asked whether it can
answer others."""

GRACE = 2.0
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
        self._over = Event()
        self._saying = Lock()
        self._said = -math.inf
        self._proven: set[type[Json | Choice] | None] = set()
        self._asking: WeakSet[Thread] = WeakSet()
        self._old_schema = False
        self._no_logprobs = False
        self._switch: bool | None = None
        """Whether the server takes the switch for thinking; None before its first answer."""
        self.model = model or self._first_model()

    @property
    def description(self) -> str:
        return f"{self.model} at {self.url}, {self._slots} requests at a time"

    def complete(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        """See `Engine.complete`."""
        source = iter(requests)
        self._over.clear()
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
                    if self._cancelled:  # a wait that was broken off ends so too
                        return
                    raise found
                yield found
        finally:
            self._cancelled = False

    def cancel(self) -> None:
        """See `Engine.cancel`."""
        self._cancelled = True
        self._over.set()

    def close(self) -> None:
        # A connection that is made while the client closes would be nobody's to close.
        self._over.set()
        until = time.monotonic() + GRACE
        for thread in list(self._asking):
            thread.join(max(0.0, until - time.monotonic()))
        self._client.close()

    def _first_model(self) -> str:
        try:
            models = self._patiently(lambda: self._client.models.list().data, known=False)
        except Exception as error:
            raise faults.explained(self.url, "?", error) from error
        if not models:
            raise UsageError(f"{self.url} lists no model", hint="name one: URL#MODEL")
        return str(models[0].id)

    def _answer(self, request: Request) -> Completion:
        """Raises UsageError or SysgenError for a fault of the server's."""
        started = time.perf_counter()
        kind = type(request.constraint) if request.constraint else None
        try:
            found = self._patiently(lambda: self._asked(request), probe=request)
            self._proven.add(kind)
        except Exception as error:
            explained = faults.explained(self.url, self.model, error)
            refused = faults.is_refusal(error)
            if refused and faults.is_long(error):
                found = Completion(request.id, "", "too_long")
            elif (refused and kind in self._proven) or self._answers(request, error):
                # What is wrong is in this request.
                finish: Any = "refused" if refused else "failed"
                found = Completion(request.id, explained.message, finish)
            else:
                raise explained from error
        return replace(found, seconds=time.perf_counter() - started)

    def _patiently(
        self, ask: Callable[[], T], probe: Request | None = None, *, known: bool = True
    ) -> T:
        """The answer, asked for ever later while the server is at fault. `probe`: the request, of
        which it is found out whether it alone is what the server breaks over. `known`: the server
        has been seen before; nobody waits long for one that was never there."""
        for attempt in range(RETRIES + 1):
            try:
                return ask()
            except Exception as error:
                own = attempt == OWN_FAULT and faults.may_be_its_own(error)
                known = known and bool(self._proven)
                if not faults.may_pass(error) or attempt == RETRIES:
                    raise
                if faults.is_unreachable(error) and not known and attempt >= OWN_FAULT:
                    raise
                if own and probe and self._answers(probe, error):
                    return ask()  # it may have come back between the two
                pause = max(min(LONGEST_PAUSE, 2.0**attempt), faults.asked_to_wait(error))
                self._tell(faults.explained(self.url, self.model, error).message, pause)
                if self._over.wait(pause):
                    raise
        raise AssertionError

    def _tell(self, what: str, pause: float) -> None:
        """Says that it is waited, once for all that wait."""
        with self._saying:
            if time.monotonic() >= self._said:
                self._said = time.monotonic() + pause
                self._say(f"{what}; asked again in {pause:.0f} s")

    def _answers(self, request: Request, error: Exception) -> bool:
        """Whether the server answers a request of this kind that holds no row."""
        if faults.is_whole(error):
            return False
        content = (Segment("Say yes."),)
        small = request._replace(
            messages=(Message("user", content),), max_tokens=min(request.max_tokens, 16)
        )
        try:
            self._asked(small)
        except Exception:
            return False
        return True

    def _asked(self, request: Request) -> Completion:
        if isinstance(request.constraint, Choice):
            return self._chosen(request, request.constraint.labels)
        return replies.completion(request, self._reply(request))

    def _chosen(self, request: Request, labels: tuple[str, ...]) -> Completion:
        """The label by the probabilities of the first token, or by that token itself. Where
        neither can be had the server writes a label as JSON, and that one has probability 1."""
        found, shares = Completion(request.id, "", "refused"), None
        if reply := self._read_off(request):
            found = replies.completion(request, reply)
            shares = replies.label_shares(labels, replies.likeliest(reply.choices[0]), found.text)
        if shares is None:
            written = replies.completion(request, self._reply(_in_writing(request, labels)))
            shares = replies.label_shares(
                labels, [], replies.label_in(parse_reply(written.text).answer)
            )
            read, wrote = found.tokens_in + written.tokens_in, found.tokens_out + written.tokens_out
            found = replace(written, tokens_in=read, tokens_out=wrote)
        if shares is None:
            why = f"no label can be read in {found.text[:200]!r}"
            return replace(found, text=why, finish="refused")
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

        old = self._old_schema
        try:
            return self._create(self._body(request, old))
        except (
            openai.BadRequestError,
            openai.UnprocessableEntityError,
            openai.InternalServerError,
        ):
            if old or not isinstance(request.constraint, Json):
                raise
            # llama-cpp-python's server knows no other way. Where this is refused too, the schema
            # was not what was wrong.
            reply = self._create(self._body(request, old_schema=True))
            self._old_schema = True
            return reply

    def _create(self, body: dict[str, Any]) -> Any:
        """The reply, with thinking switched off unless the server refuses the switch: then the same
        request is answered without it, and it is left out from then on."""
        import openai

        create = self._client.chat.completions.create
        if self._switch is False:
            return create(**body)
        try:
            reply = create(**body | {"extra_body": body["extra_body"] | UNTHINKING})
        except (openai.BadRequestError, openai.UnprocessableEntityError):
            if self._switch:
                raise
            # Where this is refused too, the switch was not what was wrong.
            reply = create(**body)
            self._leave_out_switch()
            return reply
        self._switch = True
        return reply

    def _leave_out_switch(self) -> None:
        with self._saying:
            if self._switch is None:
                self._switch = False
                self._say(
                    f"{self.url} refuses the switch for thinking (chat_template_kwargs): from now "
                    "on it is left out"
                )

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


def _in_writing(request: Request, labels: tuple[str, ...]) -> Request:
    schema = {
        "type": "object",
        "properties": {"label": {"type": "string", "enum": list(labels)}},
        "required": ["label"],
        "additionalProperties": False,
    }
    return request._replace(constraint=Json(json.dumps(schema)), max_tokens=LABEL_TOKENS)
