"""Runs llama_decode: fills the batch with chunks, returns rows of logits. Owns the batch."""

from __future__ import annotations

import time
from collections.abc import Iterator
from math import inf
from typing import Any

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from sysgen_local.core.errors import MemoryShortError
from sysgen_local.engine.llama.calls import calls
from sysgen_local.engine.llama.candidates import DeviceCandidates
from sysgen_local.engine.llama.sampler import AnyLogits, Candidates
from sysgen_local.engine.llama.scheduler import ScheduledTokens


class _CacheFullError(Exception):
    """llama.cpp finds no free cells for the batch in the KV cache."""


Decoded = tuple[list[ScheduledTokens], list[AnyLogits]]
"""The chunks that were decoded, and the logits of each of them that was a final chunk."""


class DecodeError(MemoryShortError):
    """llama_decode failed, because of the tokens in the batch or of the device."""


class Runner:
    """One llama_batch and counters. `seconds`: wall time in llama_decode; `steps`: its calls;
    `tokens`: what it decoded."""

    def __init__(
        self,
        context: Any,
        vocab_size: int,
        batch_size: int,
        *,
        slots: int,
        outputs: int,
        call_cells: float = inf,
        keeps_rows: bool = False,
    ) -> None:
        """`slots`: those of sequences. `outputs`: rows of logits that the context has memory for.
        `call_cells`: cells of attention that cost as much as a call more (see `calls`).
        `keeps_rows`: whether the rows of a call stay valid during the next one."""
        self.context = context
        self.batch_size = batch_size
        self.seconds = 0.0
        self.steps = 0
        self.tokens = 0
        self._vocab_size = vocab_size
        self._outputs = outputs
        self._call_cells = call_cells
        self.candidates = DeviceCandidates(context, vocab_size, slots)
        shape = (2, outputs if keeps_rows else 0, vocab_size)
        self._kept_rows = np.empty(shape, np.float32)  # of the last call, and of the one before
        self._batch = llama_cpp.llama_batch_init(batch_size, 0, 1)
        view = np.ctypeslib.as_array
        self._tokens = view(self._batch.token, (batch_size,))
        self._positions = view(self._batch.pos, (batch_size,))
        self._wants_logits = view(self._batch.logits, (batch_size,))
        view(self._batch.n_seq_id, (batch_size,))[:] = 1
        # seq_id is an array of pointers, each to one id: the ids are written through them.
        self._seq_ids = [self._batch.seq_id[i] for i in range(batch_size)]

    def decode(self, chunks: list[ScheduledTokens]) -> Decoded:
        """Decodes the chunks. Raises DecodeError.

        A sequence that finds no free cells is aborted and its chunk left out; the others are
        decoded. The logits may be a view of llama.cpp's buffer, valid until the next call of
        llama_decode, or with `keeps_rows` until the call after the next one of this method.

        Chunks of equal length are decoded together, each length in a call of its own. llama.cpp
        would split a mixed batch by itself, into pieces as long as the shortest sequence, so that
        the way a prompt is cut, and with it the result, would depend on the other sequences.
        Of chunks of equal length, those of much longer sequences are decoded apart (see `calls`).
        """
        groups = [
            group
            for length in sorted({chunk.length for chunk in chunks})
            for group in self._groups([chunk for chunk in chunks if chunk.length == length])
        ]
        if len(groups) == 1 and not len(self._kept_rows[0]):
            return self._decode_equal_lengths(groups[0])
        self._kept_rows = self._kept_rows[::-1]
        done: list[ScheduledTokens] = []
        rows: list[AnyLogits] = []
        for group in groups:
            some, new = self._decode_equal_lengths(group)
            done += some
            rows += self._copies(new, len(rows))
        return done, rows

    def _copies(self, rows: list[AnyLogits], at: int) -> list[AnyLogits]:
        """The rows outside of llama.cpp's buffer: where they have to stay, in the buffer for that,
        from index `at` on. (New memory for each row would be slower.)"""
        kept = self._kept_rows[0]
        copies: list[AnyLogits] = []
        for i, row in enumerate(rows, at):
            if isinstance(row, Candidates):
                copies.append(row)
            elif i < len(kept):
                kept[i] = row
                copies.append(kept[i])
            else:
                copies.append(row.copy())
        return copies

    def _groups(self, chunks: list[ScheduledTokens]) -> list[list[ScheduledTokens]]:
        """The chunks of each call, for chunks of one length in ascending order of their slots."""
        length = chunks[0].length
        slots = [chunk.sequence.slot for chunk in chunks]
        cells = [chunk.sequence.position + length for chunk in chunks]
        found = calls(slots, cells, self._call_cells / length)
        return [[chunks[i] for i in group] for group in found]

    def _decode_equal_lengths(self, chunks: list[ScheduledTokens]) -> Decoded:
        """Decodes chunks of one length. Where the cache is full, halves the batch until the
        sequence without free cells is found, and aborts it."""
        try:
            return chunks, self._decode_chunks(chunks)
        except _CacheFullError:
            if len(chunks) == 1:
                chunks[0].sequence.abort()
                return [], []
            middle = len(chunks) // 2
            first, rows = self._decode_equal_lengths(chunks[:middle])
            rows = [row if isinstance(row, Candidates) else row.copy() for row in rows]
            second, more = self._decode_equal_lengths(chunks[middle:])
            return first + second, rows + more

    def prefill(self, tokens: list[int], slot: int) -> None:
        """Decodes a prefix into an empty slot, without logits."""
        # No single token is left over for the last batch: see `scheduler`.
        size = self.batch_size - (len(tokens) % self.batch_size == 1)
        for start in range(0, len(tokens), size):
            chunk = tokens[start : start + size]
            self._fill_batch(0, chunk, start, slot)
            self._decode(len(chunk))

    def can_decode(self, token: int) -> bool:
        """Whether llama_decode takes a batch of this one token. The KV cache must be empty."""
        self._fill_batch(0, [token], 0, 0)
        try:
            self._decode(1)
        except (DecodeError, _CacheFullError):
            return False
        return True

    def logits_for_each(
        self, tokens: list[int], slot: int, start: int, first: int
    ) -> Iterator[NDArray[np.float64]]:
        """Decodes `tokens` from index `start` on into a slot that holds those before. Yields the
        logits behind each token from index `first` on, shape (vocabulary,); `first` >= `start`."""
        self.candidates.choose(False)
        at = start
        while at < len(tokens):
            size = min(self.batch_size, first - at) if at < first else self._outputs
            chunk = tokens[at : at + size]
            self._fill_batch(0, chunk, at, slot)
            wanted = at >= first
            if wanted:
                self._wants_logits[: len(chunk)] = 1
            self._decode(len(chunk))
            if wanted:
                logits = llama_cpp.llama_get_logits(self.context)
                rows = np.ctypeslib.as_array(logits, (len(chunk), self._vocab_size))
                yield from rows.astype(np.float64)
            at += len(chunk)

    def close(self) -> None:
        """Frees the batch and the samplers; the context belongs to the engine."""
        llama_cpp.llama_batch_free(self._batch)
        self.candidates.choose(False)

    def _decode_chunks(self, chunks: list[ScheduledTokens]) -> list[AnyLogits]:
        """Decodes the chunks in one call; the rows of the final chunks, in order."""
        at = 0
        wanted: list[int] = []  # indices in the batch
        for chunk in chunks:
            sequence, count = chunk
            start = sequence.position
            self._fill_batch(at, sequence.tokens[start : start + count], start, sequence.slot)
            at += count
            if chunk.is_final_chunk:
                self._wants_logits[at - 1] = 1
                wanted.append(at - 1)
        self._decode(at)
        if not wanted:
            return []
        if self.candidates.are_chosen:
            return [self.candidates.of(i) for i in wanted]
        logits = llama_cpp.llama_get_logits(self.context)
        return list(np.ctypeslib.as_array(logits, (len(wanted), self._vocab_size)))

    def _fill_batch(self, at: int, tokens: list[int], position: int, slot: int) -> None:
        """Writes the tokens into the batch from index `at` on, without a request for logits."""
        end = at + len(tokens)
        self._tokens[at:end] = tokens
        self._positions[at:end] = range(position, position + len(tokens))
        self._wants_logits[at:end] = 0
        for i in range(at, end):
            self._seq_ids[i][0] = slot

    def _decode(self, count: int) -> None:
        """Decodes the first `count` tokens of the batch."""
        self._batch.n_tokens = count
        started = time.perf_counter()
        status = llama_cpp.llama_decode(self.context, self._batch)
        llama_cpp.llama_synchronize(
            self.context
        )  # on a GPU the call returns before the work is done
        self.seconds += time.perf_counter() - started
        self.steps += 1
        self.tokens += count
        if status == 1:  # no free cells: nothing was decoded, and the cache is unchanged
            raise _CacheFullError
        if status != 0:
            raise DecodeError(
                f"llama.cpp could not decode a batch of {count} tokens (code {status})",
            )
