"""Finds invalid code in an answer: open code fences, and code blocks that do not parse.

Usual snippets pass: an excerpt of a method, a console session, `...` for omitted code. A block
is not checked if its language is neither declared nor obvious.
"""

from __future__ import annotations

import ast
import doctest
import json
import re
import textwrap
import warnings
from collections.abc import Callable
from html.parser import HTMLParser
from xml.etree import ElementTree

from sysgen_local.phases.checks.brackets import C_LIKE, bracket_fault
from sysgen_local.phases.checks.text import code_blocks

LONGEST = 100_000
"""A block with more characters than this is not checked."""
_PYTHON = re.compile(
    r"^(?:async )?def \w+\(.*\)(?: ?-> ?.+)?:\s*$|^(?:from [\w.]+ )?import \w+"
    r"|^class \w+(?:\(.*\))?:\s*$"
    r"|^if __name__ == |^(?:for|while) .+:\s*$|^[ \t]*print\(",
    re.MULTILINE,
)
_PLACEHOLDER = re.compile(r"<[A-Za-z][\w .-]*>|\.{3}|…|\{\{|\{%|\[your |^\s*[#/]", re.IGNORECASE)
_SHELL = re.compile(r"^\s*(?:[%!$]|(?:pip3?|conda|python3?|cd|git|npm|poetry|uv) [\w./-])")
_PRINT = re.compile(r"^(\s*)print\b(?!\s*[(=.,\[])(.*)$")
_OLD_EXCEPT = re.compile(r"^(\s*)except ([\w.() ,]+?), ?(\w+):")
_HEADER = re.compile(
    r"^\s*(?:(?:async )?(?:def|for|while|with|class)|if|elif|else|try|except"
    r"|finally)\b.*:\s*(?:#.*)?$"
)
_OUTPUT = re.compile(r"^\s*#?\s*(?:output|prints|result)\s*:", re.IGNORECASE)


def code_faults(answer: str) -> list[str]:
    """The faults of the fenced code blocks, one sentence each."""
    faults = []
    for number, block in enumerate(code_blocks(answer), start=1):
        words = re.split(r"[\s,{:]+", block.info.strip().lower())
        declared = words[0].strip(".}") if words else ""
        if not block.closed:
            faults.append(f"Code block {number} is not closed.")
            continue
        code = block.text
        if not code.strip() or len(code) > LONGEST:
            continue
        language = _NAMES.get(declared, declared) if declared else _seen(code)
        check = _CHECKS.get(language)
        if check:
            fault = check(code, declared)
        else:
            fault = bracket_fault(code, language) if language in C_LIKE else None
        if fault:
            faults.append(
                f"Code block {number} is no valid {_TITLES.get(language, language)}: {fault}."
            )
    return faults


def _seen(code: str) -> str:
    """The language of a block that declares none; "" if it is not obvious."""
    text = code.strip()
    if re.match(r"<!doctype html|<html[\s>]", text, re.IGNORECASE):
        return "html"
    if text.startswith("<?xml"):
        return "xml"
    if re.match(r'\{\s*"[^"\n]*"\s*:', text) and text.endswith("}"):
        return "json"
    if text.startswith(">>> ") or len(_PYTHON.findall(code)) >= 2:
        return "python"
    return ""


def _python(code: str, declared: str) -> str | None:
    if code.lstrip().startswith(">>>") or re.search(r"^[ \t]*>>> ", code, re.MULTILINE):
        return _console(code)
    code = textwrap.dedent(code.expandtabs())
    fault = _syntax_fault(code)
    if fault is None or not (line := _line_of(code, fault)):
        return _say(fault)
    if _PLACEHOLDER.search(line) or _SHELL.match(line):
        code = _without_placeholders(code)
        fault = _syntax_fault(code)
    if fault is not None and declared not in ("python3", "py3"):
        fault = _syntax_fault(_from_python_2(code))
    if fault is not None:
        excerpt = _as_excerpt(_from_python_2(code) if declared not in ("python3", "py3") else code)
        fault = next((None for text in excerpt if _syntax_fault(text) is None), fault)
    line = _line_of(code, fault) if fault else ""
    if fault is not None and (re.search(r"\.{3}|…", line) or _output_follows(code, fault)):
        return None
    return _say(fault)


def _syntax_fault(code: str) -> SyntaxError | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape such as "\d" is only a warning
            ast.parse(code)
    except SyntaxError as error:
        return error
    except (ValueError, RecursionError, MemoryError):
        return None  # not a syntax error: null bytes, or nesting too deep for the parser
    return None


def _say(fault: SyntaxError | None) -> str | None:
    if fault is None:
        return None
    what = re.sub(r"\s*\(.*\)$", "", fault.msg.removeprefix("invalid syntax. ")).strip()
    return f"{what or 'invalid syntax'} in line {fault.lineno or 1}"


def _line_of(code: str, fault: SyntaxError) -> str:
    lines = code.split("\n")
    number = min(fault.lineno or 1, len(lines))
    return lines[number - 1]


def _console(code: str) -> str | None:
    """Checks a console session: every input must parse. The output is not checked."""
    text = re.sub(
        r"^([ \t]*)(>>>|\.\.\.)(?=\S)", r"\1\2 ", textwrap.dedent(code), flags=re.MULTILINE
    )
    try:
        examples = doctest.DocTestParser().get_examples(text)
    except ValueError:
        return None  # the output has inconsistent indentation
    faults = [_syntax_fault(example.source) for example in examples if "..." not in example.source]
    sources = [example for example in examples if not _SHELL.match(example.source)]
    return next((_say(f) for f in faults if f is not None), None) if sources else None


def _without_placeholders(code: str) -> str:
    lines = []
    for line in code.split("\n"):
        indent = line[: len(line) - len(line.lstrip())]
        if line.strip() in ("...", "…") or _SHELL.match(line):
            line = indent + "pass"
        lines.append(
            re.sub(r"<[A-Za-z][\w .-]*>|\[your [\w ]+\]|…", "None", line, flags=re.IGNORECASE)
        )
    return "\n".join(lines)


def _from_python_2(code: str) -> str:
    lines = [_OLD_EXCEPT.sub(r"\1except (\2) as \3:", line) for line in code.split("\n")]
    return "\n".join(
        _PRINT.sub(lambda m: f"{m[1]}print({m[2].strip().lstrip('>').rstrip(',')})", line)
        for line in lines
    )


def _as_excerpt(code: str) -> list[str]:
    """Possible complete programs of which the code may be an excerpt."""
    lines = code.split("\n")
    bodies = []
    for i, line in enumerate(lines):
        bodies.append(line)
        if not _HEADER.match(line):
            continue
        following = next(
            (s for s in lines[i + 1 :] if s.strip() and not s.strip().startswith("#")), ""
        )
        depth = len(line) - len(line.lstrip())
        if len(following) - len(following.lstrip()) <= depth:
            bodies.append(" " * (depth + 4) + "pass")
    whole = "\n".join(bodies)
    if len(code) > 20_000:
        return [whole]
    depths = {len(line) - len(line.lstrip()) for line in lines[1:] if line.strip()}
    wrapped = [
        "if True:\n" + textwrap.indent(whole, "    "),
        "if True:\n    pass\n" + whole,  # begins with else or elif
        "try:\n    pass\n" + whole,
        whole + "\ndef f():\n    pass",  # a decorator alone
        "if True:\n" + " " * (len(lines[0]) - len(lines[0].lstrip()) or 4) + "pass\n" + whole,
    ]
    # The first line was copied without its indentation.
    shifted = ["if True:\n" + " " * depth + whole for depth in sorted(depths)[:2] if depth]
    return [whole, *wrapped, *shifted]


def _output_follows(code: str, fault: SyntaxError) -> bool:
    """Whether the syntax error is below a line "Output:"."""
    lines = code.split("\n")[: fault.lineno or 1]
    return any(_OUTPUT.match(line) for line in lines)


def _json(code: str, declared: str) -> str | None:
    text = code.strip()
    try:
        json.loads(text, strict=False)
        return None
    except RecursionError:
        return None
    except ValueError as error:
        what = str(error)
    loose = re.sub(
        r'("(?:[^"\\\n]|\\.)*")|//[^\n]*|/\*.*?(?:\*/|\Z)|^[ \t]*#[^\n]*',
        lambda m: m[1] or "",
        text,
        flags=re.DOTALL | re.MULTILINE,
    )
    loose = re.sub(r'("(?:[^"\\\n]|\\.)*")|<[A-Za-z][\w .-]*>', lambda m: m[1] or "null", loose)
    loose = re.sub(
        r'("(?:[^"\\\n]|\\.)*")|,?[ \t]*\n?[ \t]*(?:\.{3}|…),?',
        lambda m: (
            m[1] or ("," if m[0].rstrip().endswith(",") and m[0].lstrip().startswith(",") else "")
        ),
        loose,
    )
    lines = [line for line in loose.splitlines() if line.strip()]
    attempts = [
        [loose],
        [re.sub(r",(\s*[}\]])", r"\1", loose)] if loose != text else [],
        ["{" + loose.rstrip(",") + "}"],
        lines,
    ]
    if any(attempt and all(_is_json(part) for part in attempt) for attempt in attempts):
        return None
    if declared in ("jsonc", "json5") or _several_values(loose):
        return None
    return what[0].lower() + what[1:].partition(" (char")[0]


def _is_json(text: str) -> bool:
    try:
        json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return False
    return True


def _several_values(text: str) -> bool:
    decoder, rest, count = json.JSONDecoder(strict=False), text.strip(), 0
    while rest and count < 100:
        try:
            _, end = decoder.raw_decode(rest)
        except (ValueError, RecursionError):
            return False
        rest, count = rest[end:].lstrip(" \n\t,;"), count + 1
    return not rest


def _xml(code: str, declared: str) -> str | None:
    text = re.sub(r"^\s*<\?xml.*?\?>|<!DOCTYPE[^>\[]*>", "", code.strip(), flags=re.DOTALL)
    if "<!ENTITY" in text or re.search(r"\{[{%]|<!\[", text):
        return None
    text = re.sub(r"&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[\da-fA-F]+);)", "&amp;", text)
    text = re.sub(r"(</?\s*|\s)([\w.-]+):([\w.-]+)(?=[\s=/>])", r"\1\2_\3", text)
    for attempt in (text, f"<root>{text}</root>"):
        try:
            ElementTree.fromstring(attempt)
            return None
        except (ElementTree.ParseError, ValueError) as error:
            what = str(error)
    return what.partition(":")[0]


_CLOSED = frozenset(
    "div span table ul ol a b i em strong script style form button select "
    "textarea section article header footer"
    " nav main h1 h2 h3 h4 h5 h6 title head body html label pre code svg canvas video audio".split()
)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fault: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _CLOSED:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _CLOSED or self.fault:
            return
        if tag not in self.open[-50:]:
            self.fault = f"</{tag}> closes nothing"
            return
        while self.open.pop() != tag:
            self.fault = self.fault or f"</{tag}> stands where another tag is open"


def _html(code: str, declared: str) -> str | None:
    if re.search(r"\{[{%]|<\?|\.{3}", code):
        return None  # a template, or text is omitted
    if len(code) > 20_000 or code.count("<") > code.count(">") + 20:
        return None  # the library takes quadratic time for unclosed tags
    tags = _Tags()
    try:
        tags.feed(code)
        tags.close()
    except AssertionError:
        return None  # the library raises this for some broken declarations
    return tags.fault or (f"<{tags.open[-1]}> is not closed" if tags.open else None)


_NAMES = {
    "py": "python", "python3": "python", "py3": "python", "python2": "python", "pycon": "python",
    "jsonc": "json", "json5": "json", "htm": "html", "svg": "xml",
    "c++": "cpp", "cc": "cpp", "h": "c", "hpp": "cpp", "cs": "csharp", "c#": "csharp",
    "js": "javascript", "node": "javascript", "jsx": "javascript", "ts": "typescript",
    "tsx": "typescript", "golang": "go", "rs": "rust", "kt": "kotlin",
}  # fmt: skip
_TITLES = {
    "python": "Python", "json": "JSON", "xml": "XML", "html": "HTML", "cpp": "C++", "c": "C",
    "csharp": "C#", "java": "Java", "javascript": "JavaScript", "typescript": "TypeScript",
    "go": "Go", "rust": "Rust", "kotlin": "Kotlin", "swift": "Swift", "scala": "Scala",
    "dart": "Dart",
}  # fmt: skip
_CHECKS: dict[str, Callable[[str, str], str | None]] = {
    "python": _python,
    "json": _json,
    "xml": _xml,
    "html": _html,
}
