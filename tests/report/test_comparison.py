"""What columns say of a row, and the table below them."""

from __future__ import annotations

import io

from rich.console import Console

from sysgen_local.core.records import (
    Attempt,
    Check,
    Checked,
    Conversation,
    Filtered,
    Generated,
    Phrase,
    Removed,
    Responded,
    Row,
    Turn,
    Verdict,
    Verified,
)
from sysgen_local.report.comparison import Column, RowComparison, summary
from sysgen_local.report.row_json import row_json
from sysgen_local.store import Origin

ORIGIN = Origin("rows.jsonl", 7, "rows", None)
ROLE, LIST = "You are a [bold]cook[/bold].", "Use a list."
ASKED = (Turn("user", "Soup?"), Turn("assistant", "Old soup."))


def good(number: int = 1) -> Row:
    return Row(
        number,
        Conversation(ASKED, 7),
        Generated((Phrase("role", ROLE), Phrase("format", LIST), Phrase("tool", "X"))),
        Filtered(
            (Phrase("role", ROLE), Phrase("format", LIST), Phrase("style", "Odd.")),
            (Removed("tool", "X", "too_short"),) * 2,
        ),
        Verified(
            (
                Verdict("role", ROLE, "good", 0.9, 0.1, 0.0),
                Verdict("style", "Odd.", "bad", 0.1, 0.8, 0.1),
                Verdict("format", LIST, "good", 0.9, 0.1, 0.0),
            ),
            f"{ROLE} {LIST}",
        ),
        Responded((ASKED[0], Turn("assistant", "First new soup."))),
        Checked(
            (ASKED[0], Turn("assistant", "- New soup.")),
            (Check(1, "phrase", LIST, "rule", 1.0, "a list"),),
            (Attempt(1, "First new soup.", False, None, 0.0, "disobeys"),),
            agrees=True,
            obeys=0.75,
            tries=2,
        ),
    )


def bad(number: int = 1) -> Row:
    checked = Checked(
        (),
        (Check(1, "phrase", LIST, "rule", 0.0, "a list"),
         Check(1, "agrees", "", "model", 0.25, "")),
        agrees=None, obeys=0.25, tries=3, dropped="disobeys",
    )  # fmt: skip
    return good(number).after("check", checked)


def nothing(number: int = 1) -> Row:
    row = Row(number, Conversation(ASKED, 7))
    return row.after("generate", Generated(dropped="not_json", raw='[{"tag"'))


def printed(width: int, labels: list[str], *added, beside: bool = True, **more) -> str:
    out = io.StringIO()
    comparison = RowComparison(Console(file=out, width=width, **more), labels, beside=beside)
    for label, row in added:
        comparison.add(label, row, ORIGIN)
    return out.getvalue()


def test_a_row_is_told_in_brief_first_and_whole_with_the_last_column():
    first = printed(100, ["a", "b"], ("a", good()))
    assert "row 1  rows.jsonl, line 7  Soup?" in first
    assert "final · agrees · obeys 0.75 · 2 tries  - New soup." in first
    assert "original answer" not in first
    both = printed(100, ["a", "b"], ("a", good()), ("b", bad()))[len(first) :]
    assert both.count("Old soup.") == 1
    for part in (
        "[bold]cook[/bold]", "role format", "- filter: too_short x2  tool: X",
        "- bad 0.80  style: Odd.", "- New soup.", "- failed: phrase Use a list. (a list)",
        "- failed: agrees", "dropped in check: disobeys",
    ):  # fmt: skip
        assert part in both, part


def test_columns_stand_side_by_side_only_with_room():
    added = (("a", good()), ("b", nothing()))
    assert "╮╭─ b ─" in printed(88, ["a", "b"], *added)
    for text in (printed(87, ["a", "b"], *added), printed(88, ["a", "b"], *added, beside=False)):
        assert "\n╭─ b ─" in text
        assert '[{"tag"' in text


def test_phrases_are_painted_by_tag_in_the_order_they_stand():
    text = printed(100, ["a", "b"], ("a", good()), force_terminal=True, color_system="standard")
    assert "\x1b[36mYou are a [bold]cook[/bold].\x1b[0m" in text
    assert "\x1b[92mUse a list.\x1b[0m" in text


def test_one_column_is_the_story():
    text = printed(100, ["a"], ("a", good()))
    assert "─ system message ─" in text
    assert "filter: too_short" in text


def test_the_table_counts():
    columns = [Column("a", (good(1), bad(2), good(3)), 6.0), Column("b", (nothing(),), 0.0)]
    wide = summary(columns, 200)
    assert wide.title == "3 rows"
    assert dict(zip(wide.columns, wide.rows[0], strict=True)) == {
        "combination": "a", "final": "2", "dropped": "1", "seconds a row": "2.0",
        "rows/h": "1,800", "tags used": "2 of 8", "phrases a row": "2.0",
        "filter removed": "40%", "agrees": "2 of 2", "obeys": "0.58",
    }  # fmt: skip
    assert wide.rows[1][1:3] == ("0", "1")
    narrow = summary(columns, 80)
    assert narrow.columns == ("combination", "a", "b")
    assert ("final", "2", "0") in narrow.rows


def test_a_journey_for_programs_has_everything_by_name():
    of = row_json(good(), ORIGIN)
    assert (of["state"], of["phase"], of["agrees"], of["tries"]) == ("final", None, True, 2)
    assert of["new"][-1] == {"role": "assistant", "content": "- New soup."}
    assert of["removed"][0] == {"tag": "tool", "text": "X", "reason": "too_short"}
    assert of["checks"][0]["detail"] == "a list"
    of = row_json(nothing(), ORIGIN)
    assert (of["state"], of["phase"], of["reason"]) == ("dropped", "generate", "not_json")
    assert (of["system"], of["new"], of["raw"]) == (None, [], '[{"tag"')
