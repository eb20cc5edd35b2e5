import io
from collections import Counter

from rich.console import Console

from sysgen_local.progress import Progress
from sysgen_local.records import Conversation, Cost, Responded, Row, Turn, Verdict, Verified
from sysgen_local.report.live import Live, Plain, clock, reporter_for, speed, summary


def some_progress() -> Progress:
    progress = Progress(rows=10, rejected=1)
    for phase in progress.phases.values():
        phase.done = 7
    progress.phases["respond"].done = 4
    progress.phases["filter"].dropped = Counter({"no_phrases": 2})
    progress.finished_here = 6
    progress.cost = Cost(1000, 500, 2.0)
    verdict = Verdict("role", "You are a [bold]cook[/bold].", "good", 0.9, 0.05, 0.05)
    row = Row(3, Conversation((Turn("user", "Q"), Turn("assistant", "A")), 3))
    row = row.after("verify", Verified((verdict,), system=verdict.text))
    progress.last = row.after("respond", Responded((Turn("user", "Q"), Turn("assistant", "B"))))
    return progress


def test_the_sums_add_up():
    progress = some_progress()
    assert (progress.final, progress.dropped, progress.pending) == (4, 2, 4)
    assert progress.waiting("respond") == 3
    assert "4 final, 2 dropped, 1 rejected, 4 pending" in summary(progress)
    assert "rows/h" in speed(progress)


def test_a_terminal_of_any_width_gets_a_view_that_shows_row_text_as_text():
    for width in (40, 80, 140):
        screen = io.StringIO()
        live = Live(Console(file=screen, force_terminal=True, width=width))
        live.update(some_progress())
        live.close(some_progress())
        assert "respond" in screen.getvalue()
        assert "[bold]" in screen.getvalue()


def test_off_a_terminal_there_are_plain_lines():
    out = io.StringIO()
    reporter = reporter_for(out)
    assert isinstance(reporter, Plain)
    reporter.update(some_progress())  # too early to say anything
    assert out.getvalue() == ""
    reporter.close(some_progress())
    assert out.getvalue().count("\n") == 1
    assert "\x1b" not in out.getvalue()


def test_quiet_says_nothing():
    out = io.StringIO()
    reporter_for(out, quiet=True).close(some_progress())
    assert out.getvalue() == ""


def test_clock():
    assert [clock(s) for s in (0, 59.6, 61, 3661)] == ["0:00", "1:00", "1:01", "1:01:01"]
