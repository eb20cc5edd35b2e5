"""Converts values to text, and text that holds JSON or Python literals to values."""

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
"""The most characters of Python source that are parsed: it takes some 200 bytes for each."""

_NO_COMMA = re.compile(r"([}\]])\s*\n\s*(?=[{\[])")
"""The gap between objects in an array as NumPy prints it. Strings in it have no line ends: NumPy
writes them as \\n."""

_BESIDE = re.compile(r"""['"]\s+[rb]?['"]""")


def scalar(value: object, where: str) -> str | None:
    """The text of a string, date, time, decimal, UUID, or UTF-8 bytes; None for any other value.
    Raises UnusableError for bytes that are not UTF-8."""
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
    """The text of a message. Raises UnusableError for a value that is no text."""
    if type(value) is str:
        return value
    found = scalar(value, where)
    if found is None:
        raise UnusableError("not_text", f"{where} is a {kind(value)}")
    return found


def as_text(value: object, where: str) -> str:
    """Any value as text: texts as they are, lists and objects as JSON."""
    found = scalar(value, where)
    return dumped(value) if found is None else found


def decoded(value: object) -> Any:
    """The list or object that a text holds as JSON or as a Python literal; else the value
    itself."""
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
    """The list or object of a Python literal as pandas and NumPy write it: with `nan`, dates and
    arrays, and without commas between the items of an array. None where it is none."""
    if len(source) > _LONGEST_LITERAL:
        return None
    source = _with_commas(_NO_COMMA.sub(r"\1, ", source.strip()))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            tree = ast.parse(source, mode="eval")
        found = ast.literal_eval(_ToLiteral().visit(tree))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return found if isinstance(found, list | tuple | dict) else None


def _with_commas(source: str) -> str:
    """The source with commas between adjacent strings. NumPy prints them without commas, and Python
    would join them."""
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


class _ToLiteral(ast.NodeTransformer):
    """Replaces names and calls that mean a value by that value."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        values = {"nan": None, "NaN": None, "NaT": None, "null": None, "true": True, "false": False}
        return ast.Constant(values[node.id]) if node.id in values else node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """`array([...], dtype=object)` becomes the list, `Timestamp('...')` the text, and
        `datetime.date(2024, 5, 1)` the text of the date."""
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
    """The value as JSON text, without null members."""
    return json.dumps(plain(value), ensure_ascii=False)


_NOTHING = object()


def plain(value: object) -> Any:
    """The value in JSON's types. Null members of objects are removed, and so are members whose
    objects have null members only. Dates become text, decimals numbers, NaN and infinity null."""
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
        text_ = scalar(value, "it")
    except UnusableError:  # bytes
        text_ = bytes(value).hex()  # type: ignore[call-overload]
    return str(value) if text_ is None else text_
