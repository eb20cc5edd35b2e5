import io
import json
import re
from collections import Counter

import pytest
from rich.console import Console

from sysgen_local.core import terminal
from sysgen_local.core.records import (
    PHASES,
    Checked,
    Conversation,
    Cost,
    Filtered,
    Generated,
    Removed,
    Responded,
    Row,
    Turn,
    Verdict,
    Verified,
)
from sysgen_local.report.comparison import RowComparison
from sysgen_local.report.live import JsonLines, Live, Plain, clock, speed, summary, view_for
from sysgen_local.running.progress import Progress
from sysgen_local.store import Origin


def some_progress(phases=PHASES) -> Progress:
    progress = Progress(phases, rows=10, rejected=1)
    for phase in progress.phases.values():
        phase.done = 7
    progress.phases[phases[-1]].done = 4
    progress.phases["filter"].dropped = Counter({"no_phrases": 2})
    progress.finished_here = 6
    progress.cost = Cost(1000, 500, 2.0)
    verdict = Verdict("role", "You are a [bold]cook[/bold].", "good", 0.9, 0.05, 0.05)
    row = Row(3, Conversation((Turn("user", "Q"), Turn("assistant", "A")), 3))
    row = row.after("verify", Verified((verdict,), system=verdict.text))
    row = row.after("respond", Responded((Turn("user", "Q"), Turn("assistant", "B"))))
    progress.last = row.after("check", Checked())
    return progress


def test_the_sums_add_up():
    progress = some_progress()
    assert (progress.final, progress.dropped, progress.pending) == (4, 2, 4)
    assert progress.waiting("check") == 3
    assert "4 final, 2 dropped, 1 rejected, 4 pending" in summary(progress)
    assert any("rows/h" in part for part in speed(progress))


def test_a_terminal_of_any_width_gets_a_view_that_shows_row_text_as_text():
    for width in (40, 80, 140):
        screen = io.StringIO()
        live = Live(Console(file=screen, force_terminal=True, width=width))
        live.show(some_progress())
        live.say("[said] meanwhile")
        live.close(some_progress())
        assert "[said] meanwhile" in screen.getvalue()
        assert "respond" in screen.getvalue()
        assert "[bold]" in screen.getvalue()


def test_checks_have_a_line_where_answers_are_checked():
    for phases in (PHASES, PHASES[:-1]):
        screen = io.StringIO()
        live = Live(Console(file=screen, force_terminal=True, width=100))
        live.close(some_progress(phases))
        assert ("check" in screen.getvalue()) == ("check" in phases)
        state = json.loads(JsonLines(io.StringIO()).line(some_progress(phases)))
        assert tuple(state["phases"]) == phases
        assert state["rows"]["final"] == 4


def test_off_a_terminal_there_are_plain_lines():
    out = io.StringIO()
    view = view_for(out)
    assert isinstance(view, Plain)
    view.show(some_progress())  # too early to say anything
    assert out.getvalue() == ""
    view.close(some_progress())
    assert out.getvalue().count("\n") == 1
    assert "\x1b" not in out.getvalue()


def test_a_json_log_is_an_object_a_line():
    out = io.StringIO()
    view = view_for(out, json_log=True)
    view.close(some_progress())
    view.close(some_progress())
    first, _ = map(json.loads, out.getvalue().splitlines())
    assert first["rows"]["final"] == 4
    assert first["tokens_in"] == 1000


def test_quiet_says_nothing():
    out = io.StringIO()
    view = view_for(out, quiet=True)
    view.say("a line")
    view.close(some_progress())
    assert out.getvalue() == ""


def test_clock():
    assert [clock(s) for s in (0, 59.6, 61, 3661)] == ["0:00", "1:00", "1:01", "1:01:01"]


HOSTILE = "red \x1b[31m, title \x1b]0;owned\x07, C1 \x9b2J, ünï 中文 😀"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
@pytest.mark.parametrize("width", [40, 200])
def test_no_view_lets_rows_command_the_terminal_or_fails_on_their_letters(encoding, width):
    terminal.prepare()
    screen = io.TextIOWrapper(io.BytesIO(), encoding, errors=terminal.ERRORS)
    console = terminal.console(screen, force_terminal=True, width=width)
    progress = some_progress()
    verdict = Verdict("role", HOSTILE, "bad", 0.1, 0.9, 0.0)
    good = Verdict("tool", HOSTILE[::-1], "good", 0.9, 0.1, 0.0)
    row = Row(3, Conversation((Turn("user", HOSTILE), Turn("assistant", HOSTILE)), 3, HOSTILE))
    row = row.after("generate", Generated(raw=HOSTILE))
    row = row.after("filter", Filtered(removed=(Removed(HOSTILE, HOSTILE, "unknown_tag"),)))
    row = row.after("verify", Verified((verdict, good), system=f"{HOSTILE} {good.text}"))
    progress.last = row.after("respond", Responded((Turn("user", "Q"), Turn("assistant", HOSTILE))))
    live = Live(console)
    live.show(progress)
    live.say(HOSTILE)
    live.close(progress)
    origin = Origin(HOSTILE, 3, HOSTILE, None)
    for labels in ([HOSTILE], [HOSTILE, "b"]):
        comparison = RowComparison(console, labels, beside=True)
        for label in labels:
            comparison.add(label, progress.last, origin)
    Plain(screen).say(HOSTILE)
    screen.flush()
    said = screen.buffer.getvalue().decode(encoding)
    ours = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said)  # colours, and moves of the cursor
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", ours)
    assert "\x1b[2J" not in said
    assert ours.count("\\x1b") >= 10
    assert ours.count("\\x9b") >= 5
