"""Values to text: what is text in itself, what is text inside text, and what is none."""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
import warnings
from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sysgen_local.sources.keys import kind
from sysgen_local.sources.reasons import UnusableError

_LONGEST_LITERAL = 1_000_000
"""Characters of Python source that are read as a value: reading takes some 200 bytes for each."""

_NO_COMMA = re.compile(r"([}\]])\s*\n\s*(?=[{\[])")
"""Between the members of an array as NumPy prints it. Texts in it have no line ends of their own:
they are written \\n there."""

_BESIDE = re.compile(r"""['"]\s+[rb]?['"]""")


def scalar(value: object, where: str) -> str | None:
    """What is text in itself: text, dates, times, decimals, bytes that are UTF-8. None where it
    is none of these."""
    if isinstance(value, str):
        return value
    if isinstance(value, date | time):  # datetimes are dates
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, timedelta | UUID):
        return str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        try:
            return bytes(value).decode()
        except UnicodeDecodeError as error:
            raise UnusableError("not_text", f"{where} holds bytes that are no UTF-8") from error
    return None


def text(value: object, where: str) -> str:
    """Text that somebody says. UnusableError for what is none."""
    if type(value) is str:
        return value
    said = scalar(value, where)
    if said is None:
        raise UnusableError("not_text", f"{where} is a {kind(value)}")
    return said


def shown(value: object, where: str) -> str:
    """Any value as it is shown to a reader: texts as they are, lists and objects as JSON."""
    said = scalar(value, where)
    return dumped(value) if said is None else said


def decoded(value: object) -> Any:
    """The list or object that a text holds, as JSON or as Python writes it; else the value as it
    came."""
    if not isinstance(value, str):
        return value
    head = value.lstrip("\ufeff \t\r\n")
    if head[:1] not in ("[", "{"):
        return _array(head) if head.startswith("array(") else value
    try:
        return json.loads(head)
    except (ValueError, RecursionError):
        found = literal(head)
        return value if found is None else found


def _array(source: str) -> Any:
    found = literal(source)
    return source if found is None else found


def literal(source: str) -> Any:
    """The list or object that Python source holds, as pandas and NumPy write it: with `nan`,
    dates and arrays, and without commas between the members of an array. None where it is none."""
    if len(source) > _LONGEST_LITERAL:
        return None
    source = _parted(_NO_COMMA.sub(r"\1, ", source.strip()))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            tree = ast.parse(source, mode="eval")
        found = ast.literal_eval(_Plain().visit(tree))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return found if isinstance(found, list | tuple | dict) else None


def _parted(source: str) -> str:
    """The source with commas between texts that stand beside each other, as NumPy prints them:
    Python would join them."""
    if not _BESIDE.search(source):
        return source
    marks, before = [0], None
    lines = [0]
    for line in source.splitlines(keepends=True):
        lines.append(lines[-1] + len(line))
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.STRING:
                if before == tokenize.STRING:
                    marks.append(lines[token.start[0] - 1] + token.start[1])
                before = tokenize.STRING
            elif token.type != tokenize.NL:
                before = token.type
    except (tokenize.TokenError, SyntaxError):
        return source
    return ", ".join(source[a:b] for a, b in zip(marks, [*marks[1:], len(source)], strict=True))


class _Plain(ast.NodeTransformer):
    """Names and calls that stand for a value become that value."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        values = {"nan": None, "NaN": None, "NaT": None, "null": None, "true": True, "false": False}
        return ast.Constant(values[node.id]) if node.id in values else node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """`array([...], dtype=object)` is its list, `Timestamp('...')` its text, and
        `datetime.date(2024, 5, 1)` the numbers with dashes."""
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        name = node.func.id if isinstance(node.func, ast.Name) else name
        if name in ("array", "Timestamp", "Decimal", "UUID") and node.args:
            return self.visit(node.args[0])  # type: ignore[no-any-return]
        if name in ("date", "datetime", "time"):
            numbers = [ast.literal_eval(part) for part in node.args]
            days, hours = (numbers[:3], numbers[3:]) if name != "time" else ([], numbers)
            parts = ("-".join(f"{n:02}" for n in days), ":".join(f"{n:02}" for n in hours[:3]))
            return ast.Constant("T".join(filter(None, parts)))
        return node


def dumped(value: object) -> str:
    """A value as JSON text, without what is not there."""
    return json.dumps(plain(value), ensure_ascii=False)


_NOTHING = object()


def plain(value: object) -> Any:
    """The value as JSON knows it. Members that are null are left out of objects, and so are
    objects all of whose members are; dates are text, decimals numbers, NaN and infinity null."""
    found = _plain(value)
    return None if found is _NOTHING else found


def _plain(value: object) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float | Decimal):
        number = float(value) if isinstance(value, float) or value.is_finite() else None
        if number is None or number != number or abs(number) == float("inf"):
            return None
        whole = isinstance(value, Decimal) and value == value.to_integral_value()
        return int(value) if whole else number
    if isinstance(value, Mapping):
        members = {str(key): _plain(of) for key, of in value.items()}
        there = {k: of for k, of in members.items() if of is not None and of is not _NOTHING}
        return there if there or not members else _NOTHING
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(of) for of in value]
    try:
        said = scalar(value, "it")
    except UnusableError:  # bytes
        said = bytes(value).hex()  # type: ignore[call-overload]
    return str(value) if said is None else said
