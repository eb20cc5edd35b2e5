"""(c) The job by sysgen-local: what `sysgen run` does, from the file of rows to the finished rows.

python -m benchmarks.ours MODEL ROWS SLOTS [PROMPT_SET]
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import job
from sysgen_local.engine.llama import LlamaEngine
from sysgen_local.engine.plan import Options
from sysgen_local.job import agree, plan, progress_of
from sysgen_local.pipeline import Pipeline
from sysgen_local.progress import Reporters
from sysgen_local.records import PHASES
from sysgen_local.settings import Settings
from sysgen_local.sources import find, read
from sysgen_local.store import Store


def main(model: str, number: int, slots: int, prompts: str = "default") -> None:
    result = job.Result("c")
    settings = Settings(
        model=model,
        prompts=prompts,
        temperature=job.SAMPLING.temperature,
        top_p=job.SAMPLING.top_p,
        max_answer_tokens=job.MAX_ANSWER,
    )
    options = Options(slots=slots, context=job.CONTEXT, threads=job.threads())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.jsonl")
        path.write_text("".join(json.dumps(row) + "\n" for row in job.rows(number)))
        with Store.open(Path(folder, "sysgen.duckdb")) as store:
            engine = LlamaEngine(Path(model), options)
            started = time.perf_counter()
            [source] = find([str(path)])
            store.ingest(source, read(source))
            tasks = plan(settings, store, PHASES)
            agree(tasks, store)
            stages = [task.stage for task in tasks]
            loop = time.perf_counter()
            Pipeline(store, stages, progress_of(store), Reporters([])).run(engine)
            ended = time.perf_counter()
            counts = store.counts()
    result.seconds = ended - started
    result.rows, result.final = counts.input, counts.final
    result.tokens_in = sum(phase.tokens_in for phase in counts.phases.values())
    result.tokens_out = sum(phase.tokens_out for phase in counts.phases.values())
    result.decode_seconds = engine.decode_seconds
    result.decoded_tokens = engine.decoded_tokens
    result.more = {"engine_seconds": ended - loop, "steps": engine.steps}
    result.print()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
