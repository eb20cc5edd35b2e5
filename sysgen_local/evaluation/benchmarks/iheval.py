"""Reads the files of IHEval (arXiv 2502.08745): does a model obey the system message rather than
the user, where the two conflict?

The benchmark is a folder of .../DOMAIN/TASK/SETTING/PROMPT/input_data.json, each an array of {"id",
"system", "instruction", "answer"}, in multi-turn tasks with "conversation_history", a list of texts
that user and assistant said in turn. The setting is aligned, conflict or reference (everything in
the user's message). Items of the domain tool-use need tools, which are not offered here: they are
left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from sysgen_local.core.errors import UsageError
from sysgen_local.evaluation.benchmarks import files, ifeval
from sysgen_local.evaluation.benchmarks.files import LocatedValue
from sysgen_local.evaluation.benchmarks.iheval_rules import SCORES
from sysgen_local.evaluation.benchmarks.instructions import InstructionItem

Setting = Literal["reference", "aligned", "conflict"]
SETTINGS: tuple[Setting, ...] = get_args(Setting)
RULES = ("single-turn", "multi-turn")
"""The tasks whose answers must follow instructions of IFEval."""
TOOLS = ("get-webpage", "slack-user")
"""The tasks that need tools."""
TASKS = (*RULES, *SCORES)
NAME = "input_data.json"

HINT = (
    "give the folder benchmark/ of the repository, a folder in it, or one "
    f"TASK/SETTING/PROMPT/{NAME}"
)


@dataclass(frozen=True, slots=True)
class TaskItem:
    """An item of a task that is scored otherwise than by instructions. `group` is the task, the
    setting and the prompt. `fault` is why it cannot be scored, if it cannot."""

    id: str
    prompt: str
    expected: Any
    system: str = ""
    earlier: tuple[tuple[str, str], ...] = ()
    group: tuple[str, ...] = ()
    fault: str = ""

    @property
    def users(self) -> tuple[str, ...]:
        return (self.prompt,)

    @property
    def golds(self) -> tuple[str, ...]:
        return ("",)

    def judged(self, marks: tuple[tuple[str, ...], ...]) -> ScoredItem:
        """The item with these marks: its scores (strict, loose), and its answer."""
        scores, (answer,) = marks
        return ScoredItem(self.id, self.group, tuple(map(float, scores)), self.expected, answer)


@dataclass(frozen=True, slots=True)
class ScoredItem:
    """An item with its scores, from 0 to 1, and its answer, on which the reference setting of two
    tasks is scored again."""

    id: str
    group: tuple[str, ...]
    scores: tuple[float, ...]
    expected: Any
    answer: str


def read_items(path: Path, limit: int | None = None) -> list[InstructionItem | TaskItem]:
    """The items of all files of a folder, or of one file; the first `limit` of each file. Raises
    UsageError if there is none, or one has not the layout."""
    items: list[InstructionItem | TaskItem] = []
    for file in _files(path):
        group = _group(file)
        if group[0] in TOOLS:
            continue
        entries = files.entries(file)[:limit]
        read = [_item(entry, group) for entry in entries]
        files.unique([(of.id, at.where) for of, at in zip(read, entries, strict=True)], "item")
        items += read
    if not items:
        raise UsageError(f"{path} holds no item but those that need tools", hint=HINT)
    return items


def fingerprint(path: Path) -> str:
    """SHA-256 of the places and the texts of all files."""
    said = [f"{'/'.join(_group(file))} {files.fingerprint(file)}" for file in _files(path)]
    return hashlib.sha256("\n".join(said).encode()).hexdigest()


def notes(path: Path) -> list[str]:
    """What of the folder is not used, as sentences."""
    tools = {group[0] for file in _files(path) if (group := _group(file))[0] in TOOLS}
    if not tools:
        return []
    return [f"left out: {', '.join(sorted(tools))}, whose items need tools"]


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        if found := sorted(path.rglob(NAME)):
            return found
        raise UsageError(f"no {NAME} is in {path} or below it", hint=HINT)
    return [path]


def _group(file: Path) -> tuple[str, ...]:
    """(task, setting, prompt) of a file, which its folders say."""
    group = file.resolve().parts[-4:-1]
    if len(group) < 3 or group[0] not in (*TASKS, *TOOLS) or group[1] not in SETTINGS:
        raise UsageError(f"the folders of {file} do not say its task and its setting", hint=HINT)
    return group


def _item(entry: LocatedValue, group: tuple[str, ...]) -> InstructionItem | TaskItem:
    value = entry.value
    if not isinstance(value, Mapping) or not {"id", "instruction", "answer"} <= value.keys():
        raise UsageError(f"{entry.where}: an item has id, instruction and answer", hint=HINT)
    prompt, system = value["instruction"], value.get("system") or ""
    if not isinstance(prompt, str) or not prompt or not isinstance(system, str):
        raise UsageError(f"{entry.where}: instruction and system are texts", hint=HINT)
    said = value.get("conversation_history") or []
    if not isinstance(said, list) or len(said) % 2 or not all(isinstance(t, str) for t in said):
        raise UsageError(
            f"{entry.where}: conversation_history has not the texts of user and assistant in turn",
            hint=HINT,
        )
    earlier = tuple(zip(said[::2], said[1::2], strict=True))
    id_, answer = f"{'/'.join(group)}/{value['id']}", value["answer"]
    if group[0] not in RULES:
        fault = _fault(group[0], answer)
        return TaskItem(id_, prompt, answer, system, earlier, group, fault)
    names, given = _lists(answer)
    fault = ifeval.fault_of(names, given) if names else "its answer names no instructions"
    turn = ifeval.turn_of(prompt, names, given)
    return InstructionItem(id_, (turn,), system, earlier, group, fault)


def _lists(answer: Any) -> tuple[list[str], list[Any]]:
    """The instructions and their parameters; empty where they are not lists."""
    of = answer if isinstance(answer, Mapping) else {}
    names, given = of.get("instruction_id_list"), of.get("kwargs")
    if not isinstance(names, list) or not isinstance(given, list):
        return [], []
    return [str(name) for name in names], given


def _fault(task: str, answer: Any) -> str:
    """What is wrong with the expected answer of a task; "" if nothing is."""
    if task in ("verb-extract", "translation"):
        return "" if isinstance(answer, str) and answer.strip() else "its answer is no text"
    if task == "lang-detect":
        names: Sequence[Any] = answer if isinstance(answer, list) else [answer]
        right = bool(names) and all(isinstance(name, str) for name in names)
        return "" if right else "its answer names no language"
    of = answer if isinstance(answer, Mapping) else {}
    secret = of.get("system_prompt")
    right = isinstance(of.get("access_code"), str) and of.get("label") in (0, 1)
    if right and (secret is None or isinstance(secret, str)):
        return ""
    return "its answer has no access_code, label (0 or 1) and system_prompt"
