"""The job of every contender: the same rows, the same stages, the same prompts.

A stage is a generator of requests. Here, each contender answers the requests in its own way.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

import psutil

from benchmarks import ENVIRONMENT
from sysgen_local.core.records import TABLES, Conversation, Row, Turn
from sysgen_local.core.resources import resource as data
from sysgen_local.engine.request import Choice, Completion, Engine, Request, Sampling
from sysgen_local.phases.filter import Filter
from sysgen_local.phases.generate import Generate
from sysgen_local.phases.respond import Respond
from sysgen_local.phases.verify import Verify
from sysgen_local.prompts import PromptSet
from sysgen_local.running.stage import AnyStage
from sysgen_local.sources import find, read

T = TypeVar("T")
Job = Generator[Request, Completion, T]

CONTEXT = 2560
"""Tokens of each slot, for every contender."""

SAMPLING = Sampling(temperature=0.7, top_k=20, top_p=0.8)
"""As the cards of most models recommend."""
MAX_ANSWER = 512
VERDICT = 'root ::= "good" | "bad" | "none"'


@dataclass(slots=True)
class JobResult:
    """The measurements of a contender. Tokens are those of its prompts and answers, counted by its
    own tokenizer; seconds are wall time without loading the model. `phases` is name -> [requests,
    tokens in, tokens out, prompt tokens decoded]; the last is 0 where it is not known."""

    name: str
    rows: int = 0
    final: int = 0
    seconds: float = 0.0
    tokens_in: int = 0
    tokens_out: int = 0
    decode_seconds: float | None = None
    decoded_tokens: int | None = None
    peak_bytes: int = 0
    phases: dict[str, list[int]] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)

    def print(self) -> None:
        """Prints it as one line of JSON, the last output of a contender's process."""
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        self.peak_bytes = max(self.peak_bytes, own)
        print(json.dumps(asdict(self)), flush=True)

    def count(self, completion: Completion) -> None:
        self.tokens_in += completion.tokens_in
        self.tokens_out += completion.tokens_out
        row, name, *_ = completion.id.split(":")
        name = name if row.isdecimal() else "calibration"  # of the verdicts, once a run
        phase = self.phases.setdefault(name, [0, 0, 0, 0])
        decoded = completion.tokens_decoded or 0
        for i, n in enumerate((1, completion.tokens_in, completion.tokens_out, decoded)):
            phase[i] += n


def contend(module: str, *arguments: object) -> JobResult:
    """Runs a contender in a process of its own."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=ENVIRONMENT)
    return JobResult(**json.loads(done.stdout.splitlines()[-1]))


def threads() -> int:
    return psutil.cpu_count(logical=False) or os.cpu_count() or 1


def rows(number: int) -> list[dict[str, str]]:
    """Rows of 100 to 400 tokens, made from the examples: each has several questions and answers."""
    [source] = find([str(data("examples/questions.jsonl"))])
    pairs = [
        tuple(turn.content for turn in record.turns)
        for record in read(source)
        if isinstance(record, Conversation) and len(record.turns) == 2
    ]
    made = []
    for i in range(number):
        several = [pairs[(i * 7 + k * 11) % len(pairs)] for k in range(1 + i % 4)]
        question, answer = (" ".join(texts) for texts in zip(*several, strict=True))
        made.append({"instruction": f"{question} (Case {i + 1}.)", "output": answer})
    return made


def row_of(number: int, entry: dict[str, str]) -> Row:
    turns = (Turn("user", entry["instruction"]), Turn("assistant", entry["output"]))
    return Row(number, Conversation(turns, number))


def stages(seed: int) -> list[AnyStage]:
    prompts = PromptSet.load("default")
    return [
        Generate(prompts, SAMPLING, seed),
        Filter(),
        Verify(prompts),
        Respond(prompts, SAMPLING, seed, max_tokens=MAX_ANSWER),
    ]


def job(row: Row, seed: int) -> Job[Row]:
    """The requests of a row, one after the other. Returns the row with its results."""
    for stage in stages(seed):
        row = yield from step(stage, row)
        if is_dropped(row, stage):
            break
    return row


def step(stage: AnyStage, row: Row) -> Job[Row]:
    """The requests of one stage."""
    work = stage.work(row)
    answers: list[Completion] | None = None
    while True:
        try:
            asked = next(work) if answers is None else work.send(answers)
        except StopIteration as end:
            return row.after(stage.phase, end.value)
        answers = []
        for request in asked:
            answers.append((yield request))


def is_dropped(row: Row, stage: AnyStage) -> bool:
    return getattr(row, TABLES[stage.phase]).dropped is not None


def is_final(row: Row) -> bool:
    return row.responded is not None and row.responded.dropped is None


def written(
    request: Request, text: str, finish: str, tokens_in: int, tokens_out: int
) -> Completion:
    """A completion of a contender that writes its verdicts as text, so they have no
    probabilities."""
    labels = request.constraint.labels if isinstance(request.constraint, Choice) else ()
    return Completion(
        id=request.id,
        text=text,
        finish="length" if finish == "length" else "stop",
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        probabilities={label: float(label == text) for label in labels} or None,
    )


def messages(request: Request) -> list[dict[str, str]]:
    """The messages in OpenAI's form."""
    return [{"role": m.role, "content": m.text} for m in request.messages]


def feed(engine: Engine, jobs: Iterable[Job[T]]) -> list[T]:
    """Runs jobs on an engine. Returns their results in the order in which they end."""
    waiting = iter(jobs)
    ready: deque[tuple[Request, Job[T]]] = deque()
    running: dict[str, Job[T]] = {}
    results: list[T] = []

    def advance(one: Job[T], completion: Completion | None) -> None:
        try:
            request = next(one) if completion is None else one.send(completion)
        except StopIteration as end:
            results.append(end.value)
        else:
            ready.append((request, one))

    def source() -> Iterator[Request | None]:
        while True:
            if ready:
                request, one = ready.popleft()
                running[request.id] = one
                yield request
            elif (fresh := next(waiting, None)) is not None:
                advance(fresh, None)
            elif running:
                yield None
            else:
                return

    for completion in engine.complete(source()):
        advance(running.pop(completion.id), completion)
    return results
