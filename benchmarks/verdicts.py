"""Three ways to get the verdicts of a row: their cost, and how often they agree.

separate: one prompt for each phrase; the common part of a row's prompts is computed once (as in a
    run);
continued: further turns of the chat that generated the phrases;
JSON: one prompt with all phrases, one list of labels under a grammar.

python -m benchmarks.verdicts [GGUF] [PROMPT_SET] [ROWS]
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import job
from sysgen_local.core.records import LABELS, Row
from sysgen_local.core.resources import resource
from sysgen_local.engine.llama.engine import LlamaEngine
from sysgen_local.engine.options import Options
from sysgen_local.engine.request import Choice, Json, Message, Request, Segment
from sysgen_local.phases.filter import Filter
from sysgen_local.phases.generate import Generate
from sysgen_local.phases.verify import Verify
from sysgen_local.prompts import PromptSet
from sysgen_local.running.stage import AnyStage

Labels = list[str]
Way = Callable[[PromptSet, Row], job.Job[Labels]]


def stages(row: Row, *steps: AnyStage) -> job.Job[Row]:
    for stage in steps:
        row = yield from job.step(stage, row)
    return row


def separate(prompts: PromptSet, row: Row) -> job.Job[Labels]:
    row = yield from stages(row, Verify(prompts))
    assert row.verified is not None
    return [verdict.label for verdict in row.verified.verdicts]


def continued(prompts: PromptSet, row: Row) -> job.Job[Labels]:
    [asked] = next(Generate(prompts).work(row))
    phrases = _phrases(row)
    written = Message("assistant", (Segment(json.dumps(phrases, separators=(",", ":"))),))
    labels = []
    for i, phrase in enumerate(phrases):
        question = f"Phrase: {phrase['text']}\nTag: {phrase['tag']}\nReply good, bad or none."
        messages = (*asked.messages, written, Message("user", (Segment(question),)))
        completion = yield Request(f"{row.row}:{i}", "generate", messages, Choice(LABELS))
        labels.append(completion.text)
    return labels


def as_json(prompts: PromptSet, row: Row) -> job.Job[Labels]:
    phrases = _phrases(row)
    [system, *_] = prompts.messages("verify", instruction="", phrase="", tag="role")
    listed = "\n".join(f"Phrase: {p['text']}\nTag: {p['tag']}" for p in phrases)
    instruction = row.conversation.turns[0].content
    question = f"Instruction: {instruction}\n{listed}\nReply with a JSON list of verdicts."
    schema = {"type": "array", "items": {"enum": list(LABELS)}}
    schema |= {"minItems": len(phrases), "maxItems": len(phrases)}
    messages = (system, Message("user", (Segment(question),)))
    completion = yield Request(f"{row.row}", "json", messages, Json(json.dumps(schema)))
    return list(json.loads(completion.text))


WAYS: dict[str, Way] = {"separate": separate, "continued": continued, "JSON": as_json}


def _phrases(row: Row) -> list[dict[str, str]]:
    assert row.filtered is not None
    return [{"tag": phrase.tag, "text": phrase.text} for phrase in row.filtered.phrases]


def whole(prompts: PromptSet, row: Row, way: Way | None) -> job.Job[tuple[int, Labels]]:
    """(number of the row, its labels): the phrases and their verdicts in one slot."""
    row = yield from stages(row, Generate(prompts), Filter())
    if way is None or not _phrases(row):
        return row.row, []
    return row.row, (yield from way(prompts, row))


def main(model: Path, prompt_set: str = "compact", number: int = 48) -> None:
    prompts = PromptSet.load(prompt_set)
    engine = LlamaEngine(model, Options(slots=16, context=job.CONTEXT))
    rows = [job.row_of(i, entry) for i, entry in enumerate(job.rows(number), 1)]

    def run(way: Way | None) -> tuple[dict[int, Labels], int, float]:
        tokens, started = engine.decoded_tokens, time.perf_counter()
        found = dict(job.feed(engine, (whole(prompts, row, way) for row in rows)))
        return found, engine.decoded_tokens - tokens, time.perf_counter() - started

    for way in (*WAYS.values(), None):
        run(way)  # computes the shared prefixes, which are kept
    _, tokens_before, seconds_before = run(None)
    reference: dict[int, Labels] = {}
    for name, way in WAYS.items():
        found, tokens, seconds = run(way)
        reference = reference or found
        pairs = [pair for row in found for pair in zip(found[row], reference[row], strict=True)]
        print(
            f"{name:10} {(tokens - tokens_before) / number:6.0f} tokens a row, "
            f"{(seconds - seconds_before) / number:6.3f} s a row, "
            f"agrees on {sum(a == b for a, b in pairs) / len(pairs):.0%} of {len(pairs)} phrases"
        )


if __name__ == "__main__":
    given = sys.argv[1:]
    main(
        Path(given[0]) if given else resource("builtin_model/builtin.gguf"),
        given[1] if given[1:] else "compact",
        int(given[2]) if given[2:] else 48,
    )
