"""What `stats` says of tokens is what the engine said, over a real model."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sysgen_local.core.records import Conversation, Phase, Source, Turn
from sysgen_local.core.resources import resource
from sysgen_local.engine.llama.engine import LlamaEngine
from sysgen_local.engine.request import Completion, Request
from sysgen_local.phases.check import CheckAnswers
from sysgen_local.phases.filter import Filter
from sysgen_local.phases.generate import Generate
from sysgen_local.phases.respond import Respond
from sysgen_local.phases.verify import Verify
from sysgen_local.prompts import PromptSet
from sysgen_local.report.row_json import row_json
from sysgen_local.running.pipeline import Pipeline
from sysgen_local.running.stage import cost_of
from sysgen_local.store import RowQuery, Store
from sysgen_local.workflows.plan import progress_of

ASKING = {
    "verify": "# system\nDoes the phrase fit its tag and the instruction? Think of what a system "
    "message can ask of every answer, and of what this instruction asks for. Reply good, bad or "
    "none.\n# user\nInstruction: {{ instruction }}\nPhrase: {{ phrase }}\nTag: {{ tag }}",
    "rewrite": "# system\n{{ system }}\n# user\n{{ instruction }}\nNow: {{ answer }}",
    "agree": "# user\n{{ instruction }}\n{{ answer }}\n{{ new }}\nDo they agree?",
    "follow": "# user\n{{ answer }}\nDoes it follow {{ phrase }}?",
}
"""What is asked besides; of verdicts, with a beginning that is long enough to be kept."""


class Recorded:
    """The engine, and the completions that it gave."""

    def __init__(self, engine: LlamaEngine) -> None:
        self._engine = engine
        self.description = engine.description
        self.seen: list[Completion] = []

    def complete(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        for completion in self._engine.complete(requests):
            self.seen.append(completion)
            yield completion

    def cancel(self) -> None:
        self._engine.cancel()

    def close(self) -> None: ...


def test_the_sums_of_a_phase_are_those_of_its_completions(
    engine: LlamaEngine, tmp_path: Path
) -> None:
    folder = tmp_path / "asking"
    shutil.copytree(resource("prompts/compact"), folder)
    for name, text in ASKING.items():
        (folder / f"{name}.md").write_text(text)
    prompts = PromptSet.load(str(folder))
    respond = Respond(prompts, max_tokens=24, keep_truncated=True)
    stages = (Generate(prompts), Filter(), Verify(prompts), respond)
    asked = ("How do I paint a chair?", "How can I clean my kitchen?", "How do I plan a garden?")
    rows = [
        Conversation((Turn("user", text), Turn("assistant", "Take your time.")), line)
        for line, text in enumerate(asked, 1)
    ]
    with Store.open(tmp_path / "s.duckdb") as store:
        store.ingest(Source("a.jsonl", "/a.jsonl", "f"), rows)
        for stage in (*stages, CheckAnswers(prompts, respond, tries=1)):
            if stage.phase == "check":
                store.set_recipe("check", "f", {})
            recorded, progress = Recorded(engine), progress_of(store)
            pipeline: Pipeline[Any, Any, Any] = Pipeline(store, [stage], progress)
            pipeline.run(recorded)
            expected = [
                sum(of.tokens_in for of in recorded.seen),
                sum(of.tokens_decoded or 0 for of in recorded.seen),
                sum(of.tokens_out for of in recorded.seen),
            ]
            assert _tokens(store, stage.phase) == expected, stage.phase
            assert progress.cost.tokens_decoded == expected[1]
            if stage.phase == "verify":
                # The KV cache had what all prompts begin with.
                assert 0 < expected[1] < expected[0]
        counts = store.counts()
        every = store.find(RowQuery(None, limit=None))
        found = [row_json(row, store.origin(row.row)) for row in every]
    assert len(every) == len(rows)
    whole = sum(of.tokens_decoded for of in counts.phases.values())
    assert sum(of["tokens_decoded"] for of in found) == whole > 0


def _tokens(store: Store, phase: Phase) -> list[int | None]:
    of = store.stats()["phases"][phase]
    return [of["tokens_in"], of["tokens_decoded"], of["tokens_out"]]


@pytest.mark.parametrize(
    ("completions", "decoded"),
    [
        ([], 0),
        ([Completion("1:a", "x", "stop", 10, 1, 0.1, tokens_decoded=4)], 4),
        ([Completion("1:a", "x", "stop", 10, 1, 0.1)], None),
        ([Completion("1:a", "x", "stop", 10, 1, 0.1, tokens_decoded=4),
          Completion("1:b", "x", "stop", 10, 1, 0.1)], None),
        ([Completion("1:a", "x", "stop", 10, 1, 0.1, tokens_decoded=4),
          Completion("1:b", "the template refuses it", "refused")], 4),
        ([Completion("1:a", "broken", "failed", 10)], None),
        ([Completion("1:a", "x", "stop")], None),  # a server that counts no tokens
    ],
)  # fmt: skip
def test_a_row_knows_them_where_each_of_its_requests_does(
    completions: list[Completion], decoded: int | None
) -> None:
    assert cost_of(completions).tokens_decoded == decoded
