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
    assert found(browser) == "30 of 30 rows"
    browser.find_element("id", "search").send_keys("question 17?")
    assert found(browser) == "1 of 30 rows"
    shown = browser.find_element("css selector", "#rows details").text
    for text in ("New 17", "Old 17", "You are a cook.", EVIL, "0.900", "filter: unknown_tag"):
        assert text in shown
    browser.find_element("id", "search").send_keys(Keys.CONTROL, "a", Keys.DELETE)
    Select(browser.find_element("id", "state")).select_by_visible_text("dropped")
    assert found(browser) == "6 of 30 rows"
    Select(browser.find_element("id", "tag")).select_by_visible_text("tool")
    assert found(browser) == "4 of 30 rows"


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
    row = browser.find_element("css selector", "#rows details")
    assert row.text.startswith("final agrees, obeys 0.88, 2 tries 2. Question 2?")
    for text in (f"Better 2 {EVIL}", f"2 {EVIL} rule 1.000 passes number {EVIL}",
                 "follows You are a cook. model 0.875 follows"):  # fmt: skip
        assert text in row.text
    assert f"New 2 {EVIL}" not in row.text  # until one asks for it
    attempt = row.find_element("css selector", "details")
    assert attempt.text == "not taken, disobeys (obeys 0.25)"
    attempt.find_element("css selector", "summary").click()
    assert f"New 2 {EVIL}" in row.text
    assert browser.find_elements("css selector", "#rows img, #rows script") == []
    browser.find_element("id", "search").clear()
    Select(browser.find_element("id", "state")).select_by_visible_text("dropped")
    assert found(browser) == "12 of 30 rows"
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
    browser.execute_script(
        "for (const each of document.querySelectorAll('details')) each.open = true;"
        "byId('some').click()"
    )
    wide = browser.execute_script("return document.documentElement.scrollWidth")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert wide <= 360


def test_many_rows_are_sampled_and_it_says_so(browser, tmp_path):
    opened(browser, tmp_path, SAMPLE + 200)
    note = browser.find_element("css selector", "#look + p").text
    assert note.startswith(f"A sample of {SAMPLE} of {SAMPLE + 200} rows, by chance.")
    assert found(browser) == f"{SAMPLE} of {SAMPLE} rows"
    assert (tmp_path / "report.html").stat().st_size < 3_000_000


def test_an_empty_store_has_a_page_too(browser, tmp_path):
    opened(browser, tmp_path, 0)
    assert found(browser) == "0 of 0 rows"


def test_an_edited_answer_stands_in_place_of_the_models(browser, tmp_path):
    fill(tmp_path / "s.duckdb", 3)
    with Store.open(tmp_path / "s.duckdb") as store:
        store.review(
            1,
            "accepted",
            answers=[f"Old 1 by hand {EVIL}"],
            note="do not publish",
            reviewer="Anneliese",
        )
        text = page(store, title="a report", licences=[])
    (tmp_path / "report.html").write_text(text)
    browser.get((tmp_path / "report.html").as_uri())
    row = browser.find_element("css selector", "#rows details")
    assert "accepted edited" in row.text
    assert f"new answer edited by a person\nOld 1 by hand {EVIL}" in row.text
    assert "the answer as the model wrote it" in row.text
    marked = [element.text for element in browser.find_elements("css selector", "#rows ins")]
    assert marked[0].startswith("by hand")
    # The page is shared: who reviewed, and what they noted, is not for all.
    assert "Anneliese" not in text
    assert "do not publish" not in text
