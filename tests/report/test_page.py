"""The report in a real browser: opens without a complaint, finds rows, shows text as text."""

from __future__ import annotations

import shutil

import pytest

from sysgen_local.records import (
    Conversation,
    Filtered,
    Generated,
    Phrase,
    Reject,
    Removed,
    Responded,
    Source,
    Turn,
    Verdict,
    Verified,
)
from sysgen_local.report.page import SAMPLE, page
from sysgen_local.store import Store

EVIL = '<script>document.title="taken"</script></script><img src=x onerror=alert(1)>{{ 7*7 }}'
ROLE = Phrase("role", "You are a cook.")
TOOL = Phrase("tool", f"Use a scale. {EVIL}")


def fill(path, rows):
    with Store.open(path) as store:
        conversations = [
            Conversation((Turn("user", f"Question {n}? {EVIL}"), Turn("assistant", f"Old {n}")), n)
            for n in range(1, rows + 1)
        ]
        source = Source("<b>evil</b>.jsonl", "x", "0", EVIL, "mit")
        store.ingest(source, [*conversations, Reject(9999, "bad_json", EVIL)])
        results = []
        for n in range(1, rows + 1):
            verdicts = (Verdict("role", ROLE.text, "good", 0.9, 0.1, 0.0),)
            verdicts += (Verdict("tool", TOOL.text, "good" if n % 3 else "bad", 0.6, 0.3, 0.1),)
            new = (Turn("user", f"Question {n}? {EVIL}"), Turn("assistant", f"New {n} {EVIL}"))
            results += [
                (n, "generate", Generated((ROLE, TOOL))),
                (n, "filter", Filtered((ROLE, TOOL), (Removed("Example", "x", "unknown_tag"),))),
                (n, "verify", Verified(verdicts, ROLE.text)),
                (n, "respond", Responded(new, "looping" if n % 5 == 0 else None)),
            ]
        store.commit(results)
        store.set_recipe("generate", "f" * 64, {"model": EVIL, "seed": "0"})


@pytest.fixture(scope="module")
def browser():
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


def opened(browser, tmp_path, rows):
    fill(tmp_path / "s.duckdb", rows)
    path = tmp_path / "report.html"
    with Store.open(tmp_path / "s.duckdb", read_only=True) as store:
        path.write_text(page(store, title="a report", licences=[("x", "mit", EVIL)]))
    browser.get(path.as_uri())
    return browser


def found(browser):
    return browser.find_element("id", "count").text


def test_it_opens_searches_and_filters(browser, tmp_path):
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.select import Select

    opened(browser, tmp_path, 30)
    assert browser.title == "a report"
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    assert browser.find_elements("css selector", "#rows img, #rows script") == []
    assert len(browser.find_elements("tag name", "svg")) == 5
    assert found(browser) == "30 found."
    browser.find_element("id", "search").send_keys("question 17?")
    assert found(browser) == "1 found."
    row = browser.find_element("css selector", "#rows summary")
    row.click()
    shown = browser.find_element("css selector", "#rows details").text
    for text in ("New 17", "Old 17", "You are a cook.", EVIL, "0.900", "filter: unknown_tag"):
        assert text in shown
    browser.find_element("id", "search").send_keys(Keys.CONTROL, "a", Keys.DELETE)
    Select(browser.find_element("id", "state")).select_by_visible_text("dropped")
    assert found(browser) == "6 found."
    Select(browser.find_element("id", "tag")).select_by_visible_text("tool")
    assert found(browser) == "4 found."


def test_light_dark_and_phone(browser, tmp_path):
    opened(browser, tmp_path, 30)
    colours = []
    for scheme in ("light", "dark"):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        script = "return getComputedStyle(document.querySelector('.find')).backgroundColor"
        colours.append(browser.execute_script(script))
    assert colours[0] != colours[1]
    phone = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    wide = browser.execute_script("return document.documentElement.scrollWidth")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert wide <= 360


def test_many_rows_are_sampled_and_it_says_so(browser, tmp_path):
    opened(browser, tmp_path, SAMPLE + 200)
    note = browser.find_element("xpath", "//p[span[@id='count']]").text
    assert note == f"A sample of {SAMPLE} of {SAMPLE + 200} rows, by chance. {SAMPLE} found."
    assert (tmp_path / "report.html").stat().st_size < 3_000_000


def test_an_empty_store_has_a_page_too(browser, tmp_path):
    opened(browser, tmp_path, 0)
    assert found(browser) == "0 found."
