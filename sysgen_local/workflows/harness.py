"""lm-evaluation-harness on a GGUF: its tasks and scores, with this project's engine.

Needs the extra `harness`. (EleutherAI, https://github.com/EleutherAI/lm-evaluation-harness)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lm_eval import simple_evaluate
from lm_eval.api.model import TemplateLM
from lm_eval.tasks import TaskManager

from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.core.model_files import ModelFiles
from sysgen_local.engine.llama.texts import TEXT, TextEngine
from sysgen_local.engine.options import Options
from sysgen_local.engine.request import GREEDY, Completion, Message, Request, Sampling, Segment

NEW_TOKENS = 256
"""Longest answer where the task names none; the harness's own default."""


class Model(TemplateLM):
    """A GGUF as the harness sees a model."""

    def __init__(self, engine: TextEngine) -> None:
        super().__init__()
        self._engine = engine

    @property
    def eot_token_id(self) -> int:
        return self._engine.tokenizer.eos

    @property
    def prefix_token_id(self) -> int:
        """What stands before a text that has nothing before it."""
        bos = self._engine.tokenizer.bos
        return bos if bos >= 0 else self.eot_token_id

    @property
    def tokenizer_name(self) -> str:
        return self._engine.path.name

    def chat_template(self, chat_template: bool | str = False) -> str:
        return self._engine.tokenizer.template if chat_template else ""

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """The model's own template; a system message it has no place for goes before the user's."""
        if not add_generation_prompt:
            raise SysgenError("this task wants an answer begun for the model, which is not offered")
        return self._engine.rendered([(m["role"], m["content"]) for m in chat_history])

    def tok_encode(
        self, string: str, add_special_tokens: bool | None = None, **_: Any
    ) -> list[int]:
        tokens = self._engine.tokens(string)
        vocab = self._engine.tokenizer
        bare = add_special_tokens is False and vocab.add_bos and tokens[:1] == [vocab.bos]
        return tokens[1:] if bare else tokens

    def _encode_pair(self, context: str, continuation: str) -> tuple[list[int], list[int]]:
        if not self._engine.is_rendered(context):
            pair: tuple[list[int], list[int]] = super()._encode_pair(context, continuation)
            return pair
        whole = self._engine.tokens(context, continuation)
        prompt = self._engine.tokens(context)
        return prompt, whole[len(prompt) :]

    def _loglikelihood_tokens(
        self, requests: list[tuple[Any, list[int], list[int]]], **_: Any
    ) -> list[tuple[float, bool]]:
        # Prompts that begin alike come one after another, and what is common stays in memory.
        order = sorted(range(len(requests)), key=lambda i: requests[i][1])
        found: dict[int, tuple[float, bool]] = {}
        for i in order:
            key, prompt, continuation = requests[i]
            of = self._engine.likelihood(prompt, continuation)
            found[i] = of.logprob, of.greedy
            if key is not None:
                self.cache_hook.add_partial("loglikelihood", key, found[i])
        return [found[i] for i in range(len(requests))]

    def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = False) -> list[float]:
        """Of whole texts, window by window; a window sees half of the one before."""
        totals = []
        for request in requests:
            (text,) = request.args
            tokens = self.tok_encode(text, add_special_tokens=False)
            windows = _windows([self.prefix_token_id], tokens, self._engine.slot_tokens)
            totals.append(sum(self._engine.likelihood(*window).logprob for window in windows))
        return totals

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        wanted = [request.args for request in requests]
        asked = (self._request(i, context, how) for i, (context, how) in enumerate(wanted))
        texts: dict[int, str] = {}
        for completion in self._engine.complete(asked):
            i = int(completion.id)
            texts[i] = _cut(completion, wanted[i][1].get("until") or [])
            self.cache_hook.add_partial("generate_until", wanted[i], texts[i])
        if len(texts) < len(wanted):
            raise KeyboardInterrupt
        return [texts[i] for i in range(len(wanted))]

    def _request(self, number: int, context: str, how: dict[str, Any]) -> Request:
        sampling = GREEDY
        if how.get("do_sample") and how.get("temperature", 1.0):
            sampling = Sampling(
                how.get("temperature", 1.0), how.get("top_k", 0), how.get("top_p", 1.0)
            )
        return Request(
            str(number),
            "harness",
            (Message(TEXT, (Segment(context, trusted=False),)),),
            sampling=sampling,
            max_tokens=how.get("max_gen_toks", NEW_TOKENS),
            seed=number,
        )


def evaluate(
    model: ModelFiles,
    tasks: Sequence[str],
    options: Options,
    *,
    include: Path | None = None,
    fewshot: int | None = None,
    limit: int | None = None,
    chat: bool = False,
) -> dict[str, Any]:
    """{"results": {task: {metric: number}}, "samples": {task: how many}, ...}: what the harness
    says, as plain JSON data. Raises UsageError for a task it does not know."""
    manager = TaskManager(include_path=str(include) if include else None)
    if unknown := [name for name in tasks if name not in manager.all_tasks]:
        raise UsageError(
            f"the harness knows no task {unknown[0]}",
            hint="`lm-eval ls tasks` lists them; --include names a folder with tasks of your own",
        )
    engine = TextEngine(model.path, options, model.adapters)
    try:
        found = simple_evaluate(
            Model(engine),
            tasks=list(tasks),
            num_fewshot=fewshot,
            limit=limit,
            bootstrap_iters=1000,
            apply_chat_template=chat,
            fewshot_as_multiturn=chat,
            task_manager=manager,
            log_samples=False,
        )
    finally:
        engine.close()
    assert found is not None
    return {
        "results": {name: dict(of) for name, of in found["results"].items()},
        "samples": {name: of["effective"] for name, of in found["n-samples"].items()},
        "versions": dict(found["versions"]),
        "fewshot": dict(found["n-shot"]),
        "chat_template": chat,
    }


def _cut(completion: Completion, until: Sequence[str] | str) -> str:
    """The text up to the first of the strings that end it. Raises SysgenError where the prompt
    did not fit: an empty answer would count as a wrong one."""
    if completion.finish in ("refused", "failed"):
        raise SysgenError(f"a prompt has no answer: {completion.text}")
    if completion.finish == "too_long":
        raise SysgenError(
            f"a prompt of {completion.tokens_in:,} tokens does not fit",
            hint="a larger --context, or fewer --fewshot",
        )
    text = completion.text
    for stop in [until] if isinstance(until, str) else until:
        text = text.split(stop)[0] if stop else text
    return text


def _windows(
    prefix: list[int], tokens: list[int], room: int
) -> Iterator[tuple[list[int], list[int]]]:
    """(seen, scored): every token is scored once."""
    step = room // 2
    for start in range(0, len(tokens), step):
        seen = tokens[max(0, start - (room - step) + 1) : start] if start else prefix
        yield seen, tokens[start : start + step]
