"""One prompt file, checked when it is loaded.

A file holds messages under the headings `# system`, `# user` and `# assistant`. The pairs of user
and assistant messages before the last user message are demonstrations. The heading `# group`
divides them into groups, and each request gets one group. A group under `# group other languages`
is only for rows that are not in English.

The text is a Jinja template. It is rendered in a sandbox with marks in place of the values, so that
the text of a row is never interpreted as a template and stays untrusted in the messages.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sysgen_local.core.errors import UsageError
from sysgen_local.core.resources import resource
from sysgen_local.engine.llama.placeholders import Placeholders
from sysgen_local.engine.request import Message, Segment
from sysgen_local.prompts.demonstrations import phrase_texts

if TYPE_CHECKING:
    from jinja2 import Template

VARIABLES: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "generate": (frozenset({"turns"}), frozenset({"language"})),
    "verify": (frozenset({"phrase"}), frozenset({"tag", "instruction", "turns"})),
    "respond": (frozenset({"system"}), frozenset()),
}
"""Phase -> the variables that its file must use, and those that it may use.

turns: a list of {instruction, answer}. instruction: the first user turn. phrase, tag: the phrase to
judge. system: the finished system message. language: the English name of the row's language; none
if it is English or not known."""

OPTIONAL: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "rewrite": (frozenset({"system", "instruction", "answer"}), frozenset()),
    "agree": (frozenset({"instruction", "answer", "new"}), frozenset()),
    "follow": (frozenset({"answer", "phrase"}), frozenset({"instruction", "system"})),
}
"""The same for the files that a set need not have. `rewrite` is `respond` with the original answer
in the prompt; `agree` and `follow` are the questions of the checks about a new answer.

answer: the original answer; for `follow` the new one. new: the new answer. instruction: the user's
text in that turn."""

JUDGING: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "prefer": (frozenset({"instruction", "first", "second"}), frozenset({"system"})),
    "align": (frozenset({"system", "instruction", "answer"}), frozenset()),
    "sysbench": (frozenset({"user", "answer", "criteria"}), frozenset({"system", "history"})),
    "multifacet": (frozenset({"instruction", "answer", "criteria", "levels"}),
                   frozenset({"reference"})),
    "advancedif": (frozenset({"user", "answer", "rubric"}), frozenset({"system", "history"})),
}  # fmt: skip
"""The same for the files of judges. `prefer` and `align` belong to a set; the files for benchmarks
are beside the sets.

first, second: two answers to compare. user, answer: the turn to judge. history: a list of {user,
answer} before it. criteria: a list of {type, text}; for multifacet the rubric's question. levels: a
list of {score, text}. rubric: a question about the answer."""

_ALL = VARIABLES | OPTIONAL | JUDGING
_OTHER_LANGUAGES = "group other languages"
_HEADING = re.compile(rf"^# (system|user|assistant|{_OTHER_LANGUAGES}|group)[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _MessageTemplate:
    """One message of the file. `fixed` is the finished message if its text has no variables.

    `rendered` caches the template's output by the shape of the values (see `_shape`): pieces of
    the template's own text, and the indices of the strings between them.
    """

    role: str
    template: Template
    fixed: Message | None = None
    rendered: dict[Hashable, tuple[Segment | int, ...]] = field(default_factory=dict)


class PromptFile:
    """The prompt of one phase. Raises UsageError with file and line if it cannot be used."""

    def __init__(self, phase: str, path: Path) -> None:
        self._phase = phase
        self._path = path
        try:
            self._text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise UsageError(
                f"the prompt set lacks {path}",
                hint=f"a set has {', '.join(f'{name}.md' for name in VARIABLES)}",
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"the prompt file {path} cannot be read: {error}") from error
        self.used: frozenset[str] = frozenset()
        self._foreign: list[int] = []
        self._groups = self._parse()
        self.fingerprint = hashlib.sha256(self._text.encode()).hexdigest()

    def groups(self, *, foreign: bool = False) -> list[int]:
        """The numbers of the groups for rows in English, or in another language (`foreign`); [0] if
        the demonstrations are not divided."""
        usual = [i for i in range(len(self._groups)) if i not in self._foreign]
        return (self._foreign if foreign else usual) or list(range(len(self._groups)))

    def messages(self, values: Mapping[str, Any], group: int = 0) -> tuple[Message, ...]:
        """The messages for these values, with this group of demonstrations. A variable that the
        file may use and that is not given is none."""
        values = dict.fromkeys(_ALL[self._phase][1]) | dict(values)
        return tuple([part.fixed or self._message(part, values) for part in self._groups[group]])

    def demonstrations(self) -> tuple[str, ...]:
        """The texts of all phrases in its fixed assistant messages."""
        return tuple(
            text
            for parts in self._groups
            for part in parts
            if part.role == "assistant" and part.fixed
            for text in phrase_texts(part.fixed.text)
        )

    @staticmethod
    def _message(part: _MessageTemplate, values: Mapping[str, Any]) -> Message:
        texts: list[str] = []
        shape = _shape(values, texts)
        if (pieces := part.rendered.get(shape)) is None:
            # The template gets marks in place of the strings, so its output is the same for all
            # values of this shape.
            placeholders = Placeholders()
            text = part.template.render(_marked(values, placeholders)).strip()
            pieces = tuple(
                Segment(piece) if isinstance(piece, str) else piece
                for piece in placeholders.split(text)
            )
            part.rendered[shape] = pieces
        content = [
            Segment(texts[piece], trusted=False) if isinstance(piece, int) else piece
            for piece in pieces
        ]
        return Message(part.role, tuple(content))

    def _parse(self) -> list[list[_MessageTemplate]]:
        head, *rest = _HEADING.split(self._text)
        if head.strip():
            raise self._wrong(1, "there is text before the first heading")
        roles = rest[::2]
        if self._phase != "respond" and (not roles or roles[-1] != "user"):
            last = self._text.count("\n", 0, self._text.rfind(f"# {roles[-1]}")) + 1 if roles else 1
            raise self._wrong(last, "the last message must be `# user`")
        parts: list[_MessageTemplate] = []
        starts: list[int] = []
        used: set[str] = set()
        for match, role, text in zip(_HEADING.finditer(self._text), roles, rest[1::2], strict=True):
            line = self._text.count("\n", 0, match.end()) + 1
            if role in ("group", _OTHER_LANGUAGES):
                if text.strip() or starts[-1:] == [len(parts)]:
                    raise self._wrong(line, "`# group` needs messages under headings of their own")
                if role == _OTHER_LANGUAGES:
                    self._foreign.append(len(starts))
                starts.append(len(parts))
                continue
            here = self._check(text, line)
            used |= here
            template = self._environment.from_string(text.strip())
            part = _MessageTemplate(role, template)
            parts.append(part if here else replace(part, fixed=self._message(part, {})))
        if missing := _ALL[self._phase][0] - used:
            names = " and ".join(f"{{{{ {name} }}}}" for name in sorted(missing))
            raise self._wrong(len(self._text.splitlines()) or 1, f"it never uses {names}")
        self.used = frozenset(used)
        if not starts:
            return [parts]
        if starts[-1] >= len(parts) - 1:
            raise self._wrong(len(self._text.splitlines()), "the last `# group` is empty")
        # The messages before the first group and the last message belong to every group.
        ends = [*starts[1:], len(parts) - 1]
        return [
            [*parts[: starts[0]], *parts[start:end], parts[-1]]
            for start, end in zip(starts, ends, strict=True)
        ]

    def _check(self, text: str, line: int) -> set[str]:
        """The variables that a message uses. Raises UsageError for an unknown one."""
        from jinja2 import TemplateSyntaxError, meta

        try:
            used = meta.find_undeclared_variables(self._environment.parse(text))
        except TemplateSyntaxError as error:
            raise self._wrong(line + error.lineno - 1, error.message or "syntax error") from error
        needed, allowed = _ALL[self._phase]
        if unknown := sorted(used - needed - allowed):
            pattern = re.compile(rf"\{{[{{%][^}}]*\b{re.escape(unknown[0])}\b")
            found = pattern.search(text)
            at = line + text.count("\n", 0, found.start() if found else 0)
            known = ", ".join(sorted(needed | allowed))
            raise self._wrong(at, f"unknown variable {unknown[0]}; there is {known}")
        return used

    @cached_property
    def _environment(self) -> Any:
        from jinja2 import StrictUndefined
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        return ImmutableSandboxedEnvironment(
            undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
        )

    def _wrong(self, line: int, what: str) -> UsageError:
        return UsageError(f"{self._path}, line {line}: {what}")


def judge_prompt(benchmark: str, path: Path | None = None) -> PromptFile:
    """The prompt of a benchmark's judge: the shipped file, or the user's own (`path`)."""
    return PromptFile(benchmark, path or resource("prompts") / f"{benchmark}.md")


def _shape(value: Any, texts: list[str]) -> Hashable:
    """The structure of a value without its strings. The strings are added to `texts` in order."""
    if isinstance(value, str):
        texts.append(value)
        return str
    if isinstance(value, Mapping):
        return tuple([(key, _shape(item, texts)) for key, item in value.items()])
    if isinstance(value, list | tuple):
        return (list, *[_shape(item, texts) for item in value])
    return type(value), value


def _marked(value: Any, placeholders: Placeholders) -> Any:
    """The value with a mark in place of each string."""
    if isinstance(value, str):
        return placeholders.new()
    if isinstance(value, Mapping):
        return {key: _marked(item, placeholders) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_marked(item, placeholders) for item in value]
    return value
