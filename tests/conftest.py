"""What the tests share: the real built-in model, the real data where it is there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sysgen_local.resources import resource

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def builtin() -> Path:
    return resource("builtin_model/builtin.gguf")


@pytest.fixture(scope="session")
def engine(builtin: Path) -> Iterator[object]:
    """The built-in model in llama.cpp, four slots."""
    from sysgen_local.engine.llama import LlamaEngine
    from sysgen_local.engine.plan import Options

    engine = LlamaEngine(builtin, Options(slots=4))
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data of other projects; only where a checkout has it beside it."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no ../shared/data beside this checkout")
    return folder


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
    with webdriver.Chrome(options, Service(driver)) as driver:
        yield driver
