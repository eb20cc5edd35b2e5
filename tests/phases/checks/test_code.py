"""Faults of code blocks, and what people accept as a snippet."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sysgen_local.phases.checks.code import code_faults


def block(info: str, code: str) -> str:
    return f"Here it is:\n\n```{info}\n{code}\n```\n\nThat is all."


ACCEPTED = [
    ("python", "def f(x):\n    return 2 * x"),
    ("python", ">>> f(2)\n4\n>>> for i in range(2):\n...     print(i)\n0\n1"),
    ("pycon", ">>>f(2)\n4"),
    ("python", "return x + 1"),
    ("python", "await client.get(url)"),
    ("python", "    def save(self):\n        self.done = True"),
    ("python", "def save(self):\n        self.done = True\n        return 1"),
    ("python", "def train(model):\n    ..."),
    ("python", "def train(model):\n    # your code here"),
    ("python", "x = 1\n...\ny = 2"),
    ("python", "for row in rows:\n    ...\n    print(row)"),
    ("python", "data = {...}"),
    ("python", "api_key = <YOUR_KEY>"),
    ("python", "print 'hello'"),
    ("python", "print 'hello', x\ntry:\n    f()\nexcept ValueError, error:\n    pass"),
    ("python2", "print x"),
    ("python", "%matplotlib inline\nimport numpy as np"),
    ("python", "!pip install numpy\nimport numpy"),
    ("python", "pip install numpy"),
    ("python", "else:\n    x = 1"),
    ("python", "except KeyError:\n    pass"),
    ("python", "@app.route('/')"),
    ("python", "for i in range(3):"),
    ("python", "s = '\\d'"),
    ("", "some words (that are no code"),
    ("text", "def f(:"),
    ("bash", "echo ${x"),
    ("json", '{"a": [1, 2, {"b": null}]}'),
    ("json", '{"a": 1}\n{"a": 2}'),
    ("json", '{"a": 1, // the first\n "b": 2}'),
    ("json", '{"a": 1, ...}'),
    ("json", '{"a": [1, 2, ...], "b": 3}'),
    ("json", '"a": 1,\n"b": 2'),
    ("xml", "<a><b>1</b></a>"),
    ("xml", '<?xml version="1.0"?>\n<a x="1">&nbsp;Tom & Bo</a>\n<a/>'),
    ("xml", "<x:a><y/></x:a>"),
    ("html", "<!DOCTYPE html>\n<p>one<p>two<br><ul><li>a<li>b</ul>"),
    ("html", "<div>\n  ...\n"),
    ("html", "<div>{% if a %}</div>{% endif %}"),
    ("c", "int main(void) {\n    char c = '}';\n    puts(\"({[\");  // )\n    return 0;\n}"),
    ("c", "#ifdef A\nif (x) {\n#else\nif (y) {\n#endif\n}"),
    ("javascript", "const f = (x) => `${x} (`;\nif (/[(]/.test(s)) { f(a / b); }"),
    ("jsx", "return <p>Don't (stop</p>;"),
    ("rust", "fn f<'a>(x: &'a str) -> &'a str { x }"),
    ("java", '/* ( */ class A { String s = "}"; }'),
    ("go", "s := `({`"),
]


@pytest.mark.parametrize(("info", "code"), ACCEPTED)
def test_what_people_accept_passes(info: str, code: str) -> None:
    assert code_faults(block(info, code)) == []


REFUSED = [
    ("python", "def f(x)\n    return x"),
    ("python", "print(f(x)"),
    ("python", "x = = 1"),
    ("python", "if x:\nreturn [1, 2"),
    ("python3", "print 'hello'"),
    ("python", ">>> f(2\n4"),
    ("", "import os\n\ndef f(x:\n    return x\n\nprint(f(1))\nclass A:\n    pass"),
    ("json", "{'a': 1}"),
    ("json", '{"a": 1,}'),
    ("json", '{"a": 1'),
    ("", '{"a": 1,\n "b" 2}'),
    ("xml", "<a><b></a>"),
    ("html", "<div><span>a</div>"),
    ("html", "<ul><li>a</li>"),
    ("html", "<p>a</p></div>"),
    ("c", "int main() { return (1; }"),
    ("c++", "int main() {"),
    ("javascript", "function f() { return [1, 2; }"),
    ("typescript", "const x = {a: 1;"),
    ("java", "class A { } }"),
    ("rust", 'fn main() { println!("a"; }'),
]


@pytest.mark.parametrize(("info", "code"), REFUSED)
def test_what_a_parser_refutes_is_a_fault(info: str, code: str) -> None:
    (fault,) = code_faults(block(info, code))
    assert fault.startswith("Code block 1 is no valid ")
    assert fault.endswith(".")


def test_an_open_fence_is_a_fault_and_a_longer_fence_closes() -> None:
    assert code_faults("```python\nprint(1)") == ["Code block 1 is not closed."]
    assert code_faults("````\n```python\n(\n```\n````") == []
    assert code_faults("~~~json\n{}\n~~~") == []
    assert code_faults("Use `x = (` there.") == []


def test_every_block_is_looked_at() -> None:
    answer = block("python", "x = 1") + block("json", "{") + block("c", "(")
    assert [fault.split(" is ")[0] for fault in code_faults(answer)] == [
        "Code block 2",
        "Code block 3",
    ]


_LINES = st.sampled_from(
    [
        "```",
        "```python",
        "```json",
        "```js",
        "```xml",
        "```html",
        "~~~",
        ">>> x",
        "def f(:",
        "{",
        "}",
        '"a":',
        "'",
        "/*",
        "<a>",
        "</b>",
        "...",
        "    x",
        "",
        "\\",
        "`",
        "//",
        "print 1",
        "\x00",
        "é\ud800",
    ]
)


@pytest.mark.e2e  # hundreds of examples take seconds
@settings(max_examples=500, deadline=None)
@given(st.lists(_LINES | st.text(max_size=20), max_size=12))
def test_nothing_raises_on_odd_text(lines: list[str]) -> None:
    assert all(isinstance(fault, str) for fault in code_faults("\n".join(lines)))
