"""A desk on the built-in model, behind its server."""

from __future__ import annotations

import http.client
import json
import threading
import time
from contextlib import contextmanager

from sysgen_local.desk.desk import Desk
from sysgen_local.desk.forms import RunForm
from sysgen_local.desk.server import DeskServer

QUESTIONS = ["How do I make green tea?", "Explain rain to my daughter.", "How is bread baked?"]


class Served:
    """A desk behind its server."""

    def __init__(self, server):
        self.server = server
        self.desk = server.desk
        self.db = server.desk.db

    def ask(self, method, path, body=None, **headers):
        """Status, headers and text of an answer; without headers, those that our page would
        send."""
        sent = {"Authorization": f"Bearer {self.server.token}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        con = http.client.HTTPConnection("127.0.0.1", self.server.server_port, timeout=60)
        con.request(method, path, None if body is None else json.dumps(body), sent)
        answer = con.getresponse()
        return answer.status, answer.headers, answer.read().decode()

    def get(self, path):
        status, _, text = self.ask("GET", path)
        assert status == 200, text
        return json.loads(text)

    def post(self, path, body=None):
        status, _, text = self.ask("POST", path, body or {})
        assert status == 200, text
        return json.loads(text)

    def refused(self, method, path, body=None):
        """The status and the sentence of a refusal."""
        status, _, text = self.ask(method, path, body)
        assert status != 200
        assert "Traceback" not in text
        return status, json.loads(text)["error"]

    def state(self):
        return self.get("/state")

    def wait(self, condition, seconds=180):
        """Waits until the state meets the condition; the state then."""
        deadline = time.monotonic() + seconds
        while not condition(state := self.state()):
            assert time.monotonic() < deadline, state
            time.sleep(0.05)
        return state

    def ended(self):
        """Waits for the end of the run; the state then."""
        return self.wait(lambda state: state["run"] is None)


@contextmanager
def serving(db, **form):
    desk = Desk(db, reviewer="ann")
    with DeskServer(desk, RunForm(**form), models=["builtin"]) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield Served(server)
        desk.end()
        server.shutdown()
    desk.state()  # reads what the run said
    desk.close_review()


def write_rows(path, number):
    """A file of so many rows."""
    rows = [
        {"instruction": f"{QUESTIONS[n % 3]} (part {n})", "output": f"This is how it is done: {n}."}
        for n in range(number)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path
