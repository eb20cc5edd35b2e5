"""The review in a real browser: by keyboard, in the dark, on a phone, with hostile rows."""

from __future__ import annotations

import threading

import pytest
from filled import EVIL, ROLE, fill

from sysgen_local.core.records import Phrase
from sysgen_local.review.server import ReviewServer
from sysgen_local.review.session import RowDecision, Session
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

    def click(self, selector):
        """Clicks where nothing lies over the element, as the bar at the bottom may."""
        found = self.find(selector)
        self.browser.execute_script("arguments[0].scrollIntoView({ block: 'center' })", found)
        found.click()

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

    def throw_away(self):
        """Presses Escape in an edit that changed something, and confirms it."""
        from selenium.webdriver.common.keys import Keys

        self.press(Keys.ESCAPE)
        self.wait(lambda: self.find("#sure").is_displayed())
        self.find("#throw").click()
        self.wait(lambda: not self.find("#edit").is_displayed())

    def wait(self, condition):
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.browser, 30, 0.02).until(lambda _: condition())

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
    session = Session(store, RowQuery("final", limit=None), "ann")
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
    assert "declined" in page.find("#row p").text
    page.press("u")
    page.at(2, decided=1)
    assert "declined" not in page.find("#row p").text
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
    page.throw_away()
    assert store.reviewed(3) is None
    page.edit()
    page.press(Keys.ESCAPE)  # nothing was changed, so nothing is asked
    page.wait(lambda: not page.find("#edit").is_displayed())
    assert not page.find("#sure").is_displayed()


def test_keys_meant_for_others_decide_nothing(page, store):
    from selenium.webdriver.common.keys import Keys

    page.press(Keys.CONTROL, "a", Keys.NULL)
    page.press("?")
    assert page.find("#help").is_displayed()
    page.press("a")
    page.press(Keys.ESCAPE)
    assert not page.find("#help").is_displayed()
    page.edit().send_keys("arun")
    page.throw_away()
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
    page.click("#row details summary")
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


def test_escape_asks_before_it_throws_an_edit_away(page, store):
    from selenium.webdriver.common.keys import Keys

    area = page.edit()
    area.send_keys(" And a baker.")
    page.press(Keys.ESCAPE)
    page.wait(lambda: page.find("#sure").is_displayed())
    page.press(Keys.ESCAPE)  # no: go on editing
    page.wait(lambda: not page.find("#sure").is_displayed())
    assert page.find("#edit").is_displayed()
    assert area.get_attribute("value").endswith("And a baker.")
    page.find("#cancel").click()
    page.wait(lambda: page.find("#sure").is_displayed())
    page.find("#throw").click()
    page.wait(lambda: not page.find("#edit").is_displayed())
    assert page.edit().get_attribute("value") == ROLE.text
    assert store.reviewed(1) is None


def test_the_answer_is_edited_and_the_models_stays_beside_it(page, store):
    from selenium.webdriver.common.keys import Keys

    page.edit()
    assert not page.find("#earlier-answers").is_displayed()
    area = page.find("#answers textarea")
    assert area.get_attribute("value") == f"New 1 {EVIL}"
    area.send_keys(Keys.CONTROL, "a", Keys.NULL, Keys.DELETE)
    assert not page.find("#save").is_enabled()
    area.send_keys(f"By hand. {EVIL}", Keys.CONTROL, Keys.ENTER, Keys.NULL)
    page.at(1, decided=1)
    shown = page.find("#row").text
    assert f"new answer edited by a person\nBy hand. {EVIL}" in shown
    assert "as the model wrote it" in shown
    assert "written for another system message" not in shown
    assert store.reviewed(1).answers == (f"By hand. {EVIL}",)
    assert store.reviewed(1).phrases is None
    page.edit()
    page.find("#own-answers").click()
    page.find("#save").click()
    page.wait(lambda: "edited by a person" not in page.find("#row").text)
    assert store.reviewed(1).answers is None
    assert page.browser.find_elements("css selector", "main img, main script") == []
    assert page.complaints() == []


def test_an_edit_of_an_earlier_answer_can_be_taken_up(page, store):
    from selenium.webdriver.common.keys import Keys

    from sysgen_local.core.records import Responded

    store.review(1, "accepted", answers=["By hand."], reviewer="ann")
    turns = store.row(1).answers
    store.redo("respond")
    new = Responded((turns[0], turns[1]._replace(content="Quite new.")))
    store.commit([(n, "respond", new) for n in (1, 2, 3, 4, 6)])
    page.press("n")
    page.at(2)
    page.press("p")
    page.at(1)
    assert "an earlier answer as a person edited it" in page.find("#row").text
    page.edit()
    area = page.find("#answers textarea")
    assert area.get_attribute("value") == "Quite new."
    page.find("#earlier-answers").click()
    page.press(Keys.CONTROL, Keys.ENTER, Keys.NULL)
    page.wait(lambda: "new answer edited by a person\nBy hand." in page.find("#row").text)
    assert store.reviewed(1).answers == ("By hand.",)


def test_line_ends_of_an_untouched_answer_stay(page, store):
    from sysgen_local.core.records import Responded

    turns = store.row(2).answers
    store.redo("respond")
    new = Responded((turns[0], turns[1]._replace(content="One.\r\nTwo.\r")))
    store.commit([(n, "respond", new) for n in (1, 2, 3, 4, 6)])
    page.press("n")
    page.at(2)
    page.edit().send_keys(" More.")
    page.find("#save").click()
    page.at(2, decided=1)
    assert store.reviewed(2).phrases is not None
    assert store.reviewed(2).answers is None


def test_a_key_that_is_held_or_pressed_again_decides_once(page, store):
    hold = """
        const press = (target, key, repeat) => target.dispatchEvent(
            new KeyboardEvent("keydown", { key, repeat, bubbles: true, cancelable: true }));
        return """
    run = page.browser.execute_script
    # A second press while the first is on its way.
    run(hold + "[press(document, 'a', false), press(document, 'a', false), press(document, 'r')]")
    page.at(2, decided=1)
    run(
        hold
        + "[press(document, 'a', true), press(document, 'r', true), press(document, 'u', true)]"
    )
    # A browser presses a button again and again while Enter is held down.
    for key in (" ", "Enter"):
        assert not run(hold + f"press(byId('accept'), {key!r}, true)")
        assert run(hold + f"press(byId('accept'), {key!r}, false)")
    assert run(hold + "press(document, 'ArrowDown', true)")  # it scrolls
    run("byId('accept').dispatchEvent(new MouseEvent('click', { detail: 2 }))")
    page.press("n")
    page.at(3, decided=1)
    assert [store.reviewed(row) is not None for row in (1, 2, 3)] == [True, False, False]


def test_what_another_window_changed_is_not_decided_unseen(page, store):
    page.server.session.decide(0, RowDecision(decision="rejected"))
    page.press("a")
    page.wait(lambda: "changed in another window" in page.find("#problem").text)
    assert "declined" in page.find("#row p").text
    assert store.reviewed(1).decision == "rejected"
    page.press("a")
    page.at(2, decided=1)
    assert store.reviewed(1).decision == "accepted"


def test_a_note_is_kept_when_its_field_is_left(page, store):
    from selenium.webdriver.common.keys import Keys

    page.press("m")
    page.press(f"ask anne {EVIL}")
    assert store.reviewed(1) is None
    page.press(Keys.ESCAPE)
    page.wait(lambda: page.browser.execute_script("return row.note") != "")
    review = store.reviewed(1)
    assert (review.note, review.decision, review.reviewer) == (f"ask anne {EVIL}", None, "ann")
    # A click on a button leaves the field, and comes after the note.
    page.find("#note").send_keys("!")
    page.find("#accept").click()
    page.at(2, decided=1)
    assert store.reviewed(1).note == f"ask anne {EVIL}!"
    assert store.reviewed(1).decision == "accepted"
    assert page.find("#note").get_attribute("value") == ""
    page.press("u")
    page.at(1, decided=0)
    assert page.find("#note").get_attribute("value") == f"ask anne {EVIL}!"
    assert page.complaints() == []


def test_rows_are_jumped_to_and_searched(page):
    from selenium.webdriver.common.keys import Keys

    page.press("g")
    page.press("6", Keys.ENTER)
    page.at(6)
    page.press("g")
    page.press("5", Keys.ENTER)
    page.wait(lambda: "row 5 is not in this review" in page.find("#problem").text)
    page.at(6)
    page.find("#number").clear()
    page.press("/")
    page.press("QUESTION 2", Keys.ENTER)
    page.at(2)
    assert page.find("#progress").text.endswith("1 of 1 found")
    assert not page.find("#following").is_enabled()
    page.press("/")
    page.press("nowhere", Keys.ENTER)
    page.wait(lambda: "no row with the words “nowhere”" in page.find("#problem").text)
    page.at(2)
    page.press("/")
    page.press(Keys.BACKSPACE, Keys.ENTER)
    page.wait(lambda: page.find("#following").is_enabled())
    page.press("n")
    page.at(3)


@pytest.mark.parametrize("page", ["checked"], indirect=True)
def test_only_unsure_rows_are_gone_through(page):
    # Of the rows 1, 2, 3, 6 and 7, the p(good) of the tool phrase is 0.6 in 1, 2 and 7; the checks
    # had nothing to look at in 3, and row 6 has the tool phrase taken out and passed its checks.
    assert "only unsure rows (4)" in page.find("#find").text
    page.press("f")
    page.wait(lambda: "1 of 4 found" in page.find("#progress").text)
    for row in (2, 3, 7):
        page.press("n")
        page.at(row)
    assert not page.find("#following").is_enabled()
    page.press("a")
    page.at(1, decided=1)
    page.find("#unsure").click()
    page.wait(lambda: "found" not in page.find("#progress").text)
    page.press("n")
    page.at(2, decided=1)


def test_the_end_page_counts_and_names_the_next_commands(page, store):
    page.press("a")
    page.at(2, decided=1)
    page.press("r")
    page.at(3, decided=2)
    page.edit().send_keys(" More.")
    page.find("#save").click()
    page.at(3, decided=3)
    page.press("n")
    page.at(4)
    page.press("d")
    page.wait(lambda: page.find("#ending").is_displayed())
    assert page.find("#counts").text.split() == [
        "2", "accepted", "1", "declined", "1", "edited", "1", "skipped", "2", "left"
    ]  # fmt: skip
    commands = page.find("#commands").text
    for said in ("review --db", "respond --db", "--edited", "export --db", "decisions.jsonl"):
        assert said in commands
    for key in "area":  # there is no row on the page to decide
        page.press(key)
    assert page.find("#ending").is_displayed()
    assert store.stats()["reviews"]["accepted"] == 2
    page.press("d")
    page.wait(lambda: page.find("#row").is_displayed())
    page.at(4, decided=3)
    page.press("a")
    page.at(6, decided=4)
    page.press("a")
    page.at(7, decided=5)
    page.press("a")
    page.wait(lambda: page.find("#ending").is_displayed())
    assert page.find("#ended").text == "Every row is decided"
    page.press("u")
    page.at(7, decided=5)
    page.press("d")
    page.wait(lambda: page.find("#ending").is_displayed())
    page.find("#finish").click()
    page.wait(lambda: "The review has ended" in page.find("#first").text)
    assert not page.find("#keys").is_displayed()
    assert page.complaints() == []


def test_who_decides_is_shown_and_kept(page, store):
    assert "decided as ann" in page.find("#find").text
    page.press("a")
    page.at(2, decided=1)
    page.press("p")
    page.at(1)
    assert "accepted by ann" in page.find("#row p").text
    assert store.reviewed(1).reviewer == "ann"


@pytest.mark.parametrize("page", ["checked"], indirect=True)
def test_each_probability_has_its_word(page):
    page.press("n")
    page.at(2)
    shown = page.find("#row").text
    for text in ("p(good) 0.900", "p(good) 0.600", "1.000 passes", "0.875 follows", "obeys 0.25"):
        assert text in shown
    page.press("n")
    page.at(3)
    assert "p(bad) 0.300" in page.find("#row").text
    page.press("p")
    page.at(2)
    page.press("p")
    page.at(1)
    assert "0.938 agrees" in page.find("#row").text
