"""Prompt sets: one readable file a phase, checked when it is loaded.

A file holds messages under the headings `# system`, `# user` and `# assistant`; pairs of user and
assistant before the last user message are demonstrations. The heading `# group` divides them into
groups, of which a prompt has one: other rows see other demonstrations. A group under `# group other
languages` is for rows that are not in English, and for no others.

The text is a Jinja template, run in a sandbox over marked values, so that row text stays known as
row text and is never a template.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sysgen_local.core.errors import UsageError
from sysgen_local.core.records import Tag
from sysgen_local.core.resources import resource
from sysgen_local.engine.llama.placeholders import Placeholders
from sysgen_local.engine.request import Message, Segment

if TYPE_CHECKING:
    from jinja2 import Template

VARIABLES: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "generate": (frozenset({"turns"}), frozenset({"language"})),
    "verify": (frozenset({"phrase"}), frozenset({"tag", "instruction", "turns"})),
    "respond": (frozenset({"system"}), frozenset()),
}
"""Phase -> the variables its file must use, and those it may use.

turns: a list of {instruction, answer}; instruction: the first user turn; phrase and tag: what is
judged; system: the finished system message; language: the English name of the row's language,
none where it is English or not known."""

OPTIONAL: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "rewrite": (frozenset({"system", "instruction", "answer"}), frozenset()),
    "agree": (frozenset({"instruction", "answer", "new"}), frozenset()),
    "follow": (frozenset({"answer", "phrase"}), frozenset({"instruction", "system"})),
}
"""The same of files that a set may lack: rewrite is `respond` with the original answer in view;
agree and follow are what the checks ask of a new answer.

answer: the original answer, for `follow` the new one; new: the new answer; instruction: what the
user said in that turn."""

JUDGING: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "prefer": (frozenset({"instruction", "first", "second"}), frozenset({"system"})),
    "align": (frozenset({"system", "instruction", "answer"}), frozenset()),
    "sysbench": (frozenset({"user", "answer", "criteria"}), frozenset({"system", "history"})),
    "multifacet": (frozenset({"instruction", "answer", "criteria", "levels"}),
                   frozenset({"reference"})),
}  # fmt: skip
"""The same of the files for judges. `prefer` and `align` belong to a set, those of benchmarks
stand by themselves beside the sets.

first, second: two answers to compare. user, answer: the turn that is judged; history: a list of
{user, answer} before it; criteria: a list of {type, text}, for multifacet the rubric's question;
levels: a list of {score, text}."""

_ALL = VARIABLES | OPTIONAL | JUDGING
_FOREIGN = "group other languages"
_HEADING = re.compile(rf"^# (system|user|assistant|{_FOREIGN}|group)[ \t]*$", re.MULTILINE)
_TAG = re.compile(r"<<[^<>\n]{1,40}>>:?")


@dataclass(frozen=True, slots=True)
class _Part:
    """One message; `fixed` where no row changes it. `made` is what came of the template before:
    its text and the indices of the values' strings in it, by their shape."""

    role: str
    template: Template
    fixed: Message | None = None
    made: dict[Hashable, tuple[Segment | int, ...]] = field(default_factory=dict)


class PromptFile:
    """One phase's prompt. Raises UsageError that names file and line where it cannot be used."""

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
        """The groups of demonstrations for rows in English, or in another language (`foreign`);
        [0] where the demonstrations are not divided."""
        usual = [i for i in range(len(self._groups)) if i not in self._foreign]
        return (self._foreign if foreign else usual) or list(range(len(self._groups)))

    def messages(self, values: Mapping[str, Any], group: int = 0) -> tuple[Message, ...]:
        """The prompt for these values, with this group of demonstrations. What the file may use
        and is not given is none."""
        values = dict.fromkeys(_ALL[self._phase][1]) | dict(values)
        return tuple([part.fixed or self._message(part, values) for part in self._groups[group]])

    def demonstrations(self) -> tuple[str, ...]:
        """The texts of the phrases that its fixed assistant messages show."""
        return tuple(
            text
            for parts in self._groups
            for part in parts
            if part.role == "assistant" and part.fixed
            for text in _phrase_texts(part.fixed.text)
        )

    @staticmethod
    def _message(part: _Part, values: Mapping[str, Any]) -> Message:
        texts: list[str] = []
        shape = _shape(values, texts)
        if (pieces := part.made.get(shape)) is None:
            # The template sees marks in place of the strings, so what it makes of them is the
            # same for all values of this shape.
            placeholders = Placeholders()
            rendered = part.template.render(_marked(values, placeholders)).strip()
            pieces = tuple(
                Segment(piece) if isinstance(piece, str) else piece
                for piece in placeholders.split(rendered)
            )
            part.made[shape] = pieces
        content = [
            Segment(texts[piece], trusted=False) if isinstance(piece, int) else piece
            for piece in pieces
        ]
        return Message(part.role, tuple(content))

    def _parse(self) -> list[list[_Part]]:
        head, *rest = _HEADING.split(self._text)
        if head.strip():
            raise self._wrong(1, "there is text before the first heading")
        roles = rest[::2]
        if self._phase != "respond" and (not roles or roles[-1] != "user"):
            last = self._text.count("\n", 0, self._text.rfind(f"# {roles[-1]}")) + 1 if roles else 1
            raise self._wrong(last, "the last message must be `# user`")
        parts: list[_Part] = []
        starts: list[int] = []
        used: set[str] = set()
        for match, role, text in zip(_HEADING.finditer(self._text), roles, rest[1::2], strict=True):
            line = self._text.count("\n", 0, match.end()) + 1
            if role in ("group", _FOREIGN):
                if text.strip() or starts[-1:] == [len(parts)]:
                    raise self._wrong(line, "`# group` needs messages under headings of their own")
                if role == _FOREIGN:
                    self._foreign.append(len(starts))
                starts.append(len(parts))
                continue
            here = self._check(text, line)
            used |= here
            template = self._environment.from_string(text.strip())
            part = _Part(role, template)
            parts.append(part if here else replace(part, fixed=self._message(part, {})))
        if missing := _ALL[self._phase][0] - used:
            names = " and ".join(f"{{{{ {name} }}}}" for name in sorted(missing))
            raise self._wrong(len(self._text.splitlines()) or 1, f"it never uses {names}")
        self.used = frozenset(used)
        if not starts:
            return [parts]
        if starts[-1] >= len(parts) - 1:
            raise self._wrong(len(self._text.splitlines()), "the last `# group` is empty")
        # What comes before the first group and the last message belong to all of them.
        ends = [*starts[1:], len(parts) - 1]
        return [
            [*parts[: starts[0]], *parts[start:end], parts[-1]]
            for start, end in zip(starts, ends, strict=True)
        ]

    def _check(self, text: str, line: int) -> set[str]:
        """The variables a message uses, none of them unknown."""
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


def judging(benchmark: str, path: Path | None = None) -> PromptFile:
    """The prompt of a benchmark's judge: the shipped one, or the user's."""
    return PromptFile(benchmark, path or resource("prompts") / f"{benchmark}.md")


class Nothing(BaseModel):
    """What a judge is asked to learn what it says to nothing at all: requests without content,
    and by tag phrases that would suit any request."""

    model_config = ConfigDict(extra="forbid")

    requests: Annotated[list[str], Field(min_length=1)]
    phrases: dict[Tag, Annotated[list[str], Field(min_length=1)]]


class PromptSet:
    """The prompts of all phases that ask a model. `name` is what `load` takes."""

    def __init__(self, name: str, folder: Path, files: Mapping[str, PromptFile]) -> None:
        self.name = name
        self._folder = folder
        self._files = files

    @classmethod
    def load(cls, name: str) -> PromptSet:
        """A shipped set by its name, or a folder with a file a phase."""
        shipped = resource("prompts")
        own = Path(name).expanduser()
        folder = own if own.is_dir() else shipped / name
        if not folder.is_dir():
            sets = ", ".join(sorted(p.name for p in shipped.iterdir() if p.is_dir()))
            raise UsageError(
                f"there is no prompt set {name}", hint=f"name one of {sets}, or a folder"
            )
        there = [name for name in OPTIONAL if (folder / f"{name}.md").is_file()]
        files = {phase: PromptFile(phase, folder / f"{phase}.md") for phase in (*VARIABLES, *there)}
        return cls(name, folder, files)

    @property
    def shipped(self) -> bool:
        """Whether the set comes with sysgen."""
        return self._folder.parent == resource("prompts")

    def has(self, phase: str) -> bool:
        """Whether the set has this file: see `OPTIONAL`."""
        return phase in self._files

    def speaks(self, phase: str) -> bool:
        """Whether this phase's prompt says in which language to write."""
        return "language" in self._files[phase].used

    def groups(self, phase: str, *, foreign: bool = False) -> list[int]:
        """The groups of demonstrations that this phase has for such rows."""
        return self._files[phase].groups(foreign=foreign)

    def messages(self, phase: str, group: int = 0, **values: Any) -> tuple[Message, ...]:
        """The prompt for these values; strings in them, however deep, are row text."""
        return self._files[phase].messages(values, group)

    @property
    def nothing(self) -> Nothing | None:
        """Content-free verdict questions; None where the set has no `nothing.toml`: then the
        model's verdicts are taken as they are."""
        path = self._folder / "nothing.toml"
        if not path.is_file():
            return None
        try:
            return Nothing.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise UsageError(f"{path} cannot be read: {error}") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise UsageError(f"{path}: {where}: {first['msg']}") from error

    def judging(self, question: str) -> PromptFile:
        """How this set asks a judge to `prefer` or `align`; the shipped default's way where the
        set has no file for it."""
        own = self._folder / f"{question}.md"
        return PromptFile(
            question, own if own.is_file() else resource("prompts") / "default" / own.name
        )

    def demonstrations(self, phase: str) -> tuple[str, ...]:
        """The texts of all phrases that this phase's demonstrations show, in order."""
        return self._files[phase].demonstrations()

    def fingerprint(self, phase: str) -> str:
        """Changes whenever the file's text does; "" where the set has no such file."""
        return self._files[phase].fingerprint if self.has(phase) else ""


def _phrase_texts(message: str) -> list[str]:
    """The texts of phrases in a demonstration: a JSON list, or the paper's tagged form."""
    try:
        texts = [phrase["text"] for phrase in json.loads(message)]
        return [text for text in texts if isinstance(text, str)]
    except (ValueError, TypeError, KeyError):
        _, *texts = _TAG.split(message)
        return [text.strip() for text in texts if text.strip()]


def _shape(value: Any, texts: list[str]) -> Hashable:
    """All of a value but what its strings say; those are added to `texts`, in order."""
    if isinstance(value, str):
        texts.append(value)
        return str
    if isinstance(value, Mapping):
        return tuple([(key, _shape(item, texts)) for key, item in value.items()])
    if isinstance(value, list | tuple):
        return (list, *[_shape(item, texts) for item in value])
    return type(value), value


def _marked(value: Any, placeholders: Placeholders) -> Any:
    if isinstance(value, str):
        return placeholders.new()
    if isinstance(value, Mapping):
        return {key: _marked(item, placeholders) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_marked(item, placeholders) for item in value]
    return value
