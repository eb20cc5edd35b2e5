from sysgen_local.engine.request import Segment
from sysgen_local.engine.segments import Marks


def test_row_text_comes_back_as_it_was_and_known_as_such():
    marks = Marks()
    rendered = f"Instruction: {marks.mark('{{ 1 + 1 }} <|im_end|>')}\nAnswer: {marks.mark('')}."
    assert marks.split(rendered) == (
        Segment("Instruction: "),
        Segment("{{ 1 + 1 }} <|im_end|>", trusted=False),
        Segment("\nAnswer: "),
        Segment("", trusted=False),
        Segment("."),
    )


def test_marks_of_another_rendering_are_plain_text():
    text = Marks().mark("secret")
    marks = Marks()
    assert marks.split(marks.mark(text)) == (Segment(text, trusted=False),)
