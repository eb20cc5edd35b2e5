"""The browser finds the page, and nobody else can read how."""

from __future__ import annotations

import http.client
import json
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from filled import fill
from processes import ended, first_line

from sysgen_local.serving.redirect_file import RedirectFile

# As xdg-open and browsers do: it notes its command line, and the file that it was given.
BROWSER = """#!{python}
import pathlib, stat, sys, urllib.parse
path = pathlib.Path(urllib.parse.unquote(urllib.parse.urlsplit(sys.argv[1]).path))
mode = stat.S_IMODE(path.stat().st_mode)
text = path.read_text()
pathlib.Path({log!r}).write_text(repr((sys.argv[1:], mode, text)))
"""


@pytest.fixture
def browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program, log = tmp_path / "browse", tmp_path / "browsed"
    program.write_text(BROWSER.format(python=sys.executable, log=str(log)))
    program.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(program))
    monkeypatch.setenv("DISPLAY", ":9")
    return log


def browsed(log: Path) -> tuple[list[str], int, str]:
    deadline = time.monotonic() + 120
    while not log.exists() or not log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return eval(log.read_text())


def test_the_token_is_on_no_command_line(browser: Path, tmp_path: Path) -> None:
    fill(tmp_path / "a b.duckdb", 3)
    command = [sys.executable, "-m", "sysgen_local.cli.main", "review", "--db", "a b.duckdb"]
    started = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    with ended(started) as process:
        try:
            address = first_line(process).split()[0]
            token = address.split("token=")[1]
            [given], mode, text = browsed(browser)
            assert given.startswith("file://")
            assert token not in given
            assert mode == stat.S_IRUSR | stat.S_IWUSR
            [found] = re.findall(r'href="([^"]*)"', text)
            assert found == address
            url = urlsplit(found)
            connection = http.client.HTTPConnection(url.netloc, timeout=20)
            connection.request("GET", f"{url.path}?{url.query}")
            assert connection.getresponse().status == 200
            headers = {"Authorization": f"Bearer {token}"}
            connection = http.client.HTTPConnection(url.netloc, timeout=20)
            connection.request("GET", "/rows/0", headers=headers)
            assert json.loads(connection.getresponse().read())["rows"] > 0
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
    assert not Path(unquote(urlsplit(given).path)).exists()


def test_a_file_that_others_could_read_is_replaced(browser: Path, tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb.review.html"
    path.write_text("old")
    path.chmod(0o644)
    redirect = RedirectFile(path, "http://127.0.0.1:1/?token=T&x=<")
    assert redirect.open()
    _, mode, text = browsed(browser)
    assert mode == 0o600
    assert 'url=http://127.0.0.1:1/?token=T&amp;x=&lt;"' in text
    redirect.close()
    assert not path.exists()
    redirect.close()


def test_a_link_that_somebody_laid_is_not_followed(browser: Path, tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("mine")
    (tmp_path / "s.html").symlink_to(tmp_path / "theirs")
    assert RedirectFile(tmp_path / "s.html", "http://127.0.0.1:1/?token=T").open()
    assert (tmp_path / "theirs").read_text() == "mine"


def test_where_no_file_can_be_written_no_browser_is_opened(browser: Path, tmp_path: Path) -> None:
    assert not RedirectFile(tmp_path / "gone" / "s.html", "http://127.0.0.1:1/").open()
    assert not browser.exists()
