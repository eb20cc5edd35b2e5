"""The review in a real browser: by keyboard, in the dark, on a phone, with hostile rows."""

from __future__ import annotations

import threading

import pytest
from filled import EVIL, ROLE, fill

from sysgen_local.core.records import Phrase
from sysgen_local.review.server import ReviewServer
from sysgen_local.review.session import Session
from sysgen_local.store import RowQuery, Store


class Page:
    """What a person sees and presses."""

    def __init__(self, browser, server):
        self.browser = browser
        self.server = server
        browser.get(server.address)
        self.at(1)

    def find(self, selector):
        return self.browser.find_element("css selector", selector)

    def press(self, *keys):
        """Presses keys where the focus is: not in a field that was just hidden."""

        def shown():  # asked anew each time: the focus moves
            return self.browser.switch_to.active_element.is_displayed()

        self.wait(shown)
        self.browser.switch_to.active_element.send_keys(*keys)

    def edit(self):
        """Presses e, and waits until the phrases can be written in; the first one's field."""
        self.press("e")
        self.wait(lambda: self.find("#lines textarea").is_displayed())
        return self.find("#lines textarea")

    def wait(self, condition):
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.browser, 5, 0.02).until(lambda _: condition())

    def at(self, row, decided=None):
        """Waits until this row is shown, and so many are decided."""
        script = (
            "return [document.querySelector('#row b')?.textContent, byId('progress').innerText]"
        )

        def there():
            name, progress = self.browser.execute_script(script)
            told = decided is None or progress.startswith(f"{decided} of")
            return name == f"row {row}" and told

        self.wait(there)

    def complaints(self):
        return [entry for entry in self.browser.get_log("browser") if entry["level"] == "SEVERE"]


@pytest.fixture
def store(tmp_path):
    fill(tmp_path / "s.duckdb", 7)
    with Store.open(tmp_path / "s.duckdb") as store:
        yield store


@pytest.fixture
def checked(tmp_path):
    fill(tmp_path / "c.duckdb", 7, checks=True)
    with Store.open(tmp_path / "c.duckdb") as store:
        yield store


@pytest.fixture
def page(browser, request):
    browser.get_log("browser")
    store = request.getfixturevalue(getattr(request, "param", "store"))
    session = Session(store, RowQuery("final", limit=None))
    with ReviewServer(session, title=f"Review of {EVIL}") as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield Page(browser, server)
        server.shutdown()
    session.close()
    browser.get_log("browser")


def test_rows_are_decided_by_keyboard(page, store):
    from selenium.webdriver.common.keys import Keys

    page.press("a")
    page.at(2, decided=1)
    page.press("r")
    page.at(3, decided=2)
    page.press("n")
    page.at(4)
    page.press(Keys.ARROW_LEFT)
    page.at(3)
    page.press("p")
    page.at(2)
    assert "rejected" in page.find("#row p").text
    page.press("u")
    page.at(2, decided=1)
    assert "rejected" not in page.find("#row p").text
    page.press("s")
    page.at(3)
    assert store.reviewed(1).decision == "accepted"
    assert store.reviewed(2) is None
    assert page.complaints() == []


def test_the_last_row_stays_when_all_are_decided(page):
    for row in (1, 2, 3, 4, 6):
        page.at(row)
        page.press("a")
    page.at(7, decided=5)
    page.press("a")
    page.at(7, decided=6)
    assert page.find("#progress").text.startswith("6 of 6 decided")
    assert not page.find("#following").is_enabled()


def test_phrases_are_edited_and_the_answer_is_told_to_be_an_older_one(page, store):
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.select import Select

    area = page.edit()
    area.send_keys(Keys.CONTROL, "a")
    area.send_keys("Answer as a baker would, in rows.")
    Select(page.find("#lines select")).select_by_visible_text("style")
    page.find("#add").click()
    page.browser.switch_to.active_element.send_keys("You are ran")
    assert page.find("#preview").text == "You are ran Answer as a baker would, in rows."
    page.press("k.", Keys.CONTROL, Keys.ENTER, Keys.NULL)
    page.at(1, decided=1)
    shown = page.find("#row").text
    assert "You are rank. Answer as a baker would, in rows." in shown
    assert "written for another system message" in shown
    assert store.row(1).verified.system == ROLE.text
    edited = (Phrase("role", "You are rank."), Phrase("style", "Answer as a baker would, in rows."))
    assert store.reviewed(1).phrases == edited
    page.edit()
    page.find("#own").click()
    page.find("#save").click()
    page.wait(lambda: "written for another" not in page.find("#row").text)
    assert store.reviewed(1).phrases is None
    assert page.complaints() == []


def test_a_phrase_the_judge_took_out_can_be_taken_in_and_escape_leaves(page, store):
    from selenium.webdriver.common.keys import Keys

    page.press("nn")
    page.at(2)
    page.press("n")
    page.at(3)  # the tool phrase of every third row was judged bad
    page.edit()
    ticks = page.browser.find_elements("css selector", "#lines input")
    assert [tick.is_selected() for tick in ticks] == [True, False]
    ticks[1].click()
    assert EVIL in page.find("#preview").text
    page.press(Keys.ESCAPE)
    assert not page.find("#edit").is_displayed()
    assert store.reviewed(3) is None


def test_keys_meant_for_others_decide_nothing(page, store):
    from selenium.webdriver.common.keys import Keys

    page.press(Keys.CONTROL, "a", Keys.NULL)
    page.press("?")
    assert page.find("#help").is_displayed()
    page.press("a")
    page.press(Keys.ESCAPE)
    assert not page.find("#help").is_displayed()
    page.edit().send_keys("arun")
    page.press(Keys.ESCAPE)
    page.at(1, decided=0)
    held = "new KeyboardEvent('keydown', { key: 'a', repeat: true })"
    page.browser.execute_script(f"document.dispatchEvent({held})")
    page.press("n")
    page.at(2, decided=0)
    assert store.stats()["reviews"]["accepted"] == 0


def test_rows_are_text(page):
    assert page.browser.title == f"Review of {EVIL}"
    assert page.browser.find_elements("css selector", "main img, main script") == []
    shown = page.find("#row").text
    for text in (f"Question 1? {EVIL}", f"New 1 {EVIL}", "Old 1"):
        assert text in shown
    assert page.complaints() == []


@pytest.mark.parametrize("page", ["checked"], indirect=True)
def test_what_was_checked_is_shown_as_text(page):
    page.press("n")
    page.at(2)
    shown = page.find("#row").text
    for text in ("agrees, obeys 0.88, 2 tries", f"Better 2 {EVIL}", f"2 {EVIL} rule 1.000",
                 "not taken, disobeys (obeys 0.25)"):  # fmt: skip
        assert text in shown
    page.find("#row details summary").click()
    assert f"New 2 {EVIL}" in page.find("#row").text
    page.press("a")
    page.at(3, decided=1)
    assert "nothing to check" in page.find("#row").text
    assert page.browser.find_elements("css selector", "main img, main script") == []
    assert page.complaints() == []


@pytest.mark.parametrize("page", ["store", "checked"], indirect=True)
def test_light_dark_and_phone(page):
    colours = []
    for scheme in ("light", "dark"):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        script = "return getComputedStyle(document.querySelector('#keys')).backgroundColor"
        colours.append(page.browser.execute_script(script))
    assert colours[0] != colours[1]
    phone = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    wide = [page.browser.execute_script("return document.documentElement.scrollWidth")]
    page.find("#accept").click()
    page.at(2, decided=1)
    page.find("#change").click()
    wide.append(page.browser.execute_script("return document.documentElement.scrollWidth"))
    page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert max(wide) <= 360


def test_when_the_server_has_ended_the_page_says_so(page):
    page.server.shutdown()
    page.server.server_close()
    page.press("a")
    page.wait(lambda: "The review has ended" in page.find("#problem").text)
