"""The training itself, by TRL's SFTTrainer over tokens and labels that are already made.

The trainer gets no text and no template: see `examples`. Every checkpoint can be taken up again; a
checkpoint that was cut short by a kill is not used.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sysgen_local.training.examples import Example
from sysgen_local.training.folder import (
    CHECKPOINTS,
    Point,
    add_point,
    last_checkpoint,
    read_curve,
    write_curve,
)
from sysgen_local.training.settings import Device, Schedule
from sysgen_local.training.torch_model import libraries


@dataclass(frozen=True, slots=True)
class Trained:
    """`finished` is False where it was stopped; the same call takes it up again."""

    finished: bool
    points: list[Point]


def run(
    model: Any,
    tokenizer: Any,
    training: Sequence[Example],
    held_out: Sequence[Example],
    schedule: Schedule,
    folder: Path,
    device: Device,
    *,
    pack: bool,
    watch: Callable[[Point], None],
    stopping: Callable[[], bool],
) -> Trained:
    """Trains the model in place. `watch` is given a point for each step, `stopping` asked behind
    each whether to end with a checkpoint."""
    with libraries():
        from datasets import Dataset, disable_caching
        from datasets.utils import logging as datasets_logging
        from trl import SFTConfig, SFTTrainer
        from trl.trainer.sft_trainer import DataCollatorForLanguageModeling
    disable_caching()
    datasets_logging.disable_progress_bar()
    step, resumed = last_checkpoint(folder) or (0, None)
    points = [point for point in read_curve(folder) if point.step <= step]
    write_curve(folder, points)
    following = _Following(schedule, points, folder, watch, stopping)
    config = SFTConfig(
        output_dir=str(folder / CHECKPOINTS),
        num_train_epochs=schedule.epochs,
        per_device_train_batch_size=schedule.at_once,
        per_device_eval_batch_size=schedule.at_once,
        gradient_accumulation_steps=max(1, schedule.batch // schedule.at_once),
        gradient_checkpointing=schedule.checkpointing,
        learning_rate=schedule.learning_rate,
        weight_decay=schedule.weight_decay,
        lr_scheduler_type="cosine",
        warmup_steps=schedule.warmup,
        max_grad_norm=1.0,
        bf16=schedule.precision == "bfloat16",
        use_cpu=device == "cpu",
        seed=schedule.seed,
        data_seed=schedule.seed,
        logging_steps=1,
        logging_first_step=True,
        eval_strategy="epoch" if held_out else "no",
        save_strategy="no",
        save_total_limit=2,
        report_to="none",
        disable_tqdm=True,
        packing=False,
        padding_free=pack,
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
        remove_unused_columns=False,
        dataloader_pin_memory=device == "cuda",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        padding = (
            {}
            if pack
            else {
                "data_collator": DataCollatorForLanguageModeling(pad_token_id=_pad_token(tokenizer))
            }
        )
        trainer = SFTTrainer(
            model=model,
            args=config,
            train_dataset=_dataset(Dataset, training),
            eval_dataset=_dataset(Dataset, held_out) if held_out else None,
            processing_class=tokenizer,
            **padding,
            callbacks=[following.callback()],
        )
        for callback in ("PrinterCallback", "ProgressCallback"):
            _remove(trainer, callback)
        trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
    return Trained(not following.stopped, following.points)


class _Following:
    """Follows a training: keeps its curve, makes checkpoints by time, and ends it when asked."""

    def __init__(
        self, schedule: Schedule, points: list[Point], folder: Path,
        watch: Callable[[Point], None], stopping: Callable[[], bool],
    ) -> None:  # fmt: skip
        self.points = points
        self.stopped = False
        self._schedule = schedule
        self._folder = folder
        self._watch = watch
        self._stopping = stopping
        self._tokens_before = points[-1].tokens if points else 0
        self._seconds_before = points[-1].seconds if points else 0.0

    def callback(self) -> Any:
        """The callback for transformers' trainer."""
        from transformers import TrainerCallback

        outer = self

        class Callback(TrainerCallback):  # type: ignore[misc]
            def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
                self.began = self.saved = time.monotonic()
                self.tokens = 0

            def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> Any:
                minutes = (time.monotonic() - self.saved) / 60
                if outer._stopping() and state.global_step < state.max_steps:
                    outer.stopped = True
                    control.should_training_stop = True
                    control.should_save = True
                elif minutes >= outer._schedule.checkpoint_minutes:
                    control.should_save = True
                return control

            def on_save(self, args: Any, state: Any, control: Any, **more: Any) -> None:
                self.saved = time.monotonic()

            def on_log(
                self, args: Any, state: Any, control: Any, logs: Any = None, **more: Any
            ) -> None:
                logs = logs or {}
                if "loss" not in logs and "eval_loss" not in logs:
                    return
                self.tokens = int(logs.get("num_tokens", self.tokens))
                outer._add(
                    Point(
                        state.global_step,
                        state.max_steps,
                        round(state.epoch or 0.0, 4),
                        _number(logs.get("loss")),
                        _number(logs.get("eval_loss")),
                        _number(logs.get("learning_rate")),
                        outer._tokens_before + self.tokens,
                        outer._seconds_before + time.monotonic() - self.began,
                    )
                )

        return Callback()

    def _add(self, point: Point) -> None:
        self.points.append(point)
        add_point(self._folder, point)
        self._watch(point)


def _dataset(kind: Any, examples: Sequence[Example]) -> Any:
    return kind.from_dict(
        {
            "input_ids": [example.tokens for example in examples],
            "labels": [example.labels for example in examples],
        }
    )


def _pad_token(tokenizer: Any) -> int:
    for token in (tokenizer.pad_token_id, tokenizer.eos_token_id):
        if token is not None:
            return int(token)
    return 0


def _remove(trainer: Any, name: str) -> None:
    for callback in list(trainer.callback_handler.callbacks):
        if type(callback).__name__ == name:
            trainer.remove_callback(callback)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
