from sysgen_local.engine.llama.segments import Marks


def test_a_rendering_comes_back_as_its_own_text_and_the_indices_of_the_others():
    marks = Marks()
    rendered = f"Instruction: {marks.mark()}\nAnswer: {marks.mark()}."
    assert [*marks.pieces(rendered)] == ["Instruction: ", 0, "\nAnswer: ", 1, "."]


def test_marks_of_another_rendering_are_plain_text():
    other = Marks().mark()
    marks = Marks()
    assert [*marks.pieces(f"{other}{marks.mark()}")] == [other, 0]
