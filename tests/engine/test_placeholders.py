from sysgen_local.engine.llama.placeholders import Placeholders


def test_a_rendering_comes_back_as_its_own_text_and_the_indices_of_the_others():
    placeholders = Placeholders()
    rendered = f"Instruction: {placeholders.new()}\nAnswer: {placeholders.new()}."
    assert [*placeholders.split(rendered)] == ["Instruction: ", 0, "\nAnswer: ", 1, "."]


def test_placeholders_of_another_rendering_are_plain_text():
    other = Placeholders().new()
    placeholders = Placeholders()
    assert [*placeholders.split(f"{other}{placeholders.new()}")] == [other, 0]
