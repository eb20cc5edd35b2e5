"""Only who knows the token is answered, and only from our own page."""

from __future__ import annotations

import http.client
import json
import socket
import threading

import pytest
from filled import EVIL, fill

from sysgen_local.core.errors import UsageError
from sysgen_local.review.server import ReviewServer
from sysgen_local.review.session import Session
from sysgen_local.serving.local_server import LARGEST
from sysgen_local.store import RowQuery, Store

ACCEPT = json.dumps({"decision": "accepted"})


@pytest.fixture
def server(tmp_path):
    fill(tmp_path / "s.duckdb", 3)
    with Store.open(tmp_path / "s.duckdb") as store:
        session = Session(store, RowQuery("final", limit=None))
        with ReviewServer(session, title=EVIL) as server:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            yield server
            server.shutdown()
        session.close()


def ask(server, method, path, body=None, **headers):
    """Status, headers and text of an answer; without headers, those that our page would send."""
    sent = {"Authorization": f"Bearer {server.token}"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    con = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)
    con.request(method, path, body, sent)
    answer = con.getresponse()
    return answer.status, answer.headers, answer.read().decode()


def decided(server):
    return server.session.decided().total()


def test_the_page_needs_the_token_in_its_address(server):
    for path in ("/", "/?token=", "/?token=wrong", f"/?token={server.token}x", "/?token=%C3%A9"):
        status, _, text = ask(server, "GET", path)
        assert status == 403
        assert server.token not in text
    status, headers, text = ask(server, "GET", f"/?token={server.token}")
    assert status == 200
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "default-src 'none'" in text
    assert "connect-src 'self'" in text
    assert EVIL not in text
    assert server.token not in text


def test_reading_and_writing_need_the_token_in_a_header(server):
    for method, path in (
        ("GET", "/rows/0"), ("POST", "/rows/0"), ("POST", "/undo"), ("POST", "/notes/0"),
        ("GET", "/find/0"), ("GET", "/numbers/1"), ("GET", "/end"), ("POST", "/end"),
    ):  # fmt: skip
        for given in ("", "Bearer ", "Bearer wrong", "Bearer é"):
            status, _, text = ask(server, method, path, ACCEPT, Authorization=given)
            assert status == 403
            assert "Question" not in text
        in_address = f"{path}?token={server.token}"
        assert ask(server, method, in_address, ACCEPT, Authorization="")[0] == 403
    assert decided(server) == 0


def test_another_host_or_origin_is_refused_even_with_the_token(server):
    port = server.server_port
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{port + 1}", ""):
        assert ask(server, "GET", "/rows/0", Host=host)[0] == 403
        assert ask(server, "GET", f"/?token={server.token}", Host=host)[0] == 403
    for origin in ("null", "http://evil.example", f"https://127.0.0.1:{port}"):
        assert ask(server, "POST", "/rows/0", ACCEPT, Origin=origin)[0] == 403
    assert decided(server) == 0
    assert ask(server, "GET", "/rows/0", Host=f"localhost:{port}")[0] == 200
    ours = f"http://127.0.0.1:{port}"
    assert ask(server, "POST", "/rows/0", ACCEPT, Origin=ours)[0] == 200
    assert decided(server) == 1


def test_only_this_machine_can_reach_it(server):
    assert server.server_address[0] == "127.0.0.1"


def test_a_row_is_data(server):
    status, headers, text = ask(server, "GET", "/rows/1")
    assert status == 200
    assert headers["Content-Type"].startswith("application/json")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert json.loads(text)["old"][0][1] == f"Question 2? {EVIL}"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/rows/3", None, 404),
        ("GET", "/rows/-1", None, 404),
        ("GET", "/rows/9999999999999999999999", None, 404),
        ("GET", "/rows/", None, 404),
        ("GET", "/../etc/passwd", None, 404),
        ("GET", "/rows/0/1", None, 404),
        ("GET", "/numbers/9", None, 404),
        ("GET", "/find/0?words=nowhere", None, 404),
        ("GET", "/notes/0", None, 404),
        ("POST", "/rows/99", ACCEPT, 404),
        ("POST", "/notes/99", '{"note": "x"}', 404),
        ("POST", "/notes/0", "{}", 400),
        ("POST", "/notes/0", json.dumps({"note": "x" * 4001}), 400),
        ("POST", "/rows/0", '{"decision": "accepted", "answers": []}', 400),
        ("POST", "/rows/0", '{"decision": "accepted", "answers": ["a", "b"]}', 409),
        ("POST", "/rows/0", '{"decision": "accepted", "shown": "other"}', 409),
        ("POST", "/notes/0", '{"note": "x", "shown": "other"}', 409),
        ("POST", "/elsewhere", ACCEPT, 404),
        ("POST", "/rows/0", "not json", 400),
        ("POST", "/rows/0", "[" * 5000, 400),
        ("POST", "/rows/0", '{"decision": "maybe"}', 400),
        ("POST", "/rows/0", '{"decision": "accepted", "phrases": []}', 400),
        ("POST", "/rows/0", '{"decision": "accepted", "phrases": [{"tag": "x"}]}', 400),
        ("POST", "/rows/0", '{"decision": "accepted", "more": 1}', 400),
        ("POST", "/rows/0", b"\xff\xfe", 400),
        ("PUT", "/rows/0", ACCEPT, 501),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_said_in_a_sentence(server, method, path, body, status):
    got, _, text = ask(server, method, path, body)
    assert got == status
    assert "Traceback" not in text
    assert decided(server) == 0


def test_bodies_have_a_limit_and_a_length(server):
    assert ask(server, "POST", "/rows/0", Content_Length=str(LARGEST + 1))[0] == 413
    assert ask(server, "POST", "/rows/0", Content_Length="9" * 5000)[0] == 413
    assert ask(server, "POST", "/rows/0", Content_Length="-1")[0] == 411
    assert ask(server, "POST", "/undo", "")[0] == 200


def test_one_who_keeps_silent_holds_up_nobody(server):
    with socket.create_connection(("127.0.0.1", server.server_port)):
        assert ask(server, "GET", "/rows/0")[0] == 200


def test_a_port_that_is_taken_is_a_sentence(server):
    with pytest.raises(UsageError, match=rf"port {server.server_port} cannot be had"):
        ReviewServer(server.session, title="x", port=server.server_port)


def test_filters_are_part_of_the_address(server):
    _, _, text = ask(server, "GET", "/find/0?unsure=1&words=question%203%3F")
    assert "no unsure row with the words" in json.loads(text)["error"]
    _, _, text = ask(server, "GET", "/find/0?words=question%203%3F")
    assert (json.loads(text)["row"], json.loads(text)["found"]) == (3, 1)
    _, _, text = ask(server, "POST", "/rows/2?words=question%203%3F", ACCEPT)
    assert json.loads(text)["next"] is None
    assert json.loads(ask(server, "GET", "/numbers/3")[2])["position"] == 2


def test_an_answer_may_be_long(server):
    long = json.dumps({"decision": "accepted", "answers": ["ü" * 1_000_000]}, ensure_ascii=False)
    status, _, text = ask(server, "POST", "/rows/0", long.encode())
    assert status == 200
    assert len(json.loads(text)["answers"][0]) == 1_000_000


def test_the_end_has_counts_and_commands(server):
    ask(server, "POST", "/rows/0", ACCEPT)
    _, _, text = ask(server, "GET", "/end")
    ending = json.loads(text)
    assert (ending["accepted"], ending["left"]) == (1, 2)
    assert any("export" in command for _, command in ending["commands"])
