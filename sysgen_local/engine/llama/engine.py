"""An engine on llama.cpp in this process, with continuous batching.

Each step: fill free slots from the source of requests, schedule a batch, decode it, and give every
sequence its logits. A sequence that ends frees its slot at once. The source is only asked for a
request when a slot is free.
With `overlap` a step has half of the sequences, and is decoded in a thread. Meanwhile the other
half gets the logits of the step before, and new requests are made ready; nothing of this touches
llama.cpp's context. A CPU gains nothing by it, but a GPU would have to wait for all this.
Measured on two cores: 2.6 times the rows an hour of a loop over `Llama.create_chat_completion`, and
2.0 times those of llama-server with as many slots (benchmarks/README.md).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path

import llama_cpp

from sysgen_local.core.adapters import Adapter
from sysgen_local.core.counted import counted
from sysgen_local.core.errors import DamagedModelError
from sysgen_local.core.model_files import ModelFiles
from sysgen_local.engine.llama import prefixes, weights
from sysgen_local.engine.llama.admission import Admission
from sysgen_local.engine.llama.calls import AttentionCosts, attention_costs
from sysgen_local.engine.llama.chat_profile import load_chat
from sysgen_local.engine.llama.context import new_context, rows_of_logits
from sysgen_local.engine.llama.kv_cache import KVCache
from sysgen_local.engine.llama.plan import choose_layout, gpu_layers
from sysgen_local.engine.llama.runner import DecodeError, Runner
from sysgen_local.engine.llama.sampler import AnyLogits, is_finite
from sysgen_local.engine.llama.scheduler import ScheduledTokens, Scheduler
from sysgen_local.engine.llama.sequence import Sequence
from sysgen_local.engine.llama.shared import MODELS
from sysgen_local.engine.llama.slot_sizes import late_rows, round_up_to_cells
from sysgen_local.engine.llama.step_costs import CPU_COSTS, GPU_COSTS, StepCosts
from sysgen_local.engine.llama.tokenizer import PromptPart
from sysgen_local.engine.options import BATCH, Options
from sysgen_local.engine.request import Completion, Flight, Load, Message, Request

RECOVERY_PAUSES = (1.0, 4.0, 15.0)
"""Pauses in seconds before llama_decode is tried again where it decodes nothing at all, for
instance because another program holds the GPU's memory. After the last one the run ends."""

SWITCH_SECONDS = 0.0002
"""With `overlap`, the thread that decodes waits so long for the interpreter at most. Python's
default of 5 ms is longer than a step of a small model on a GPU."""

_Decoded = list[tuple[Sequence, AnyLogits]]
"""Sequences all of whose tokens are decoded, each with the logits behind its last one."""

_NO_GPU = " (llama-cpp-python was built without a GPU)"


class LlamaEngine:
    """Answers requests with one GGUF, to which LoRA adapters may be applied.

    The KV cache belongs to one engine, so no prefix is shared between different adapters.
    slots: sequences at a time; slot_tokens: tokens that a slot holds; context_tokens: tokens that
    prompt and answer may take together; load_seconds: time that loading took. Raises UsageError
    where the file cannot be used, ModelTooLargeError or MemoryShortError where weights or slots do
    not fit into memory.
    """

    def __init__(
        self, path: Path, options: Options | None = None, adapters: tuple[Adapter, ...] = ()
    ) -> None:
        options = options or Options()
        began = time.perf_counter()
        self.path = path
        self.adapters = adapters
        files = ModelFiles(path, adapters)
        batch = options.batch or BATCH
        layers = gpu_layers(files, options.gpu_layers)
        self._gpu_note = "" if layers or not options.gpu_layers else _NO_GPU
        with ExitStack() as frees:
            self._model = MODELS.load(files, layers)
            frees.callback(MODELS.unload, self._model)
            self._gpu_layers = llama_cpp.llama_model_n_layer(self._model) if layers < 0 else layers
            self.tokenizer, self.chat_template = load_chat(self._model, path)
            frees.callback(self.chat_template.close)
            layout = choose_layout(self._model, options)
            self.slots, self.slot_tokens = layout.slots, layout.slot_tokens
            self.context_tokens = self._context_limit(options)
            is_all = self.slot_tokens >= self.context_tokens
            self._late_rows = 0 if is_all else late_rows(options.lengths, self.slot_tokens)
            # Before the context: llama.cpp counts their operations when it makes one.
            loaded = []
            for adapter in adapters:
                loaded.append(weights.load_adapter(self._model, adapter.path))
                frees.callback(llama_cpp.llama_adapter_lora_free, loaded[-1])
            on_gpu = bool(self._gpu_layers)
            context = new_context(self._model, layout, options, on_gpu=on_gpu, name=path.name)
            frees.callback(llama_cpp.llama_free, context)
            weights.set_adapters(context, loaded, [of.scale for of in adapters])
            # With few slots, steps of half of them are slow: where memory allows less than half of
            # those that were wanted, all are decoded together.
            overlap = bool(options.overlap) and 2 * self.slots > (options.wanted_slots or 0)
            costs = AttentionCosts() if on_gpu else attention_costs(self._model)
            self._runner = Runner(
                context,
                self.tokenizer.size,
                batch,
                slots=layout.slots,
                outputs=rows_of_logits(layout),
                call_cells=costs.call_cells,
                keeps_rows=overlap,
            )
            frees.callback(self._runner.close)
            self._decoder = ThreadPoolExecutor(1, "decoder") if overlap else None
            if self._decoder is not None:
                frees.callback(self._decoder.shutdown)
                frees.callback(sys.setswitchinterval, sys.getswitchinterval())
                sys.setswitchinterval(SWITCH_SECONDS)
            self._frees = frees.pop_all()
        recurrent = llama_cpp.llama_model_is_recurrent(self._model)
        hybrid = llama_cpp.llama_model_is_hybrid(self._model)
        self._kv_cache = KVCache(
            context,
            self.slots,
            prefixes=prefixes.for_layout(context, layout),
            can_truncate=not (recurrent or hybrid),
            call_cells=costs.call_cells,
        )
        self._scheduler = Scheduler(batch, costs.token_cells)
        self._step_costs = StepCosts(GPU_COSTS if self._gpu_layers else CPU_COSTS)
        self._admission = Admission(
            self.tokenizer,
            self._render,
            context_tokens=self.context_tokens,
            slot_tokens=self.slot_tokens,
        )
        self._admitted: list[Sequence] = []  # which have no slot yet
        self._prefix: tuple[int, int] | None = None  # `tokens` of the runner before it, its length
        self._on_device = bool(options.on_device)
        self._has_finite_logits = False
        self._suspects: set[str] = set()
        self._cancelled = False
        self.load_seconds = time.perf_counter() - began

    def complete(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        """See `Engine.complete`."""
        source = iter(requests)
        decoded: _Decoded = []  # what the last step gave, if nothing has gone on from it yet
        under_way: Future[_Decoded] | None = None
        try:
            while not self._cancelled:
                yield from self._admit(source)
                self._fill_slots()
                if ended := self._finished():  # forced tokens may complete an answer at once
                    yield from ended
                    continue
                if not self._scheduler.running:
                    return
                chunks = self._schedule()
                try:
                    if self._decoder is None:
                        decoded = self._decode_timed(chunks)
                    elif chunks:
                        under_way = self._decoder.submit(self._decode_timed, chunks)
                    yield from self._process_logits(decoded)
                    decoded = []
                    if under_way is not None:
                        yield from self._admit(source)
                        decoded = under_way.result()
                        under_way = None
                except DecodeError as error:
                    under_way = None
                    self._restart(chunks, error)
        finally:
            if under_way is not None:
                wait([under_way])
            for sequence in self._scheduler.running:
                self._kv_cache.release(sequence)
            self._scheduler.running = []
            self._admitted = []
            self._suspects.clear()
            self._cancelled = False

    def cancel(self) -> None:
        """See `Engine.cancel`."""
        self._cancelled = True

    def close(self) -> None:
        """Frees context, adapters and model. The engine cannot be used afterwards."""
        self._frees.close()

    @property
    def description(self) -> str:
        """Model, adapters, slots and devices, in one line."""
        parameters = llama_cpp.llama_model_n_params(self._model)
        unit, size = ("B", 1e9) if parameters >= 1e9 else ("M", 1e6)
        layers, note = self._gpu_layers, self._gpu_note
        where = f"{layers} layers on the GPU" if layers else f"on the CPU{note}"
        notes = "" if self.chat_template.has_system else ", system message in the user turn"
        if end := self.tokenizer.template_end:
            notes += f", answers end with {end} (by its chat template)"
        if self._late_rows:
            notes += f"; later, in larger slots: about {counted(self._late_rows, 'longer row')}"
        with_adapters = ", ".join(of.title for of in self.adapters)
        return (
            f"{self.path.name}: {parameters / size:.1f}{unit} parameters, "
            f"{f'LoRA {with_adapters}, ' if with_adapters else ''}"
            f"{counted(self.slots, 'slot')} x {self.slot_tokens} tokens, {where}{notes}"
        )

    def load(self) -> Load:
        """See `Telling.load`."""
        costs, running = self._step_costs, list(self._scheduler.running)
        flights = (
            Flight(
                s.request.id,
                s.prefilled_tokens,
                s.generated_tokens,
                s.prompt_length - s.cached_tokens,
            )
            for s in running
        )
        prefix = self._prefix
        halves = 2 if self._decoder else 1  # of them a step has one
        each = costs.costs
        return Load(
            costs.steps // halves,
            costs.prefill_tokens,
            costs.generated_tokens,
            self.slots,
            tuple(flights),
            each and each._replace(fixed=halves * each.fixed),
            prefix and (self._runner.tokens - prefix[0], prefix[1]),
        )

    @property
    def device(self) -> str:
        """Where the model is: `cpu`, or `gpu (33 layers)`."""
        return f"gpu ({self._gpu_layers} layers)" if self._gpu_layers else "cpu"

    @property
    def decode_seconds(self) -> float:
        """Wall time spent inside llama_decode so far."""
        return self._runner.seconds

    @property
    def steps(self) -> int:
        """Calls of llama_decode so far."""
        return self._runner.steps

    @property
    def decoded_tokens(self) -> int:
        """Tokens that llama_decode has decoded so far, of prompts and answers."""
        return self._runner.tokens

    def _render(self, messages: tuple[Message, ...]) -> list[PromptPart]:
        return self.chat_template.render(messages)

    def _admit(self, source: Iterator[Request | None]) -> Iterator[Completion]:
        """Takes new requests for all free slots. Yields the completion of each request that ends
        before it is decoded."""
        while (
            len(self._admitted) < self._kv_cache.free_slots
            and not self._cancelled
            and (request := next(source, None)) is not None
        ):
            sequence = self._admission.sequence(request)
            if isinstance(sequence, Completion):
                yield sequence
            else:
                self._admitted.append(sequence)

    def _fill_slots(self) -> None:
        """Gives the admitted sequences their slots. Prefixes that are new are decoded first."""
        for sequence in self._admitted:
            group, prefix = sequence.request.group, sequence.shared_prefix
            slot = self._kv_cache.slot_for_prefix(group, prefix)
            if slot is not None:
                before = self._runner.seconds
                self._prefix = self._runner.tokens, len(prefix)
                self._runner.prefill(prefix, slot)
                self._prefix = None
                self._step_costs.add(len(prefix), 0, self._runner.seconds - before)
                self._kv_cache.keep_prefix(group, prefix, slot)
        self._kv_cache.assign_slots(self._admitted)
        self._scheduler.running += self._admitted
        self._admitted = []

    def _schedule(self) -> list[ScheduledTokens]:
        """The chunks of the next step; none where logits have to be looked at before. The slots are
        made ready for the step."""
        running = self._scheduler.running
        for sequence in running:
            self._kv_cache.roll_back(sequence)
        waiting = sum(not sequence.pending_tokens for sequence in running)
        # With few sequences a step of half of them takes as long as one of all.
        is_halved = self._decoder is not None and len(running) > self.slots // 2
        if waiting == len(running) or (waiting and not is_halved):
            return []
        # What this copies between slots must be followed by a step: llama.cpp does it only then.
        self._kv_cache.close_gaps()
        chunks = self._scheduler.schedule((len(running) + 1) // 2 if is_halved else None)
        if self._suspects & {chunk.sequence.request.id for chunk in chunks}:
            chunks = chunks[:1]
        if self._on_device:
            self._runner.candidates.choose(all(of.needs_only_candidates for of in running))
        return chunks

    def _decode_timed(self, batch: list[ScheduledTokens]) -> _Decoded:
        """Decodes the batch and adds its time to the step costs. With `overlap` in a thread."""
        prefill = sum(chunk.length for chunk in batch if chunk.sequence.is_prefilling)
        generated = sum(chunk.length for chunk in batch) - prefill
        before = self._runner.seconds
        done, rows = self._runner.decode(batch)
        self._step_costs.add(prefill, generated, self._runner.seconds - before)
        ready = [chunk.sequence for chunk in done if chunk.is_final_chunk]
        for sequence, count in done:
            sequence.position += count
        return list(zip(ready, rows, strict=True))

    def _process_logits(self, decoded: _Decoded) -> Iterator[Completion]:
        """Gives the sequences their logits. Yields the completions of those that end by it, and of
        those that a step has ended."""
        finite = [is_finite(row) for _, row in decoded]
        self._has_finite_logits = self._has_finite_logits or any(finite)
        if not self._has_finite_logits and decoded:
            raise DamagedModelError(
                f"{self.path.name} computes no numbers: its weights are damaged"
            )
        for (sequence, row), has_numbers in zip(decoded, finite, strict=True):
            if not has_numbers:
                sequence.fail("the model computes no numbers for it")
                self._kv_cache.spoil(sequence)
                continue
            try:
                sequence.on_logits(row)
            except Exception as error:  # any error here concerns this request only
                sequence.fail(str(error) or type(error).__name__)
        yield from self._finished()

    def _finished(self) -> list[Completion]:
        """Frees the slots of sequences that have finished and returns their completions."""
        done = self._scheduler.remove_finished()
        for sequence in done:
            if sequence.slot >= 0:
                self._kv_cache.release(sequence)
            self._suspects.discard(sequence.request.id)
        return [sequence.completion() for sequence in done]

    def _restart(self, chunks: list[ScheduledTokens], error: DecodeError) -> None:
        """Restarts all running sequences after llama_decode failed on a batch.

        If llama.cpp still decodes a single token, one sequence of the batch is at fault: from now
        on each of them is decoded alone, and the one on which it fails again is ended. If it
        decodes nothing, no sequence is blamed. Raises the error where it does not recover.
        """
        before, self._scheduler.running = self._scheduler.running, []
        self._kv_cache.clear()
        was_interrupted = not self._wait_until_decoding(error)
        ids = {chunk.sequence.request.id for chunk in chunks}
        for old in before:
            new = self._admission.restarted(old)
            if ids == {old.request.id} and ids <= self._suspects and not was_interrupted:
                new.fail(error.message)
            self._scheduler.running.append(new)
        if not was_interrupted:
            self._suspects |= ids
        self._kv_cache.assign_slots([s for s in self._scheduler.running if s.finish is None])

    def _wait_until_decoding(self, error: DecodeError) -> bool:
        """Waits until llama.cpp decodes a token. Returns whether it did so at the first try. Raises
        the error after the last of RECOVERY_PAUSES."""
        for i, pause in enumerate((*RECOVERY_PAUSES, 0.0)):
            if self._cancelled or self._runner.can_decode(max(self.tokenizer.bos, 0)):
                self._kv_cache.clear()
                return i == 0
            if not pause:
                raise error
            self._wait(pause)
        raise AssertionError

    def _wait(self, seconds: float) -> None:
        """Sleeps; `cancel` ends it."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._cancelled:
            time.sleep(0.1)

    def _context_limit(self, options: Options) -> int:
        """Tokens that prompt and answer may take together. With `no_room` that is what the model
        allows, even where memory is too short for slots of this size now."""
        if not options.no_room or options.context is not None:
            return self.slot_tokens
        return max(
            self.slot_tokens, round_up_to_cells(llama_cpp.llama_model_n_ctx_train(self._model))
        )
