"""Phrases compared with demonstrations, with each other, and with labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.quality.figures import Share
from benchmarks.quality.phrases import good, in_system, phrases
from benchmarks.quality.verdicts import Judged, Labelled, judge, measured, read, spread
from benchmarks.quality.words import (
    Demonstrations,
    demonstrations,
    grams,
    lifted,
    near,
    near_duplicates,
    repeated,
    says_something,
)
from sysgen_local.core.errors import UsageError
from sysgen_local.core.records import (
    Conversation,
    Filtered,
    Generated,
    Phrase,
    Removed,
    Row,
    Turn,
    Verdict,
    Verified,
)
from sysgen_local.prompts import PromptSet
from sysgen_local.store import Store
from sysgen_local.store.rows import RowQuery

SHOWN = grams("Solve word problems about motion.")


def test_four_words_in_a_row_of_a_demonstration():
    assert lifted("Solve word problems about a job!", SHOWN, [])
    assert lifted("You solve Word Problems, about jobs.", SHOWN, [])
    assert not lifted("Solve word problems with care.", SHOWN, [])
    assert not lifted("Solve problems about motion.", SHOWN, [])
    assert not lifted("Solve it.", SHOWN, [])


def test_four_words_that_the_row_has_itself_are_its_own():
    phrase = "Solve word problems about a job."
    assert not lifted(phrase, SHOWN, ["I must solve word problems about jobs.", "All right."])
    assert lifted(phrase, SHOWN, ["I must solve word", "problems about jobs."])
    # The row has one of the two runs of four words, but not the other.
    assert lifted("Solve word problems about motion.", SHOWN, ["solve word problems about trains"])


def test_what_shared_words_say():
    assert says_something("solve word problems about")
    assert says_something("a calculator for divisions")
    assert not says_something("you may use a")
    assert says_something("请用三句话解释光")


def test_eight_characters_in_a_row_where_words_have_no_spaces():
    shown = grams("请用三句话解释光合作用。")
    assert lifted("请用三句话解释光线。", shown, [])
    assert not lifted("请用三句话写一首诗。", shown, [])


def test_phrases_that_say_the_same():
    assert near("Guide the audience through the art.", "Guide the audience to art.")
    assert near("You are a sentiment analysis tool.", "You may use a sentiment analysis tool.")
    assert near("Explain each step clearly.", "Explaining the steps clearly")
    # three of six content words
    assert not near("Use simple language and historical facts.", "Use historical facts, references")
    assert not near("Answer in one sentence.", "Answer in three sentences.")
    assert not near("Be it.", "Do so.")


def test_a_duplicate_is_counted_once():
    texts = ["Take photos.", "Write a list.", "You may take a photo.", "Taking photos"]
    assert near_duplicates(texts) == 2
    assert near_duplicates(texts[:2]) == 0
    assert near_duplicates([]) == 0


def test_texts_that_several_rows_have():
    rows = [["Be kind.", "Be kind!", "Be brief."], ["be kind", "Write."], ["Write.", "Sing."]]
    assert repeated(rows) == {"Be kind.": 2, "Write.": 2}


def test_demonstrations_of_a_prompt_set(tmp_path: Path):
    last = "# user\n{% for turn in turns %}{{ turn.instruction }}{% endfor %}\n"
    demonstration = (
        "# user\nInstruction: my tomato leaves are curling\nAnswer: water them in the morning\n"
        '# assistant\n[{"tag":"role","text":"You are an experienced gardener."},'
        '{"tag":"task","text":"Say it."}]\n'
    )
    (tmp_path / "generate.md").write_text(
        f"# system\nWrite the system message.\n{demonstration}{last}"
    )
    (tmp_path / "verify.md").write_text("# user\n{{ phrase }} {{ tag }}\n")
    (tmp_path / "respond.md").write_text("# system\n{{ system }}\n")
    found = demonstrations(PromptSet.load(str(tmp_path)))
    assert found.phrases == {"you are an experienced", "are an experienced gardener"}
    assert "tomato leaves are curling" in found.conversations
    assert "curling answer water them" not in found.conversations
    assert "write the system message" not in found.conversations


def test_the_shipped_prompts_have_demonstrations():
    assert demonstrations(PromptSet.load("default")).phrases


def row_of(number: int, *texts: str, good: str = "") -> Row:
    """A row whose phrases are all of one tag; the filter removed those that say "gone"."""
    turns = (Turn("user", "A question."), Turn("assistant", "An answer."))
    written = tuple(Phrase("task", text) for text in texts)
    kept = tuple(phrase for phrase in written if "gone" not in phrase.text)
    removed = tuple(Removed(*p, "empty") for p in written if "gone" in p.text)
    verdicts = tuple(
        Verdict(*p, "good", 0.8, 0.1, 0.1) if p.text == good else Verdict(*p, "none", 0.2, 0.2, 0.6)
        for p in kept
    )
    return Row(
        number,
        Conversation(turns, number),
        Generated(written),
        Filtered(kept, removed),
        Verified(verdicts, good or None),
    )


def test_phrases_by_stage():
    rows = [
        row_of(
            1,
            "Solve word problems about it.",
            "It is gone now.",
            good="Solve word problems about it.",
        ),
        row_of(2, "Sing a song.", "Sing the songs.", good="Sing a song."),
        row_of(3, "Sing a song!"),
    ]
    found = phrases(rows, Demonstrations(SHOWN, grams("It is gone now.")))
    generated, filtered, good = found["generated"], found["filtered"], found["good"]
    assert generated["phrases"] == 5
    assert generated["four_words_of_a_demonstration"] == Share(1, 5)
    assert generated["two_of_them_content_words"] == Share(1, 5)
    assert generated["or_of_its_conversation"] == Share(2, 5)
    assert filtered["four_words_of_a_demonstration"] == Share(1, 4)
    assert filtered["near_duplicates_within_a_row"] == Share(1, 4)
    assert filtered["rows_with_near_duplicates"] == Share(1, 3)
    assert filtered["text_in_several_rows"] == Share(2, 4)
    assert filtered["most_frequent"] == {"Sing a song.": Share(2, 3)}
    assert good["phrases"] == 2
    assert good["four_words_of_a_demonstration"] == Share(1, 2)
    assert found["removed_by_the_filter"] == {"empty": Share(1, 5, part=True)}
    assert phrases(rows, None)["good"]["four_words_of_a_demonstration"] is None
    assert spread(rows)["task"] == {
        "phrases": 4, "good": Share(2, 4), "bad": Share(0, 4), "none": Share(2, 4)
    }  # fmt: skip
    assert spread(rows)["role"]["phrases"] == 0


def test_good_phrases_that_the_system_message_lacks():
    row = row_of(1, "Sing a song.", "Be kind.", good="Sing a song.")
    assert good(row) == in_system(row) == (Phrase("task", "Sing a song."),)
    assert in_system(row._replace(verified=Verified(row.verified.verdicts, "Be kind."))) == ()
    assert in_system(row._replace(verified=None)) == ()


def labelled(row: str, tag: Any, text: str, label: Any, made_by: str = "m") -> Labelled:
    return Labelled(
        row=row,
        instruction="Ask.",
        answer="Tell.",
        tag=tag,
        text=text,
        label=label,
        made_by=made_by,
    )


def judged(tag: str, label: str, verdict: Any, p: float, made_by: str = "m") -> Judged:
    phrase = labelled("1", tag, "...", label, made_by)
    rest = (1 - p) / 2
    return Judged(phrase, Verdict(tag, "...", verdict, p, rest, rest) if verdict else None)


def test_verdicts_against_labels():
    found = measured(
        [
            *[judged("role", "good", "good", 0.9)] * 4,
            judged("role", "good", "none", 0.3),
            judged("role", "bad", "good", 0.6, "n"),
            judged("task", "good", "bad", 0.1),
            judged("task", "none", "none", 0.2),
            judged("task", "none", None, 0.0),
        ]
    )
    assert found["not_judged"] == Share(1, 9)
    assert found["phrases"] == 8
    assert found["recall_of_good"] == Share(4, 6)
    assert found["recall_of_not_good"] == Share(1, 2)
    # 12 pairs: 0.9 beats both (8), 0.3 beats 0.2 (1), 0.1 beats none
    assert found["auc"].value == pytest.approx(9 / 12)
    # task has too few good phrases to count
    assert found["least_recall_of_good"] == Share(4, 5)
    assert found["which_is_that_of"] == "role"
    assert found["by_tag"]["task"]["recall_of_good"] == Share(0, 1)
    assert found["by_tag"]["task"]["auc"].value == 0
    assert found["by_made_by"]["n"]["recall_of_not_good"] == Share(0, 1)
    assert found["by_made_by"]["n"]["auc"].value is None
    assert found["verdicts_on"]["good"] == {
        "good": Share(4, 6, part=True),
        "bad": Share(1, 6, part=True),
        "none": Share(1, 6, part=True),
    }


def test_phrases_of_one_row_and_writer_are_judged_together_in_canonical_order(tmp_path: Path):
    given = [
        labelled("1", "format", "A list.", "good"),
        labelled("1", "role", "A poet.", "good", "other"),
        labelled("2", "task", "A task.", "bad"),
        labelled("1", "role", "A cook.", "none"),
    ]
    seen = []

    def verify(db: Path) -> None:
        with Store.open(db) as store:
            for row in list(store.due("verify")):
                seen.append([phrase.text for phrase in row.filtered.phrases])
                assert row.conversation.turns == (Turn("user", "Ask."), Turn("assistant", "Tell."))
                if row.filtered.phrases[0].text == "A task.":
                    result = Verified(dropped="too_long")
                else:
                    verdicts = [Verdict(*p, "good", 0.8, 0.1, 0.1) for p in row.filtered.phrases]
                    result = Verified(tuple(verdicts), "...")
                store.commit([(row.row, "verify", result)])

    found = judge(given, tmp_path / "phrases.duckdb", verify)
    assert seen == [["A cook.", "A list."], ["A poet."], ["A task."]]
    assert {one.phrase.text: one.verdict and one.verdict.text for one in found} == {
        "A list.": "A list.", "A cook.": "A cook.", "A poet.": "A poet.", "A task.": None
    }  # fmt: skip
    with Store.open(tmp_path / "phrases.duckdb") as store:
        assert len(store.find(RowQuery(limit=None))) == 3


def test_a_label_that_is_none_is_named_with_its_line(tmp_path: Path):
    path = tmp_path / "phrases.jsonl"
    line = labelled("1", "role", "A cook.", "good").model_dump_json()
    path.write_text(f"{line}\n{line.replace('good', 'fine')}\n")
    with pytest.raises(UsageError, match=r"phrases\.jsonl, line 2: label"):
        read(path)
    path.write_text("[]")
    with pytest.raises(UsageError, match="holds no phrases"):
        read(path)


def test_the_shared_phrases_can_be_read(shared_data: Path):
    path = shared_data / "quality" / "phrases.jsonl"
    if not path.exists():
        pytest.skip("no quality/phrases.jsonl there")
    assert len(read(path)) == 217
