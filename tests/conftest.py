"""What the tests share: the built-in model, a real one, real data where it is there."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from levels import COLLECTED, level, marks
from places import SHARED
from processes import ended

from sysgen_local.core.resources import resource


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks each test with its level, but where its own file says which."""
    for item in items:
        if not marks(item):
            item.add_marker(level(item))
    config.stash[COLLECTED] = list(items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """A unit test that starts a process fails: its level is wrong."""

    def refused(*_: object, **__: object) -> None:
        pytest.fail("a unit test starts a process")

    with pytest.MonkeyPatch.context() as patch:
        if "unit" in marks(item):
            patch.setattr(subprocess.Popen, "__init__", refused)
        return (yield)


@pytest.fixture(scope="session", autouse=True)
def _own_measurements(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests, and the commands they run, note and read no speeds in the developer's own file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYSGEN_MEASURED", str(tmp_path_factory.mktemp("measured") / "measured.json"))
        yield


@pytest.fixture(scope="session")
def builtin() -> Path:
    from sysgen_local.engine.llama.amx import disable_if_broken

    disable_if_broken()  # some tests give the file to `llama_cpp.Llama`
    return resource("builtin_model/builtin.gguf")


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """SmolLM2-135M-Instruct. The dev extra installs it; where it is missing, tests fail."""
    from sysgen_local.models import resolve

    return resolve("smollm2-135m").path


@pytest.fixture(scope="session")
def engine(builtin: Path) -> Iterator[object]:
    """The built-in model in llama.cpp, four slots."""
    from sysgen_local.engine.llama.engine import LlamaEngine
    from sysgen_local.engine.options import Options

    engine = LlamaEngine(builtin, Options(slots=4))
    yield engine
    engine.close()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files whose weights llama.cpp reads in this process."""
    import llama_cpp

    found: list[Path] = []
    load = llama_cpp.llama_model_load_from_file

    def counted(path: bytes, params: object) -> object:
        if not params.vocab_only:  # type: ignore[attr-defined]
            found.append(Path(path.decode()))
        return load(path, params)

    monkeypatch.setattr(llama_cpp, "llama_model_load_from_file", counted)
    return found


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data of other projects; only where a checkout has it beside it."""
    if not SHARED.is_dir():
        pytest.skip("no ../shared/data beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """Chromium without a window."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("no Chromium with its driver here")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in (
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--window-size=1200,900",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options, Service(driver)) as chrome:
        yield chrome


@pytest.fixture
def free_port() -> int:
    """A port at which nobody answers."""
    return _free_port()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="session")
def server(builtin: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the built-in model behind llama-cpp-python's own server."""
    pytest.importorskip("starlette_context", reason="llama-cpp-python[server] is not installed")
    port = _free_port()
    serve = (
        "from runpy import run_module; "
        "from sysgen_local.engine.llama.amx import disable_if_broken; "
        "disable_if_broken(); run_module('llama_cpp.server', run_name='__main__')"
    )
    command = [sys.executable, "-W", "ignore", "-c", serve, "--model", builtin]
    command += ["--port", port, "--n_ctx", 1024, "--logits_all", True, "--n_threads", 1]
    log = tmp_path_factory.mktemp("server") / "log"  # a pipe that nobody reads would stop it
    with (
        log.open("wb") as said,
        ended(
            subprocess.Popen(
                [str(word) for word in command], stdout=subprocess.DEVNULL, stderr=said
            )
        ) as process,
    ):
        url = f"http://127.0.0.1:{port}/v1"
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{url}/models", timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, log.read_text()
                time.sleep(0.1)
        else:
            pytest.fail(f"it does not answer: {log.read_text()}")
        yield url
