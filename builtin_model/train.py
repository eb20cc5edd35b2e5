"""Training on the CPU by processor time: processes of one thread each average their gradients.

On two cores that is 1.6 times as fast as one process of two threads. The samples are those of the
seed; how many are seen, and so the weights, depends on the machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import process_time

import torch
import torch.multiprocessing
from torch import Tensor

from builtin_model.batches import Batch, batches, collate, task_samples
from builtin_model.domains import Telling, told_domains
from builtin_model.export import weights
from builtin_model.heart import copied_tokens, learn_alike, say_alike
from builtin_model.layout import Limits, full_steps, spare
from builtin_model.model import Config, Model, Prediction
from builtin_model.muon import Muon, fast_type
from builtin_model.tasks import TASKS
from builtin_model.team import Member, team
from builtin_model.tokenizer import Encoded, Encoder
from builtin_model.topics import Topics, vocabulary_pieces
from builtin_model.wiring import wire

_REPORTED = ("generate", "verify", "verify_naming", "respond", "judge", "score", "copy")
_REPORT_SAMPLES = 32
_BY_TOKEN = ("token_embd.weight", "output.weight")
"""Matrices that are lists of vectors, one a token."""

_MARGIN = 3.0
"""Logits by which a token has to win. In instructions unlike those of the corpus what is copied is
fainter: without this, words known by heart won there. Not of labels, which tell probabilities."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`seconds` are of processor time, of each process, reports included; `rate` is the peak
    one."""

    seconds: float
    seed: int
    checkpoint: Path
    tokenizer: Path
    start: Path | None = None
    """A checkpoint or GGUF to go on from."""
    processes: int = 2
    rate: float = 1.6e-3
    decay: float = 0.8
    """Of matrices, at the peak rate. Without it the residual stream grows a hundredfold, and what
    is wired can no longer be heard in it."""
    report_seconds: float = 120.0


def train(settings: Settings) -> Model:
    """Train from the wired start, log on stdout, keep checkpoints; the finished model."""
    settings.checkpoint.parent.mkdir(parents=True, exist_ok=True)
    model = Model(_config(settings))
    members = team(settings.processes, 1 + sum(p.numel() for p in model.parameters()))
    torch.multiprocessing.spawn(_work, (settings, members), nprocs=settings.processes)
    model.load_state_dict(torch.load(settings.checkpoint, weights_only=True))
    return model


def _config(settings: Settings) -> Config:
    return Config(vocabulary=Encoder(settings.tokenizer).size)


def _work(rank: int, settings: Settings, members: list[Member]) -> None:
    """One process; all start from the same weights and see different samples."""
    torch.set_num_threads(1)
    torch.manual_seed(settings.seed)
    model = Model(_config(settings))
    encoder = Encoder(settings.tokenizer)
    topics = Topics(pieces=vocabulary_pieces(settings.tokenizer))
    telling = Telling.nothing(encoder.size)
    if not settings.start:
        telling = told_domains(encoder, topics, Random(settings.seed))
    limits = wire(model, telling, encoder)
    copied = copied_tokens(encoder, topics, Random(settings.seed))
    say_alike(model, copied)
    if settings.start:
        model.load_state_dict(weights(settings.start))
    members[rank].agree(model.parameters())
    own_seed = settings.seed * settings.processes + rank
    Trainer(model, limits, copied, settings, members[rank], Random(own_seed)).run()


class Trainer:
    """The mix of tasks, from first to last."""

    def __init__(
        self,
        model: Model,
        limits: Limits,
        copied: Tensor,
        settings: Settings,
        member: Member,
        rng: Random,
    ) -> None:
        self._model = model
        self._limits = limits
        self._copied = copied
        self._settings = settings
        self._member = member
        self._leads = member.rank == 0
        self._rng = rng
        self._encoder = Encoder(settings.tokenizer)
        self._topics = Topics(pieces=vocabulary_pieces(settings.tokenizer))
        self._margins = torch.full((self._encoder.size,), _MARGIN)
        self._margins[self._encoder.labels] = 0
        self._parameters = list(model.parameters())
        self._dtype = fast_type()
        self._matrices = [
            (name, p)
            for name, p in model.named_parameters()
            if p.dim() == 2 and name not in _BY_TOKEN
        ]
        self._optimizers = self._make_optimizers()
        self._held_out = self._held_out_samples() if self._leads else {}
        member.keep_gradients(self._parameters)

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
        matrices = [p for _, p in self._matrices]
        others = [p for p in self._parameters if not any(p is matrix for matrix in matrices)]
        return [
            Muon(matrices, lr=rate, dtype=self._dtype, member=self._member),
            torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.97), weight_decay=0.0, fused=True),
        ]

    @torch.no_grad()
    def _decay(self, rate: float) -> None:
        """What is wired stays as it is."""
        factor = 1 - self._settings.decay * self._settings.rate * rate
        for name, matrix in self._matrices:
            fixed = self._limits.fixed.get(name)
            if fixed is None:
                matrix.mul_(factor)
            else:
                matrix.mul_(torch.where(fixed, 1.0, factor))

    def _held_out_samples(self) -> dict[str, list[Encoded]]:
        rng, topics = Random(999), Topics(held_out=True, pieces=self._topics.pieces)
        return {
            task: task_samples(rng, topics, self._encoder, task, _REPORT_SAMPLES)
            for task in _REPORTED
        }

    def _batches(self) -> Iterator[Batch]:
        return batches(self._rng, self._topics, self._encoder)

    def _predict(self, batch: Batch) -> Prediction:
        with torch.autocast("cpu", torch.bfloat16, enabled=self._dtype == torch.bfloat16):
            return self._model.predict(*batch, self._margins)

    def _update(self, loss: Tensor, rate: float) -> float:
        """One step with the mean gradient at this part of the peak rate; the common clock."""
        loss.backward()
        spare(self._model, self._limits)
        learn_alike(self._model, self._copied)
        elapsed = self._average()
        torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
        self._decay(rate)
        with full_steps(self._model, self._limits):
            self._step(rate)
        self._member.own.zero_()
        return elapsed

    def _step(self, rate: float) -> None:
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self._settings.rate * rate
            optimizer.step()

    def _average(self) -> float:
        """Average the gradients. The mean clock goes with them, so that all stop together."""
        self._member.own[-1] = process_time()
        self._member.average()
        return float(self._member.own[-1])

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
