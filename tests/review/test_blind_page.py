"""The blind review in a real browser: keys decide, and no verdict is on the page before."""

from __future__ import annotations

import threading

import pytest
from filled import EVIL, fill

from sysgen_local.review.blind.server import BlindServer
from sysgen_local.review.blind.session import BlindSession
from sysgen_local.store import Judged, Store


class Page:
    """What a person sees and presses."""

    def __init__(self, browser, server):
        self.browser = browser
        browser.get(server.address)
        self.decided(0)

    def find(self, selector):
        return self.browser.find_element("css selector", selector)

    def press(self, *keys):
        self.find("body").send_keys(*keys)

    def wait(self, condition):
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.browser, 30, 0.02).until(lambda _: condition())

    def decided(self, count):
        """Waits until so many are decided, and a thing or the end is shown."""
        self.wait(lambda: self.find("#progress").text.startswith(f"{count} of"))
        self.wait(lambda: self.find("#thing").text or self.find("#ending").is_displayed())


@pytest.fixture
def store(tmp_path):
    fill(tmp_path / "s.duckdb", 6)
    with Store.open(tmp_path / "s.duckdb") as store:
        store.set_recipe("verify", "a" * 64, {"model": "the-verifier"})
        queue = store.judge_queue("b" * 64, {"model": "the-judge"}, pairs=9, aligned=0, seed=0)
        queue.commit([(of.row, "judge", Judged(0.9, 0.8)) for of in queue.due("judge")])
        yield store


@pytest.fixture
def page(browser, store, request):
    browser.get_log("browser")
    kinds, limit = getattr(request, "param", (["phrase"], 3))
    session = BlindSession(store, "ann", kinds, limit)
    with BlindServer(session, title=f"Blind review of {EVIL}") as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield Page(browser, server)
        server.shutdown()
    session.close()


def complaints(page):
    return [entry for entry in page.browser.get_log("browser") if entry["level"] == "SEVERE"]


def test_phrases_are_decided_by_keyboard_and_the_verdict_comes_after(page, store):
    source = page.browser.page_source
    assert "the-verifier" not in source
    assert not page.find("#told").text
    page.press("1")  # of a pair alone
    page.press("g")
    page.decided(1)
    assert not page.find("#told").text
    page.press("u")
    page.decided(0)
    page.press("b")
    page.decided(1)
    page.press("x")
    page.decided(2)
    assert "you said bad; the-verifier: " in page.find("#told").text
    page.press("n")
    page.decided(3)
    page.wait(lambda: page.find("#ending").is_displayed())
    assert page.find("#ended").text.startswith("3 of 3 decided, ")
    assert len(page.browser.find_elements("css selector", "#all tr")) == 4
    assert [of.said for of in store.latest_labels()] == ["bad", "unclear", "none"]
    assert page.browser.title.startswith("Blind review of <script>")  # no script ran
    assert not complaints(page)


@pytest.mark.parametrize("page", [(["pair"], 2)], indirect=True)
def test_pairs_have_their_own_keys(page, store):
    shown = {box.text.split("\n", 1)[1]
             for box in page.browser.find_elements("css selector", ".pair .said")}  # fmt: skip
    assert len(shown) == 2
    assert "the-judge" not in page.browser.page_source
    page.press("g")  # of a phrase alone
    page.press("2")
    page.decided(1)
    page.find("[data-say=tie]").click()
    page.decided(2)
    page.wait(lambda: page.find("#ending").is_displayed())
    assert "the new answer, p(new better) 0.85" in page.find("#all").text
    first, second = (of.said for of in store.latest_labels())
    assert (first in {"new", "original"}, second) == (True, "tie")
    page.find("#finish").click()
    page.wait(lambda: "has ended" in page.find("#ended").text)
    assert not complaints(page)


def test_what_is_skipped_comes_again_and_the_help_says_what_is_asked(page, store):
    first = here = page.find("#thing").text
    for _ in range(3):
        page.press("s")
        page.wait(lambda before=here: page.find("#thing").text != before)
        here = page.find("#thing").text
    assert here == first
    page.press("?")
    page.wait(lambda: page.find("#help").is_displayed())
    assert "cannot be followed" in page.find("#help").text
    assert store.latest_labels() == []


@pytest.mark.parametrize("width", [360, 1200])
def test_it_fits_a_phone_and_a_screen(page, width):
    page.browser.set_window_size(width, 800)
    try:
        inside = page.browser.execute_script(
            "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )
        assert inside
        assert page.find("[data-say=good]").is_displayed()
    finally:
        page.browser.set_window_size(1200, 900)
