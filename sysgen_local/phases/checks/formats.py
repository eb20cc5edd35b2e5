"""Rules for data formats: tables, JSON, CSV, YAML, XML, HTML, Markdown, code."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable
from xml.etree import ElementTree

from sysgen_local.phases.checks import text as measure
from sysgen_local.phases.checks.rules import Rule, matches

_CODE_LINE = re.compile(
    r"^[ \t]*(?:def |class |import |from \w+ import|for \w+ in |return\b"
    "|#include|(?:public|private|static) |(?:int|void|let"
    r"|const|var|function|func|fn) \w|(?:SELECT|INSERT|CREATE|UPDATE) |<\?php"
    r"|<html|print\(|console\.|System\.)"
    r"|[;{}]\s*$|^[ \t]*\w[\w.]* = \S",
    re.MULTILINE,
)


def table(answer: str, question: str) -> bool:
    rows = [block for block in measure.blocks(answer) if block.kind == "table"]
    return len(rows) >= 2 or bool(
        re.search(r"<table|CREATE TABLE|\\begin\{tabular", answer, re.IGNORECASE)
    )


def is_json(keys: Iterable[str] = (), only: bool = False) -> Rule:
    """The answer is JSON, in a code fence or not; or it contains JSON, if other text is allowed.

    The JSON must contain the keys.
    """
    keys = tuple(keys)

    def rule(answer: str, question: str) -> bool:
        blocks = measure.code_blocks(answer)
        found = [answer.strip(), *(block.text for block in blocks)]
        if only:
            rest = [b for b in measure.blocks(answer) if b.kind not in ("code", "rule")]
            found = found[:1] if not blocks or rest else found[1:]
        else:
            starts = [i for i in (answer.find("{"), answer.find("[")) if i >= 0]
            found += [answer[i : max(answer.rfind("}"), answer.rfind("]")) + 1] for i in starts]
        for candidate in found:
            try:
                value = json.loads(candidate, strict=False)
            except (ValueError, RecursionError):
                continue
            if isinstance(value, (dict, list)) and all(f'"{key}"' in candidate for key in keys):
                return True
        return False

    return rule


def _bodies(answer: str, info: str) -> list[str]:
    """The code blocks; the whole answer if there are none."""
    blocks = [b for b in measure.code_blocks(answer) if info in b.info.lower() or not b.info]
    return [block.text for block in blocks] or [answer]


def is_csv(answer: str, question: str) -> bool:
    for body in _bodies(answer, "csv"):
        rows = [line for line in body.strip().splitlines() if "," in line or ";" in line]
        try:
            widths = [len(row) for row in csv.reader(rows)]
        except csv.Error:
            continue
        if len(widths) >= 2 and widths.count(widths[0]) >= len(widths) * 0.8:
            return True
    return False


def is_yaml(answer: str, question: str) -> bool:
    return any(len(re.findall(r"^[ \t]*(?:- )?[\w\"' -]+:(?:\s|$)", body, re.MULTILINE)) >= 1
               for body in _bodies(answer, "y"))  # fmt: skip


def is_xml(answer: str, question: str) -> bool:
    for body in _bodies(answer, "xml"):
        start, end = body.find("<"), body.rfind(">") + 1
        try:
            if 0 <= start < end and "<!ENTITY" not in body:
                ElementTree.fromstring(body[start:end])
                return True
        except (ElementTree.ParseError, ValueError):
            continue
    return False


is_html = matches(r"</?[a-zA-Z][a-zA-Z0-9]*(?:\s[^<>]*)?>")
is_markdown = matches(
    r"^#{1,6} |\*\*[^*]+\*\*|^[ \t]*(?:[-*+]|\d+\.) |^```|^\||`[^`]+`"
    r"|(?<!\w)\*[^*\s][^*]*\*|^> |\[[^\]\n]{1,200}\]\("
)


def code(answer: str, question: str) -> bool:
    """The answer contains code, in a code fence or not."""
    return (
        bool(measure.code_blocks(answer)) or len(_CODE_LINE.findall(answer)) >= 2 or "`" in answer
    )


def fenced(language: str = "") -> Rule:
    """The answer contains a fenced code block in this language, or one that declares no
    language."""
    names = {"c++": "cpp", "c#": "csharp", "js": "javascript", "golang": "go", "shell": "bash"}
    wanted = names.get(language.lower(), language.lower())

    def rule(answer: str, question: str) -> bool:
        infos = [re.split(r"[\s,{]", b.info.lower())[0] for b in measure.code_blocks(answer)]
        declared = [names.get(info, info) for info in infos]
        return bool(declared) and (
            not wanted or any(not s or s.startswith(wanted[:2]) or wanted in s for s in declared)
        )

    return rule


def fenced_if_any(answer: str, question: str) -> bool:
    return bool(measure.code_blocks(answer)) or len(_CODE_LINE.findall(answer)) < 3
