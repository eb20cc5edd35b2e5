"""The report in a real browser: opens without a complaint, finds rows, shows text as text."""

from __future__ import annotations

import pytest
from filled import EVIL, fill

from sysgen_local.report.page import SAMPLE, page
from sysgen_local.store import Store


def opened(browser, tmp_path, rows, **more):
    fill(tmp_path / "s.duckdb", rows, **more)
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
    charts = browser.find_elements("tag name", "svg")
    assert len(charts) == 5
    assert "67%" in charts[1].text  # of the rows have a good phrase under `tool`
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


def test_what_was_checked_stands_with_each_answer_as_text(browser, tmp_path):
    from selenium.webdriver.support.select import Select

    opened(browser, tmp_path, 30, checks=True)
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    assert len(browser.find_elements("tag name", "svg")) == 8
    body = browser.find_element("tag name", "body").text
    assert "keeps the original's result 12 6 50.0%" in body
    assert "answers a row took: 1: 12, 2: 12" in body
    assert "disagrees 6" in body
    browser.find_element("id", "search").send_keys("question 2?")
    browser.find_element("css selector", "#rows summary").click()
    row = browser.find_element("css selector", "#rows details")
    assert row.text.startswith("final agrees, obeys 0.88, 2 tries 2. Question 2?")
    for text in (f"Better 2 {EVIL}", f"2 {EVIL} rule 1.000 number {EVIL}",
                 "follows You are a cook. model 0.875"):  # fmt: skip
        assert text in row.text
    assert f"New 2 {EVIL}" not in row.text  # until one asks for it
    attempt = row.find_element("css selector", "details")
    assert attempt.text == "not taken, disobeys (obeys 0.25)"
    attempt.find_element("css selector", "summary").click()
    assert f"New 2 {EVIL}" in row.text
    assert browser.find_elements("css selector", "#rows img, #rows script") == []
    browser.find_element("id", "search").clear()
    Select(browser.find_element("id", "state")).select_by_visible_text("dropped")
    assert found(browser) == "12 found."
    browser.find_element("id", "search").send_keys("worse 4 ")
    assert "check disagrees" in browser.find_element("css selector", "#rows summary").text
    assert browser.title == "a report"


@pytest.mark.parametrize("checks", [False, True])
def test_light_dark_and_phone(browser, tmp_path, checks):
    opened(browser, tmp_path, 30, checks=checks)
    colours = []
    for scheme in ("light", "dark"):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        script = "return getComputedStyle(document.querySelector('.find')).backgroundColor"
        colours.append(browser.execute_script(script))
    assert colours[0] != colours[1]
    phone = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    browser.execute_script("for (const each of document.querySelectorAll('summary')) each.click()")
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
