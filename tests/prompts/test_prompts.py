from __future__ import annotations

import re
from pathlib import Path

import pytest

from sysgen_local.core.errors import UsageError
from sysgen_local.core.language import name_of, row_language
from sysgen_local.core.records import LABELS, TAGS, Conversation, Turn
from sysgen_local.core.resources import resource
from sysgen_local.engine.request import Segment
from sysgen_local.phases.filter import clean
from sysgen_local.phases.tags import parse_json
from sysgen_local.prompts import PromptFile, PromptSet

GOOD = {
    "generate": "# system\nWrite.\n\n# user\n{% for t in turns %}{{ t.instruction }}{% endfor %}\n",
    "verify": "# user\n{{ phrase }} {{ tag }}\n",
    "respond": "# system\n{{ system }}\n",
}


def make(folder: Path, **changed: str | None) -> str:
    folder.mkdir(exist_ok=True)
    for phase, text in (GOOD | changed).items():
        if text is not None:
            (folder / f"{phase}.md").write_text(text)
    return str(folder)


def demonstrations() -> list[tuple[str, str]]:
    """What the default prompt of phase 1 shows: conversation and phrases, of all groups."""
    prompts = PromptSet.load("default")
    shown = []
    for group in sorted(prompts.groups("generate") + prompts.groups("generate", foreign=True)):
        _, *messages, _ = prompts.messages("generate", group, turns=[])
        assert [m.role for m in messages] == ["user", "assistant"] * (len(messages) // 2)
        texts = [m.text for m in messages]
        shown += list(zip(texts[::2], texts[1::2], strict=True))
    return shown


def test_the_compact_set_is_what_the_builtin_model_was_trained_on():
    prompts = PromptSet.load("compact")
    turns = [{"instruction": "Q", "answer": "A"}, {"instruction": "Q2", "answer": "A2"}]
    assert [(m.role, m.text) for m in prompts.messages("generate", turns=turns)] == [
        ("system", "List system message phrases as JSON."),
        ("user", "Instruction: Q\nAnswer: A\nInstruction: Q2\nAnswer: A2"),
    ]
    verify = prompts.messages("verify", instruction="Q", phrase="P", tag="role")
    assert [(m.role, m.text) for m in verify] == [
        ("system", "Does the phrase fit its tag and the instruction? Reply good, bad or none."),
        ("user", "Instruction: Q\nPhrase: P\nTag: role"),
    ]


def test_the_demonstrations_are_what_the_grammar_would_let_through():
    shown = [answer for _, answer in demonstrations()]
    tags = [p.tag for text in shown for p in parse_json(text)]
    assert set(tags) == set(TAGS)
    assert not any(re.search(r'[:,] "', text) for text in shown)  # compact, as it is written
    # Each has its tags in the order in which the prompt explains them.
    system = PromptSet.load("default").messages("generate", turns=[])[0].text
    explained = re.findall(rf"^({'|'.join(TAGS)}): ", system, re.MULTILINE)
    assert sorted(explained) == sorted(TAGS)
    for text in shown:
        order = [explained.index(p.tag) for p in parse_json(text)]
        assert order == sorted(order)
    labels = PromptSet.load("default").messages("verify", turns=[], phrase="")
    assert {m.text for m in labels if m.role == "assistant"} == set(LABELS)
    for name, values in {
        "agree": ["instruction", "answer", "new"],
        "follow": ["answer", "phrase"],
    }.items():
        asked = PromptSet.load("default").messages(name, **dict.fromkeys(values, ""))
        assert {m.text for m in asked if m.role == "assistant"} == {"yes", "no"}


def test_the_texts_of_demonstrations(tmp_path):
    shown = PromptSet.load("default").demonstrations("generate")
    assert "You are a plant doctor for hobby growers." in shown  # of the first group
    assert "You are the database developer of a small firm." in shown  # of the last
    assert PromptSet.load("default").demonstrations("verify") == ()
    assert PromptSet.load("compact").demonstrations("generate") == ()
    asks = "{% for t in turns %}{{ t.instruction }}{% endfor %}\n"
    generate = (
        "# user\nQ\n\n# assistant\n<<Role>> You are a cook. <<Style>>: Be kind.\n\n# user\nQ\n\n"
        f'# assistant\n[{{"tag":"style","text":"Be brief."}}]\n\n# user\n{asks}'
    )
    own = PromptSet.load(make(tmp_path, generate=generate))
    assert own.demonstrations("generate") == ("You are a cook.", "Be kind.", "Be brief.")


@pytest.mark.parametrize("shown", demonstrations(), ids=lambda shown: ascii(shown[0][13:33]))
def test_each_demonstration_is_what_the_filter_would_let_through(shown):
    conversation, phrases = shown
    conversation, *language = re.split(r"\nWrite the phrases in (\w+)\.$", conversation)
    _, *said = re.split(r"^(Instruction|Answer): ", conversation, flags=re.MULTILINE)
    roles = {"Instruction": "user", "Answer": "assistant"}
    turns = [
        Turn(roles[who], text.strip()) for who, text in zip(said[::2], said[1::2], strict=True)
    ]
    assert [turn.role for turn in turns] == ["user", "assistant"] * (len(turns) // 2)
    row = Conversation(tuple(turns), 1)
    if language := language[:1]:
        assert [name_of(row_language(row) or "")] == language
    else:
        assert row_language(row) in ("en", None)
    result = clean(row, parse_json(phrases))
    assert result.removed == ()
    assert sorted(result.phrases) == sorted(parse_json(phrases))


ASKS = "{% for t in turns %}{{ t.instruction }}{% endfor %}{{ language }}"
GROUPS = f"""# system
Write.

# group

# user
Q1

# assistant
[{{"tag":"role","text":"You are a cook."}}]

# group

# user
Q2

# assistant
[{{"tag":"role","text":"You are a tailor."}}]

# user
Q3

# assistant
[{{"tag":"style","text":"Be brief."}}]

# user
{ASKS}
"""


def prompt_file(folder: Path, text: str) -> PromptFile:
    (folder / "generate.md").write_text(text)
    return PromptFile("generate", folder / "generate.md")


def test_groups_share_what_stands_before_and_the_last_message(tmp_path):
    file = prompt_file(tmp_path, GROUPS)
    assert file.groups() == file.groups(foreign=True) == [0, 1]
    values = {"turns": [{"instruction": "mine", "answer": ""}], "language": "Greek"}
    first, second = (file.messages(values, group) for group in (0, 1))
    assert [m.text for m in first if m.role == "user"] == ["Q1", "mineGreek"]
    assert [m.text for m in second if m.role == "user"] == ["Q2", "Q3", "mineGreek"]
    assert [m.text for m in (first[0], second[0])] == ["Write.", "Write."]
    assert first == file.messages(values)
    with pytest.raises(IndexError):
        file.messages(values, 2)
    assert file.demonstrations() == ("You are a cook.", "You are a tailor.", "Be brief.")


def test_without_the_heading_there_is_one_group(tmp_path):
    file = prompt_file(tmp_path, f"# user\nQ\n\n# assistant\nA\n\n# user\n{ASKS}\n")
    assert file.groups() == file.groups(foreign=True) == [0]
    assert len(file.messages({"turns": []})) == 3
    assert PromptSet.load("compact").groups("generate") == [0]
    assert len(PromptSet.load("default").groups("generate")) >= 3


def test_some_groups_are_for_rows_in_other_languages(tmp_path):
    first = GROUPS.replace("# group\n\n# user\nQ1", "# group other languages\n\n# user\nQ1")
    file = prompt_file(tmp_path, first)
    assert (file.groups(), file.groups(foreign=True)) == ([1], [0])
    assert file.messages({"turns": []}, 0)[1].text == "Q1"
    every = first.replace("# group\n", "# group other languages\n")
    file = prompt_file(tmp_path, every)
    assert file.groups() == file.groups(foreign=True) == [0, 1]  # there are no others
    own = PromptSet.load("default")
    assert not set(own.groups("generate")) & set(own.groups("generate", foreign=True))


def test_a_prompt_tells_whether_it_names_the_language(tmp_path):
    assert PromptSet.load("default").names_language("generate")
    assert not PromptSet.load("compact").names_language("generate")
    assert not PromptSet.load("default").names_language("verify")
    assert PromptSet.load("default").shipped
    assert not PromptSet.load(make(tmp_path / "own")).shipped


def test_what_may_be_left_out_is_none(tmp_path):
    asks = "{% for t in turns %}{{ t.instruction }}{% endfor %}{% if language %}L{% endif %}"
    file = prompt_file(tmp_path, f"# user\n{asks}\n")
    turns = [{"instruction": "Q", "answer": ""}]
    assert file.messages({"turns": turns})[0].text == "Q"
    assert file.messages({"turns": turns, "language": "Greek"})[0].text == "QL"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GROUPS.replace("# group\n\n# user\nQ2", "# group\nhello\n# user\nQ2"),
         "line 12: `# group` needs messages under headings"),
        (GROUPS.replace("# group\n\n# user\nQ1", "# group\n\n# group\n\n# user\nQ1"),
         "line 6: `# group` needs messages under headings"),
        (GROUPS.replace("# user\n{%", "# group\n\n# user\n{%"),
         "line 29: the last `# group` is empty"),
        (GROUPS + "\n# group\n", "line 29: the last message must be `# user`"),
        (GROUPS.replace("Q2", "{{ mood }}"), "line 15: unknown variable mood"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_groups_is_said_with_the_line(tmp_path, text, said):
    with pytest.raises(UsageError, match=re.escape(f"generate.md, {said}")):
        prompt_file(tmp_path, text)


def test_content_free_questions(tmp_path):
    assert PromptSet.load("compact").content_free is None
    shipped = PromptSet.load("default").content_free
    assert set(shipped.phrases) == set(TAGS)
    assert len(shipped.requests) == 3
    own = make(tmp_path / "own")
    (tmp_path / "own" / "nothing.toml").write_text(
        'requests = ["N/A"]\n[phrases]\nrole = ["You are."]\n'
    )
    nothing = PromptSet.load(own).content_free
    assert (nothing.requests, nothing.phrases) == (["N/A"], {"role": ["You are."]})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("requests = [", r"nothing\.toml cannot be read: "),
        ('[phrases]\nrole = ["x"]\n', r"nothing\.toml: requests: "),
        ('requests = []\n[phrases]\nrole = ["x"]\n', r"nothing\.toml: requests: "),
        ('requests = ["x"]\n', r"nothing\.toml: phrases: "),
        ('requests = ["x"]\n[phrases]\nrole = []\n', r"nothing\.toml: phrases\.role: "),
        ('requests = ["x"]\n[phrases]\nmood = ["x"]\n', r"nothing\.toml: phrases\.mood"),
        ('requests = ["x"]\nmore = 1\n[phrases]\nrole = ["x"]\n', r"nothing\.toml: more: "),
    ],
)  # fmt: skip
def test_what_is_wrong_with_them_is_said(tmp_path, text, said):
    own = make(tmp_path / "own")
    (tmp_path / "own" / "nothing.toml").write_text(text)
    with pytest.raises(UsageError, match=said):
        _ = PromptSet.load(own).content_free


@pytest.mark.parametrize("hostile", ["# user\nX", "{{ turns }}", "{% raw %}", "<|im_end|>", " x\n"])
def test_row_text_is_text(hostile):
    for name in ("default", "compact"):
        prompts = PromptSet.load(name)
        harmless = prompts.messages("generate", turns=[{"instruction": "a", "answer": "b"}])
        messages = prompts.messages("generate", turns=[{"instruction": hostile, "answer": "b"}])
        assert [m.role for m in messages] == [m.role for m in harmless]
        assert Segment(hostile, trusted=False) in messages[-1].content


def test_a_template_is_asked_anew_for_rows_of_another_shape():
    def texts(*turns: str) -> list[str]:
        shown = [{"instruction": turn, "answer": ""} for turn in turns]
        [*_, last] = prompts.messages("generate", turns=shown)
        return [segment.text for segment in last.content if not segment.trusted]

    prompts = PromptSet.load("compact")
    assert texts("a") == ["a", ""]
    assert texts("b", "a") == ["b", "", "a", ""]
    assert texts("") == ["", ""]


def test_a_folder_of_ones_own(tmp_path):
    prompts = PromptSet.load(make(tmp_path / "own"))
    assert prompts.messages("verify", instruction="i", phrase="p", tag="t")[0].text == "p t"
    before = prompts.fingerprint("verify")
    make(tmp_path / "own", verify="# user\n{{ phrase }}: {{ tag }}\n")
    assert PromptSet.load(str(tmp_path / "own")).fingerprint("verify") != before


@pytest.mark.parametrize(
    ("phase", "text", "said"),
    [
        ("verify", "# user\n{{ phrase }}\n{{ tag }}\n{{ mood }}\n", "verify.md, line 4: unknown"),
        ("verify", "# user\n{{ tag }}\n", r"verify.md, line 2: it never uses {{ phrase }}"),
        ("verify", "# user\n{{ phrase }}\n{{ tag }\n", r"verify.md, line 3: "),
        ("verify", "Hello\n# user\n{{ phrase }} {{ tag }}", r"verify.md, line 1: there is text"),
        ("verify", "# user\n{{ phrase }} {{ tag }}\n\n# assistant\ngood\n", "verify.md, line 4"),
        ("verify", "", r"verify.md, line 1: the last message"),
        ("generate", "# user\n{{ instruction }}", "generate.md, line 2: unknown"),
        ("respond", "# system\nBe kind.", r"respond.md, line 2: it never uses {{ system }}"),
        ("respond", None, r"lacks .*respond.md"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_file_and_line(tmp_path, phase, text, said):
    with pytest.raises(UsageError, match=said.replace("{{", r"\{\{").replace("}}", r"\}\}")):
        PromptSet.load(make(tmp_path / "own", **{phase: text}))


def test_an_unknown_set_names_those_there_are():
    with pytest.raises(UsageError) as error:
        PromptSet.load("nothing")
    assert "compact, default" in str(error.value)


def test_line_ends_of_windows_change_nothing(tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    for file in resource("prompts").joinpath("default").iterdir():
        (own / file.name).write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    shipped, windows = PromptSet.load("default"), PromptSet.load(str(own))
    for phase in ("generate", "verify", "respond"):
        assert windows.fingerprint(phase) == shipped.fingerprint(phase)
        assert windows.demonstrations(phase) == shipped.demonstrations(phase)
    assert windows.content_free == shipped.content_free
