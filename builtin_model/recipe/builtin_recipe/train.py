"""Training for a given time, on the CPU or on a GPU.

On the CPU, processes of one thread each average their gradients: on two cores that is 1.6 times as
fast as one process of two threads. On a GPU one process trains, and others write what it is shown.
The samples are those of the seed; how many are seen, and so the weights, depends on the machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import monotonic, process_time
from typing import Any

import torch
import torch.multiprocessing
from torch import Tensor
from torch.utils.data import DataLoader

from builtin_recipe.batches import Batch, Stream, collate, task_samples
from builtin_recipe.circuits import build_circuits
from builtin_recipe.codes import codes
from builtin_recipe.copying import write_codes
from builtin_recipe.domains import learn_domain_vectors
from builtin_recipe.layout import Limits, mask_gradients, scale_shared_steps
from builtin_recipe.memorised import clear_output_rows, copied_tokens, share_gradient
from builtin_recipe.model import Config, Model, Prediction
from builtin_recipe.muon import Muon, fast_type
from builtin_recipe.processes import Member, make_members
from builtin_recipe.tasks import TASKS
from builtin_recipe.tokenizer import Encoded, Encoder
from builtin_recipe.topics import Topics, vocabulary_pieces

_REPORTED = ("generate", "verify", "verify_naming", "respond", "judge", "score", "copy")
_REPORT_SAMPLES = 32
_BY_TOKEN = ("token_embd.weight", "output.weight")
"""Matrices that are lists of vectors, one a token."""

_MARGIN = 3.0
"""Logits by which a token has to win. In instructions unlike those of the corpus what is copied is
fainter: without this, memorised words won there. Not of labels, which tell probabilities."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`seconds` are of processor time of each process, on a GPU those that pass; reports are
    included. `rate` is the peak one."""

    seconds: float
    seed: int
    checkpoint: Path
    tokenizer: Path
    device: str = "cpu"
    processes: int = 2
    writers: int = 0
    """Processes that write what each of these is shown; none, and it writes itself."""
    batch_tokens: int = 1536
    """Of each process, padding included: small batches learn most in a given time on a CPU."""
    rate: float = 1.6e-3
    decay: float = 0.8
    """Of matrices, at the peak rate. Without it the residual stream grows a hundredfold, and what
    is set by hand can no longer be read in it."""
    report_seconds: float = 120.0

    @classmethod
    def on(cls, device: str, **given: Any) -> Settings:
        """What is fitting for this device."""
        cores = os.cpu_count() or 1
        if device == "cpu":
            return cls(processes=min(2, cores), **given)
        return cls(
            device=device,
            processes=1,
            writers=min(4, max(1, cores - 1)),
            batch_tokens=6144,
            report_seconds=20.0,
            **given,
        )


def train(settings: Settings) -> Model:
    """Train from the weights set by hand, log on stdout, keep checkpoints; the finished model, in
    which variants of a word are more alike than in those."""
    settings.checkpoint.parent.mkdir(parents=True, exist_ok=True)
    model = Model(_config(settings))
    members = make_members(settings.processes, 1 + sum(p.numel() for p in model.parameters()))
    torch.multiprocessing.spawn(_work, (settings, members), nprocs=settings.processes)
    model.load_state_dict(torch.load(settings.checkpoint, map_location="cpu", weights_only=True))
    write_codes(model, codes(Encoder(settings.tokenizer)))
    return model


def _config(settings: Settings) -> Config:
    return Config(vocabulary=Encoder(settings.tokenizer).size)


def _work(rank: int, settings: Settings, members: list[Member]) -> None:
    """One process; all start from the same weights and see different samples."""
    torch.set_num_threads(1)
    if settings.device != "cpu":
        torch.set_float32_matmul_precision("high")
    torch.manual_seed(settings.seed)
    model = Model(_config(settings))
    encoder = Encoder(settings.tokenizer)
    topics = Topics(pieces=vocabulary_pieces(settings.tokenizer))
    vectors = learn_domain_vectors(encoder, topics, Random(settings.seed))
    limits = build_circuits(model, vectors, encoder)
    copied = copied_tokens(encoder, topics, Random(settings.seed))
    clear_output_rows(model, copied)
    model.to(settings.device)
    member = members[rank].to(settings.device)
    member.broadcast(model.parameters())
    Trainer(model, limits, copied, settings, member).run()


class Trainer:
    """The mix of tasks, from first to last."""

    def __init__(
        self,
        model: Model,
        limits: Limits,
        copied: Tensor,
        settings: Settings,
        member: Member,
    ) -> None:
        self._model = model
        self._limits = limits.to(settings.device)
        self._copied = copied.to(settings.device)
        self._settings = settings
        self._member = member
        self._leads = member.rank == 0
        self._started = monotonic()
        self._encoder = Encoder(settings.tokenizer)
        self._topics = Topics(pieces=vocabulary_pieces(settings.tokenizer))
        self._margins = torch.full((self._encoder.size,), _MARGIN)
        self._margins[self._encoder.labels] = 0
        self._margins = self._margins.to(settings.device)
        self._parameters = list(model.parameters())
        self._dtype = fast_type(settings.device)
        self._matrices = [
            (p, self._trainable(name, p))
            for name, p in model.named_parameters()
            if p.dim() == 2 and name not in _BY_TOKEN
        ]
        self._optimizers = self._make_optimizers()
        self._held_out = self._held_out_samples() if self._leads else {}
        member.bind_gradients(self._parameters)

    def run(self) -> None:
        """Until the time is up: all processes follow the same clock, and so the same rates."""
        seconds = self._settings.seconds
        reported = elapsed = 0.0
        for step, batch in enumerate(self._batches(), start=1):
            if elapsed >= seconds:
                break
            loss = self._predict(batch).loss
            slowing = min(1.0, 1.5 * (1 - elapsed / seconds) + 0.01)
            elapsed = self._update(loss, min(1.0, step / 150) * slowing)
            if elapsed - reported > self._settings.report_seconds:
                reported = elapsed
                self._report(f"step {step}, {elapsed:.0f} s, loss {loss.item():.3f}")
        self._report("done")

    def _make_optimizers(self) -> list[torch.optim.Optimizer]:
        """Muon for matrices, AdamW for embeddings, output layer and norms."""
        rate = self._settings.rate
        matrices = [p for p, _ in self._matrices]
        others = [p for p in self._parameters if not any(p is matrix for matrix in matrices)]
        return [
            Muon(matrices, lr=rate, dtype=self._dtype, member=self._member),
            torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.97), weight_decay=0.0, fused=True),
        ]

    def _trainable(self, name: str, matrix: Tensor) -> Tensor:
        """1 where training may move the matrix, else 0."""
        fixed = self._limits.fixed.get(name)
        return torch.ones_like(matrix) if fixed is None else (~fixed).to(matrix.dtype)

    @torch.no_grad()
    def _decay(self, rate: float) -> None:
        """What is set by hand stays as it is."""
        lost = self._settings.decay * self._settings.rate * rate
        for matrix, trainable in self._matrices:
            matrix.addcmul_(matrix, trainable, value=-lost)

    def _held_out_samples(self) -> dict[str, list[Encoded]]:
        rng, topics = Random(999), Topics(held_out=True, pieces=self._topics.pieces)
        return {
            task: task_samples(rng, topics, self._encoder, task, _REPORT_SAMPLES)
            for task in _REPORTED
        }

    def _batches(self) -> Iterator[Batch]:
        settings, member = self._settings, self._member
        stream = Stream(
            settings.seed, member.rank, len(member.rows), settings.tokenizer, settings.batch_tokens
        )
        writers = settings.writers
        context = "spawn" if writers else None
        loader = DataLoader(
            stream, batch_size=None, num_workers=writers, multiprocessing_context=context
        )
        return iter(loader)

    def _predict(self, batch: Batch) -> Prediction:
        ids, learnt = (part.to(self._settings.device) for part in batch)
        with torch.autocast("cpu", torch.bfloat16, enabled=self._dtype == torch.bfloat16):
            return self._model.predict(ids, learnt, self._margins)

    def _update(self, loss: Tensor, rate: float) -> float:
        """One step with the mean gradient at this part of the peak rate; the common clock."""
        loss.backward()
        mask_gradients(self._model, self._limits)
        share_gradient(self._model, self._copied)
        elapsed = self._member.average(self._clock())
        torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
        self._decay(rate)
        with scale_shared_steps(self._model, self._limits):
            self._step(rate)
        self._member.own.zero_()
        return elapsed

    def _step(self, rate: float) -> None:
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self._settings.rate * rate
            optimizer.step()

    def _clock(self) -> float:
        """Seconds so far. Of the processor: other work beside it does not count."""
        if self._settings.device == "cpu":
            return process_time()
        return monotonic() - self._started

    @torch.no_grad()
    def _report(self, title: str) -> None:
        """Keep a checkpoint; print how often tokens of held-out answers are predicted."""
        if not self._leads:
            return
        torch.save(self._model.state_dict(), self._settings.checkpoint)
        shares = (f"{task} {self._accuracy(task):.2f}" for task in self._held_out)
        print(f"{title}: {', '.join(shares)}", flush=True)

    def _accuracy(self, task: str) -> float:
        """Share of right tokens, of those that carry the task's weight."""
        hits = asked = 0
        samples = self._held_out[task]
        for start in range(0, len(samples), 8):
            batch = collate(samples[start : start + 8], self._encoder.pad)
            seen = self._predict(batch)
            counted = seen.weights == TASKS[task].weight
            hits += int(seen.hits[counted].sum())
            asked += int(counted.sum())
        return hits / asked
