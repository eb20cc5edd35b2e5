"""Scripted servers, for what a real one never does or cannot be made to do."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from sysgen_local.core.server import Server
from sysgen_local.engine.openai.abilities import NAME_A_LETTER, SAY_HELLO
from sysgen_local.engine.openai.engine import ServerEngine
from sysgen_local.engine.openai.row_text import REPEATED, STYLES
from sysgen_local.engine.request import Choice, Completion, Json, Message, Request, Segment

SCHEMA = Json('{"type": "object"}')

Reply = tuple[int, Any]
"""The status, and the body: JSON, or bytes as they are."""

Answer = Callable[[dict[str, Any]], Reply]
"""The reply to the body of a request."""


def said(text: str, tokens: int = 10) -> Reply:
    """The reply with this text, to a prompt of so many tokens."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant"}}
    choice["message"]["content"] = text
    usage = {"prompt_tokens": tokens, "completion_tokens": 2, "total_tokens": tokens + 2}
    return 200, {"id": "1", "object": "chat.completion", "choices": [choice], "usage": usage}


def refused(status: int, why: str) -> Reply:
    return status, {"error": {"message": why, "type": "x", "code": None}}


def text_of(body: dict[str, Any]) -> str:
    return body["messages"][-1]["content"]


def examines(body: dict[str, Any]) -> bool:
    """Whether the request is one of those that look at the server."""
    text = text_of(body)
    return text in (SAY_HELLO, NAME_A_LETTER, "x", *("x" + of * REPEATED for of in STYLES))


def able(body: dict[str, Any]) -> Reply:
    """The reply of a server that can do all to one of these requests."""
    text = text_of(body)
    if text == SAY_HELLO:
        form = body["response_format"]
        schema = form["json_schema"]["schema"] if "json_schema" in form else form["schema"]
        [word] = schema["properties"]["code"]["enum"]
        return said(json.dumps({"code": word}))
    if text == NAME_A_LETTER:
        status, reply = said("A")
        top = [{"token": t, "logprob": -1.0, "bytes": None} for t in "AB"]
        reply["choices"][0]["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
        return status, reply
    return said("A", 10 + len(text))


class Scripted:
    """A server at `url` that lists `models` and answers a chat as `answer` says. `paths`: further
    paths and what they give, `posts` the same for POST. With `examined`, `answer` gets the requests
    that look at it, too."""

    def __init__(self, answer: Answer, *, examined: bool = False) -> None:
        self.answer = answer
        self.examined = examined
        self.models: list[dict[str, Any]] = [{"id": "m", "object": "model"}]
        self.paths: dict[str, Reply] = {}
        self.posts: dict[str, Answer] = {}
        self.headers: dict[str, str] = {}
        self.url = ""
        self._port = 0
        self._http: ThreadingHTTPServer | None = None

    def start(self) -> None:
        """Begins to serve, again at the same port."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/v1/models" and self.path not in outer.paths:
                    self._send(200, {"object": "list", "data": outer.models})
                else:
                    self._send(*outer.paths.get(self.path, (404, {})))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path in outer.posts:
                    self._send(*outer.posts[self.path](body))
                    return
                looks = examines(body) and not outer.examined
                self._send(*(able if looks else outer.answer)(body))

            def _send(self, status: int, body: Any) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

            def log_message(self, *_: object) -> None: ...

        self._http = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._port = self._http.server_port
        self.url = f"http://127.0.0.1:{self._port}/v1"
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Nobody answers at its address."""
        if self._http:
            self._http.shutdown()
            self._http.server_close()
            self._http = None


@contextmanager
def serving(answer: Answer, **given: Any) -> Iterator[str]:
    """The address of such a server."""
    server = Scripted(answer, **given)
    server.start()
    yield server.url
    server.stop()


@contextmanager
def scripted(answers: Mapping[str, Answer]) -> Iterator[dict[str, Scripted]]:
    """Several of them by name."""
    servers = {name: Scripted(answer) for name, answer in answers.items()}
    for server in servers.values():
        server.start()
    yield servers
    for server in servers.values():
        server.stop()


def ask(
    answer: Answer,
    constraint: Choice | Json | None,
    text: str = "Hello",
    *,
    examined: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Completion:
    with serving(answer, examined=examined) as url:
        engine = ServerEngine(Server.at(url), slots=1, patience=0, say=say)
        message = Message("user", (Segment(text, trusted=False),))
        [found] = engine.complete([Request("1", "g", (message,), constraint)])
        engine.close()
        return found


def requests(number: int):
    for n in range(number):
        yield Request(str(n), "g", (Message("user", (Segment(f"Row {n}", trusted=False),)),))


def engine_of(servers: dict[str, Scripted], lines: list[str], **given: Any) -> ServerEngine:
    return ServerEngine(Server.at(*(of.url for of in servers.values())), say=lines.append, **given)


class Counting:
    """Answers after a while, and counts."""

    def __init__(self, seconds: float = 0.01) -> None:
        self.seconds = seconds
        self.asked: Counter[str] = Counter()
        self.running = self.most = 0
        self._lock = threading.Lock()

    def __call__(self, body: dict[str, Any]) -> Reply:
        with self._lock:
            self.asked[text_of(body)] += 1
            self.running += 1
            self.most = max(self.most, self.running)
        time.sleep(self.seconds)
        with self._lock:
            self.running -= 1
        return said("Fine.")
