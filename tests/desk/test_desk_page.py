"""The desk in a real browser: a run from start to export, by keyboard, in the dark, on a phone."""

from __future__ import annotations

import json

import pytest
from desks import serving, write_rows
from filled import EVIL, fill

TABS = ["run", "rows", "report", "review", "export"]


class Page:
    """What a person sees and presses."""

    def __init__(self, browser, served):
        self.browser = browser
        self.served = served
        browser.get(served.server.address)
        self.wait(lambda: self.find("#stands").text != "…")

    def find(self, selector):
        return self.browser.find_element("css selector", selector)

    def text(self, selector):
        return self.find(selector).text

    def shown(self, selector):
        return self.find(selector).is_displayed()

    def click(self, selector):
        found = self.find(selector)
        self.browser.execute_script("arguments[0].scrollIntoView({ block: 'center' })", found)
        found.click()

    def write(self, selector, text):
        field = self.find(selector)
        field.clear()
        field.send_keys(text)

    def tab(self, name):
        self.click(f"#tab-{name}")
        self.wait(lambda: self.shown(f"#{name}"))

    def wait(self, condition, seconds=10):
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.browser, seconds, 0.05).until(lambda _: condition())

    def inside(self, frame):
        """Goes into the frame, until `out`."""
        self.wait(lambda: self.shown(frame))
        self.browser.switch_to.frame(self.find(frame))

    def out(self):
        self.browser.switch_to.default_content()

    def script(self, script):
        return self.browser.execute_script(script)

    def complaints(self):
        """What the browser has to say, but for the requests that the desk refused."""
        return [
            entry for entry in self.browser.get_log("browser")
            if entry["level"] == "SEVERE" and "Failed to load resource" not in entry["message"]
        ]  # fmt: skip


@pytest.fixture
def desk(browser, served):
    browser.get_log("browser")
    yield Page(browser, served)
    browser.get("about:blank")


@pytest.fixture
def filled(browser, tmp_path):
    """The page of a finished store full of markup."""
    fill(tmp_path / "s.duckdb", 30, checks=True)
    browser.get_log("browser")
    with serving(tmp_path / "s.duckdb") as served:
        yield Page(browser, served)
        browser.get("about:blank")


def test_rows_appear_in_a_tab_that_was_opened_before_them(desk):
    desk.click("#begin")
    desk.wait(lambda: desk.shown("#stop"))
    desk.tab("rows")
    desk.wait(lambda: desk.browser.find_elements("css selector", "#list details"), 60)


def test_from_the_start_of_a_run_to_the_file(desk, tmp_path):
    write_rows(tmp_path / "rows.jsonl", 40)
    assert desk.text("#stands") == "no rows yet"
    assert desk.find("#inputs").get_attribute("value") == str(tmp_path / "rows.jsonl")
    assert desk.find("#model").get_attribute("value") == "builtin"
    desk.click("#check")
    desk.click("#begin")
    desk.wait(lambda: desk.shown("#stop"))
    assert desk.text("#stands") == "running"
    assert not desk.shown("#start")
    desk.wait(lambda: desk.shown("#recent article"), 60)
    assert "part" in desk.text("#recent article")
    assert desk.text("#now").startswith("now: ")
    assert desk.text("#sums").split()[:2] == ["40", "input"]
    phases = desk.script("return [...byId('funnel').tBodies[0].rows].map((row) => row.innerText)")
    assert [row.split()[0] for row in phases] == ["generate", "filter", "verify", "respond"]
    desk.tab("rows")
    desk.wait(lambda: desk.browser.find_elements("css selector", "#list details"), 30)
    assert "as of" in desk.text("#found")
    desk.tab("review")
    desk.wait(lambda: "A run goes on" in desk.text("#review"))

    desk.click("#stop")
    desk.wait(lambda: desk.shown("#resume"), 60)
    assert desk.text("#resume").startswith("resume ")
    desk.inside("#review-frame")  # it opens by itself when the run has ended
    desk.wait(lambda: desk.text("#row").startswith("row "))
    desk.out()
    desk.click("#resume")
    desk.wait(lambda: desk.shown("#run"))
    assert "stopped" not in desk.text("#last")
    desk.wait(lambda: "The run has finished." in desk.text("#last"), 120)
    assert desk.text("#stands") == "done"

    desk.tab("report")
    desk.click("#make")
    desk.inside("#report-frame")
    desk.wait(lambda: desk.browser.find_elements("css selector", "#rows details"), 30)
    desk.out()
    desk.tab("export")
    desk.write("#output", str(tmp_path / "out.jsonl"))
    desk.click("#save")
    desk.wait(lambda: desk.shown("#wrote"), 30)
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert f"{len(lines)} rows written to {tmp_path / 'out.jsonl'}" in desk.text("#wrote")
    assert json.loads(lines[0])["messages"][0]["role"] == "system"
    assert f"its card: {tmp_path / 'out.card.md'}" in desk.text("#wrote")
    desk.click("#save")
    desk.wait(lambda: "exists" in desk.text("#export .problem"))
    desk.click("#replace")
    desk.click("#save")
    desk.wait(lambda: desk.shown("#wrote"), 30)
    assert not desk.browser.find_element("css selector", "#pairs").is_enabled()
    for name, value in (("format", "dpo"), ("pairs", "obey-violate")):
        desk.click(f"#{name} option[value={value}]")
    desk.write("#output", str(tmp_path / "pairs.jsonl"))
    desk.click("#save")
    desk.wait(lambda: "pairs.jsonl" in desk.text("#wrote"), 30)
    pairs = [json.loads(line) for line in (tmp_path / "pairs.jsonl").read_text().splitlines()]
    assert f"{len(pairs)} row" in desk.text("#wrote")
    assert all(pair["broken"] for pair in pairs)
    assert desk.complaints() == []


def test_what_fails_is_said_in_a_sentence(desk):
    desk.write("#inputs", "/nowhere/x.jsonl")
    desk.click("#begin")
    desk.wait(lambda: "/nowhere/x.jsonl is not on this machine" in desk.text("#run .problem"))
    desk.write("#inputs", "")
    desk.click("#begin")
    assert "Name an input" in desk.text("#run .problem")
    desk.write("#inputs", str(desk.served.db.with_name("rows.jsonl")))
    desk.write("#model", "no-such-model")
    desk.click("#begin")
    desk.wait(lambda: "The run failed." in desk.text("#last"), 60)
    assert "no model is called no-such-model" in desk.text("#last")
    assert desk.shown("#start")
    desk.tab("rows")
    desk.wait(lambda: "There is no store" in desk.text("#rows .problem"))
    assert desk.complaints() == []


def test_the_page_says_that_the_desk_has_ended_and_its_run_was_stopped(desk, tmp_path):
    write_rows(tmp_path / "rows.jsonl", 60)
    desk.click("#begin")
    desk.wait(lambda: desk.shown("#recent article"), 60)
    desk.served.desk.ending = True
    desk.wait(lambda: "The desk is ending: its run is being stopped" in desk.text("#problem"))
    desk.served.server.shutdown()
    desk.served.server.socket.close()
    desk.wait(lambda: "stopped its run in good order" in desk.text("#problem"))
    assert not desk.find("#stop").is_enabled()


def test_a_double_click_stops_a_run_in_good_order(desk, tmp_path):
    from selenium.webdriver.common.action_chains import ActionChains

    write_rows(tmp_path / "rows.jsonl", 60)
    desk.click("#begin")
    desk.wait(lambda: desk.shown("#recent article"), 60)
    run = desk.served.desk._child
    ActionChains(desk.browser).double_click(desk.find("#stop")).perform()
    desk.wait(lambda: desk.shown("#resume"), 60)
    assert "The run was stopped." in desk.text("#last")
    assert run.signals == 1


def test_rows_are_data(filled):
    filled.tab("rows")
    filled.wait(lambda: filled.browser.find_elements("css selector", "#list details"))
    filled.click("#list summary")
    filled.wait(lambda: EVIL in filled.text("#list details"))
    assert filled.browser.title != "taken"
    assert filled.script("return document.images.length + document.scripts.length") == 2
    filled.write("#words", "question 27?")
    filled.click("#find button")
    filled.wait(lambda: len(filled.browser.find_elements("css selector", "#list details")) == 1)
    assert "row 27" in filled.text("#list")
    assert filled.complaints() == []


def test_an_edit_that_is_not_saved_holds_up_a_run(filled):
    filled.tab("review")
    filled.inside("#review-frame")
    filled.wait(lambda: filled.text("#row").startswith("row "))
    filled.browser.switch_to.active_element.send_keys("a")  # a click on the tab gave it the focus
    # The next row is there: an edit that began before would be closed by it.
    filled.wait(lambda: filled.text("#progress").endswith("number 2"))
    filled.click("#change")
    filled.find("#lines textarea").send_keys(" more")
    filled.out()
    filled.tab("run")
    filled.write("#inputs", "rows.jsonl")
    filled.click("#begin")
    assert "an edit or a note that is not saved" in filled.text("#run .problem")
    filled.tab("review")
    filled.inside("#review-frame")
    assert filled.find("#lines textarea").get_attribute("value").endswith(" more")
    filled.click("#save")
    filled.wait(lambda: not filled.shown("#edit"))
    filled.out()
    assert filled.served.desk.session.decided().total() == 2


def test_the_tabs_by_keyboard(filled):
    from selenium.webdriver.common.keys import Keys

    filled.find("#tab-run").click()
    for key, name in (
        (Keys.ARROW_RIGHT, "rows"), (Keys.END, "export"), (Keys.ARROW_RIGHT, "run"),
        (Keys.ARROW_LEFT, "export"), (Keys.HOME, "run"),
    ):  # fmt: skip
        focus = filled.browser.switch_to.active_element
        focus.send_keys(key)
        focus = filled.browser.switch_to.active_element
        assert focus.get_attribute("id") == f"tab-{name}"
        assert focus.get_attribute("aria-selected") == "true"
        assert [tab for tab in TABS if filled.shown(f"#{tab}")] == [name]


def test_every_control_has_a_name(filled):
    unnamed = """
        const named = (one) => one.labels?.length || one.textContent.trim() || one.title;
        const controls = document.querySelectorAll("input, select, textarea, button, iframe");
        return [...controls].filter((one) => !named(one)).map((one) => one.id)"""
    assert filled.script(unnamed) == []


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_tab_fits_and_can_be_read(filled, width, scheme):
    command = filled.browser.execute_cdp_cmd
    phone = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width == 390}
    command("Emulation.setDeviceMetricsOverride", phone)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    command("Emulation.setEmulatedMedia", {"features": features})
    try:
        for tab in TABS:
            filled.tab(tab)
            if tab == "report":
                filled.click("#make")
                filled.wait(lambda: filled.shown("#report-frame"), 30)
            if tab == "review":
                filled.wait(lambda: filled.shown("#review-frame"))
            assert filled.script("return document.documentElement.scrollWidth <= innerWidth"), tab
        ink = filled.script("return getComputedStyle(document.body).color")
        assert ink == ("rgb(255, 255, 255)" if scheme == "dark" else "rgb(0, 0, 0)")
    finally:
        command("Emulation.clearDeviceMetricsOverride", {})
        command("Emulation.setEmulatedMedia", {"features": []})
