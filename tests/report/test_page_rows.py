"""The rows of the report in a real browser: open or closed, before and after, filtered."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from filled import EVIL, checked

from sysgen_local.core.records import (
    Conversation,
    Filtered,
    Generated,
    Phrase,
    Responded,
    Source,
    Turn,
    Verdict,
    Verified,
)
from sysgen_local.report.page import page
from sysgen_local.store import Store

ROWS = 40
OLD = "You are a helpful assistant. Answer briefly."
NEW = "You are a helpful cook. Answer briefly."
NAME = "a-dataset-with-a-name-that-is-longer-than-any-axis-of-a-plot-has-room-for_v2"


def conversations(first):
    """Every second row has a system message, and every tenth an answer that is not compared."""
    for n in range(first, first + ROWS // 2):
        answer = "word " * 2000 if n % 10 == 0 else f"Boil {n} eggs in the old pot. {EVIL}"
        asked = f"Question {n}? " + ("It is long. " * 40 if n == 9 else "")
        turns = (Turn("user", asked.strip()), Turn("assistant", answer))
        yield Conversation(turns, n, OLD if n % 2 else None)


def fill(store):
    store.ingest(Source("/home/ann/rows.jsonl", "x", "0", NAME), conversations(1))
    store.ingest(Source("/home/ann/more.jsonl", "y", "1", "more"), conversations(ROWS // 2 + 1))
    phrases = (Phrase("role", "You are a helpful cook."), Phrase("style", "Answer briefly."))
    verdicts = tuple(Verdict(p.tag, p.text, "good", 0.9, 0.1, 0.0) for p in phrases)
    results = []
    for n in range(1, ROWS + 1):
        if n == ROWS:
            results.append((n, "generate", Generated((), dropped="not_json")))
            continue
        new = f"Boil {n} eggs in the red pot. {EVIL}"
        turns = (Turn("user", f"Question {n}?"), Turn("assistant", new))
        results += [
            (n, "generate", Generated(phrases)),
            (n, "filter", Filtered(phrases)),
            (n, "verify", Verified(verdicts, NEW)),
            (n, "respond", Responded(turns, "looping" if n % 5 == 0 else None)),
        ]
        if n % 5:
            results.append((n, "check", checked(n)))
    store.commit(results)
    store.review(1, "accepted")
    store.review(2, "rejected")
    store.review(3, "accepted", [Phrase("role", "You are a patient cook.")])


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    with Store.in_memory() as store:
        fill(store)
        path.write_text(page(store, title="a report"))
    return path


@pytest.fixture
def opened(browser, path):
    browser.get_log("browser")
    browser.get(path.as_uri())
    yield browser
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    assert browser.title == "a report"
    assert browser.find_elements("css selector", "#rows img, #rows script") == []


@contextmanager
def screen(browser, scheme="light", width=1280, height=900):
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    yield
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def rows(browser):
    return browser.find_elements("css selector", "#rows > details")


def search(browser, words):
    from selenium.webdriver.common.keys import Keys

    browser.find_element("id", "search").send_keys(Keys.CONTROL, "a", Keys.DELETE)
    browser.find_element("id", "search").send_keys(words)


def choose(browser, **values):
    from selenium.webdriver.support.select import Select

    for name, value in values.items():
        Select(browser.find_element("id", name)).select_by_value(value)
    return int(browser.find_element("id", "count").text.split(" of ")[0])


def marks(browser, row, name):
    """The words that are marked in the answers of this row."""
    panes = rows(browser)[row].find_elements("css selector", ".pair:not(:has(.system))")
    return [mark.text for pane in panes for mark in pane.find_elements("tag name", name)]


def test_three_rows_are_open_and_closed_ones_show_their_system_message(opened):
    listed = rows(opened)
    assert [row.get_attribute("open") is not None for row in listed[:5]] == [True] * 3 + [False] * 2
    assert "Question 4?" in listed[3].text
    assert NEW in listed[3].text
    assert "old answer" not in listed[3].text
    assert "old answer" in listed[0].text
    assert listed[0].text.count(NEW) == 1  # not in the line, too
    search(opened, "patient")
    assert "You are a patient cook." in rows(opened)[0].text
    rows(opened)[0].find_element("css selector", "summary").click()
    assert rows(opened)[0].find_element("css selector", ".brief").text == "You are a patient cook."
    search(opened, f"question {ROWS}?")
    rows(opened)[0].find_element("css selector", "summary").click()
    assert "no system message" in rows(opened)[0].text


def test_a_long_question_is_whole_in_an_open_row(opened):
    search(opened, "question 9?")
    row = rows(opened)[0]
    assert row.find_element("css selector", ".question").text.endswith("…")
    assert "It is long. " * 39 in row.find_element("css selector", ".said").text
    search(opened, "question 7?")
    assert rows(opened)[0].text.count("Question 7?") == 1


def test_a_row_that_was_closed_stays_closed(opened):
    rows(opened)[0].find_element("css selector", "summary").click()
    rows(opened)[4].find_element("css selector", "summary").click()
    search(opened, "question")
    states = [row.get_attribute("open") is not None for row in rows(opened)[:6]]
    assert states == [False, True, True, False, True, False]


def test_words_that_differ_are_marked_in_both_answers(opened):
    search(opened, "question 7?")
    assert marks(opened, 0, "del") == ["old"]
    assert marks(opened, 0, "ins") == ["red"]
    assert EVIL in rows(opened)[0].text
    search(opened, "question 10?")
    assert marks(opened, 0, "del") == marks(opened, 0, "ins") == []
    assert "(10,000 characters)" in rows(opened)[0].text
    assert "red pot" in rows(opened)[0].text


def test_the_systems_of_a_row_stand_side_by_side_with_marks(opened):
    search(opened, "question 7?")
    pair = rows(opened)[0].find_element("css selector", ".pair:has(.system)")
    assert pair.find_element("css selector", "del").text == "assistant"
    assert pair.find_element("css selector", "ins").text == "cook"
    painted = pair.find_elements("css selector", ".painted")
    assert [phrase.text for phrase in painted] == ["You are a helpful cook.", "Answer briefly."]
    search(opened, "question 3?")
    texts = [said.text for said in rows(opened)[0].find_elements("css selector", ".said")]
    assert texts[:3] == [
        f"system message it came with\n{OLD}",
        "system message edited by a person\nYou are a patient cook.",
        f"system message as the model wrote it\n{NEW}",
    ]
    search(opened, "question 8?")
    assert opened.find_elements("css selector", "#rows .pair:has(.system)") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_marks_are_more_than_a_colour_and_can_be_read(opened, scheme):
    # The contrast of WCAG 2.1, without its straight part near black.
    script = """
        const style = getComputedStyle(document.querySelector(arguments[0]));
        const canvas = document.createElement("canvas").getContext("2d");
        const painted = (colour) => {
            canvas.fillStyle = colour;
            canvas.fillRect(0, 0, 1, 1);
            const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map(
                (c) => ((c / 255 + .055) / 1.055) ** 2.4);
            return .2126 * r + .7152 * g + .0722 * b;
        };
        const page = painted(getComputedStyle(document.querySelector("#find")).backgroundColor);
        const behind = painted(style.backgroundColor), ink = painted(style.color);
        const contrast = (Math.max(behind, ink) + .05) / (Math.min(behind, ink) + .05);
        return [style.textDecorationLine, style.textDecorationStyle, page === behind, contrast];
    """
    with screen(opened, scheme):
        found = [opened.execute_script(script, f".pair:not(:has(.system)) {m}") for m in
                 ("del", "ins")]  # fmt: skip
    assert [of[0] for of in found] == ["underline"] * 2
    assert [of[1] for of in found] == ["dashed", "solid"]
    assert [of[2] for of in found] == [False, False]
    assert min(of[3] for of in found) > 7


def test_filters_combine_with_each_other_and_with_the_search(opened):
    assert opened.find_element("id", "count").text == f"{ROWS} of {ROWS} rows"
    assert not opened.find_element("id", "clear").is_displayed()
    assert choose(opened, reviewed="yes") == 3
    assert choose(opened, reviewed="accepted") == 2
    assert choose(opened, edited="yes") == 1
    assert choose(opened, edited="no") == 1
    assert choose(opened, reviewed="no", edited="") == ROWS - 3
    assert choose(opened, reviewed="", reason="respond looping") == 7
    assert choose(opened, reason="generate not_json") == 1
    assert choose(opened, reason="check disagrees") == 8
    assert choose(opened, dataset=NAME) == 4
    assert choose(opened, reason="", check="fails") == 4
    assert choose(opened, check="agrees") == 10
    assert choose(opened, check="not compared") == 2
    assert choose(opened, check="rewritten") == 8
    assert choose(opened, check="unchecked") == 4
    search(opened, "question 1")
    assert opened.find_element("id", "count").text == f"2 of {ROWS} rows"
    search(opened, "no such words")
    assert opened.find_element("id", "none").is_displayed()
    opened.find_element("id", "clear").click()
    assert opened.find_element("id", "count").text == f"{ROWS} of {ROWS} rows"
    assert opened.switch_to.active_element.get_attribute("id") == "search"


def test_the_search_looks_at_texts_alone(opened):
    for words in ("system_diff", "old_system", '"row"', "null"):
        search(opened, words)
        assert opened.find_element("id", "count").text == f"0 of {ROWS} rows"
    search(opened, 'document.title="TAKEN"')
    assert opened.find_element("id", "count").text == f"{ROWS - 1} of {ROWS} rows"


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)])
def test_search_and_filters_stay_above_the_rows(opened, width, height):
    with screen(opened, width=width, height=height):
        opened.execute_script("window.scrollTo(0, document.documentElement.scrollHeight)")
        box = opened.execute_script(
            "return JSON.parse(JSON.stringify(byId('find').getBoundingClientRect()))"
        )
        over = opened.execute_script(
            "return byId('find').contains(document.elementFromPoint(arguments[0], 20))", width / 2
        )
        wide = opened.execute_script("return document.documentElement.scrollWidth")
    assert box["top"] == 0
    assert box["height"] < height / 4
    assert over
    assert wide <= width


def test_it_can_be_used_by_keyboard_on_a_phone(opened):
    from selenium.webdriver.common.keys import Keys

    def focused():
        return opened.switch_to.active_element

    with screen(opened, width=390, height=844):
        assert not opened.find_element("id", "state").is_displayed()
        opened.find_element("id", "search").send_keys("question", Keys.TAB)
        assert focused().get_attribute("id") == "some"
        focused().send_keys(Keys.ENTER)
        assert focused().get_attribute("aria-expanded") == "true"
        assert opened.find_element("id", "dataset").is_displayed()
        choose(opened, edited="no")
        assert opened.find_element("id", "some").text == "filters (1)"
        for _ in range(12):  # past the filters, into the rows
            opened.switch_to.active_element.send_keys(Keys.TAB)
        place = opened.execute_script(
            "const at = document.activeElement.getBoundingClientRect();"
            "return [document.activeElement.localName, at.top, byId('find').offsetHeight]"
        )
    assert place[0] == "summary"
    assert place[1] >= place[2]  # not below the bar


def test_more_rows_are_added_below_and_get_the_focus(opened):
    from selenium.webdriver.common.keys import Keys

    more = opened.find_element("id", "more")
    assert len(rows(opened)) == 25
    assert more.text == "show 15 more of 15"
    more.send_keys(Keys.ENTER)
    assert len(rows(opened)) == ROWS
    assert "Question 26?" in opened.switch_to.active_element.text
    assert not more.is_displayed()


def test_names_of_datasets_are_whole(opened):
    plot = opened.find_elements("tag name", "svg")[1]
    assert "".join(plot.text.split()).find(NAME) >= 0
    script = """
        const whole = document.querySelectorAll("svg")[1].getBoundingClientRect();
        return [...document.querySelectorAll("svg")[1].querySelectorAll("text")]
            .every((text) => text.getBoundingClientRect().left >= whole.left);
    """
    assert opened.execute_script(script)
    script = """
        const box = byId("dataset"), other = box.cloneNode(true);
        other.style.cssText = "position: absolute; max-width: none";
        box.parentNode.append(other);
        return [box.offsetWidth, other.offsetWidth];
    """
    with screen(opened):
        wide, needed = opened.execute_script(script)
    assert wide >= needed
