"""Trains a tracker on objects of several datasets, and saves checkpoints of averaged weights."""

import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from rtseg.engines.base import ModelSpec
from rtseg.engines.convert.export_torch import export
from rtseg.engines.convert.third_party import state_specs
from rtseg.errors import ConfigError
from rtseg.evaluation.dataset import open_dataset, split
from rtseg.models.tracker import Tracker
from rtseg.output.atomic_file import write_or_refuse
from rtseg.output.private_file import locked_folder
from rtseg.text.safe_text import json_text
from rtseg.train.checkpoint import damage_as_config_error, write_values
from rtseg.train.config import LossConfig, ScheduleConfig, TrainConfig
from rtseg.train.interruption import defer_interrupts
from rtseg.train.loss import segmentation_loss
from rtseg.train.own_threads import own_threads
from rtseg.train.step_clock import StepClock
from rtseg.train.toml_table import parse_table
from rtseg.train.tracking.object_clips import MIN_AREA_PX, ObjectClip, ObjectSampler
from rtseg.train.tracking.tracking_config import TrackingConfig, read_tracking_config
from rtseg.train.training_progress import TrainingProgress

CHECKPOINT = "last.pt"
OBJECT = "object"  # the only class
_SAVE_S = 60.0
_WARM_UP = 0.03  # share of the training in which the learning rate rises
_PARTS = ("network", "average", "optimizer")


class TrackerTraining:
    """Holds a tracker in training, its averaged copy, the optimizer and the progress."""

    def __init__(self, config: TrackingConfig) -> None:
        torch.manual_seed(config.schedule.seed)
        self.config, self.network, self.average = config, Tracker(config.encoder), Tracker(config.encoder)
        self.average.load_state_dict(self.network.state_dict())
        schedule = config.schedule
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay
        )
        self.step, self.seconds = 0, 0.0
        self.losses: list[float] = []
        self._clock = StepClock(schedule.clock)

    @property
    def progress(self) -> float:
        """Return the completed share of the training, in [0, 1]."""
        return min(1.0, self.seconds / 60 / self.config.schedule.minutes)

    def train_step(self, clip: ObjectClip) -> float:
        """Train one step on a batch (T, N, ...) and return its loss. Raises ConfigError if it is not finite."""
        self._clock.start_step()
        share = min(1.0, (self.progress + 1e-3) / _WARM_UP) * 0.5 * (1 + math.cos(math.pi * self.progress))
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.schedule.learning_rate * share
        loss = self._loss(clip)
        if not torch.isfinite(loss):
            raise ConfigError(f"the loss is {loss.item()} at step {self.step}: lower learning_rate and train again")
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), self.config.schedule.clip_gradient)
        self.optimizer.step()
        self._update_average()
        self.losses.append(round(loss.item(), 5))
        self.seconds += self._clock.end_step()
        return self.losses[-1]

    def _loss(self, clip: ObjectClip) -> Tensor:
        frames = (torch.from_numpy(clip.frames).float()[:, :, None] - self.config.mean) / self.config.std
        truth = torch.from_numpy(clip.truth)
        logits, present = self.network.clip(frames, torch.from_numpy(clip.prompts))
        shown = (truth.sum((2, 3, 4)) >= MIN_AREA_PX).float()
        loss: Tensor = segmentation_loss(logits, truth, LossConfig())
        return loss + self.config.presence * functional.binary_cross_entropy_with_logits(present, shown)

    @torch.no_grad()
    def _update_average(self) -> None:
        self.step += 1
        share = 1 - min(self.config.schedule.average, (1 + self.step) / (10 + self.step))
        new = self.network.state_dict()
        for name, value in self.average.state_dict().items():
            value.lerp_(new[name], share) if value.is_floating_point() else value.copy_(new[name])

    def save(self, path: Path) -> None:
        """Write the whole state atomically. Raises SinkError."""
        values = {name: getattr(self, name).state_dict() for name in _PARTS}
        progress = {"step": self.step, "seconds": self.seconds, "losses": self.losses}
        write_values(path, {"tracking": asdict(self.config), **values, **progress})

    def load(self, path: Path) -> None:
        """Restore the state from a checkpoint. Raises ConfigError."""
        config, values = read_tracker_checkpoint(path)
        if config != self.config:
            raise ConfigError(f"{path} was trained with other settings: go on with those, or train into another folder")
        with damage_as_config_error(path):
            for name in _PARTS:
                getattr(self, name).load_state_dict(values[name])
            self.step, self.seconds, self.losses = int(values["step"]), float(values["seconds"]), list(values["losses"])


def read_tracker_checkpoint(path: Path | str) -> tuple[TrackingConfig, dict[str, Any]]:
    """Read the config and the values of a checkpoint. Raises ConfigError."""
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
        config = values.pop("tracking")
    except Exception:  # noqa: BLE001  torch.load raises any exception, and its messages recommend unsafe options
        raise ConfigError(f"{path} is no checkpoint of a tracker: name a last.pt that `rtseg.train.tracking` wrote") from None
    with damage_as_config_error(path):
        schedule = parse_table(ScheduleConfig, config.pop("schedule"), str(path))
        return parse_table(TrackingConfig, {**config, "schedule": schedule}, str(path)), values


def train_tracker(config_path: Path | str, out: Path | str, *, resume: bool = False, threads: int = 1) -> Path:
    """Train the tracker of a TOML file, and return the path of its checkpoint, OUT/last.pt.

    resume: continue from there. Ctrl-C stops after the current step and saves. Raises ConfigError, DatasetError, SinkError.
    """
    config, out = read_tracking_config(config_path), Path(out)
    if (out / CHECKPOINT).exists() is not resume:
        raise ConfigError(
            f"{out / CHECKPOINT} is {'not there' if resume else 'there'}: give a new folder, or its with --resume"
        )
    training = TrackerTraining(config)
    with locked_folder(out), own_threads(threads):
        samplers = [_sampler(one, config, out) for one in config.datasets()]
        if resume:
            training.load(out / CHECKPOINT)
        try:
            _train_to_end(training, samplers, out)
        finally:
            with defer_interrupts():
                training.save(out / CHECKPOINT)
    return out / CHECKPOINT


def _sampler(one: TrainConfig, config: TrackingConfig, out: Path) -> ObjectSampler:
    """Open one dataset and note which of its cases are trained on. Raises DatasetError, SinkError."""
    training, held_out = split(open_dataset(one.data.folder), one.data.held_out)
    names = {"training": [case.name for case in training], "held_out": [case.name for case in held_out]}
    write_or_refuse(out / f"split-{one.name}.json", json_text(names, indent=1).encode())
    return ObjectSampler(training, one.classes, config.size, one.data, config.schedule.sparse)


def _train_to_end(training: TrackerTraining, samplers: list[ObjectSampler], out: Path) -> None:
    saved = time.monotonic()
    with TrainingProgress(training.progress) as shown:
        while training.progress < 1:
            batch = _batch(training, samplers)
            with defer_interrupts():  # a partial step could not be resumed
                loss = training.train_step(batch)
            shown.update(training.progress, training.step, loss)
            if time.monotonic() - saved > _SAVE_S:
                training.save(out / CHECKPOINT)
                saved = time.monotonic()


def _batch(training: TrackerTraining, samplers: list[ObjectSampler]) -> ObjectClip:
    """Draw the clips of a step, each of a random dataset; they depend on the seed and the step alone."""
    schedule = training.config.schedule
    clips = []
    for place in range(schedule.batch):
        rng = np.random.default_rng((schedule.seed, training.step, place))
        clips.append(samplers[int(rng.integers(len(samplers)))].draw_object(rng, schedule.clip))
    parts = (np.stack([getattr(clip, name) for clip in clips], 1) for name in ("frames", "truth", "prompts"))
    return ObjectClip(*parts)


def export_tracker(checkpoint: Path | str, path: Path | str) -> float:
    """Write the averaged tracker of a checkpoint as an ONNX file; return its largest relative difference from torch.

    Raises ConfigError, ModelError.
    """
    config, values = read_tracker_checkpoint(checkpoint)
    network = Tracker(config.encoder)
    with damage_as_config_error(checkpoint):
        network.load_state_dict(values["average"])
    states = state_specs(network, config.size)
    spec = ModelSpec(config.name, config.size, (OBJECT,), (config.mean,), (config.std,), states)
    return export(network.eval(), spec, path)
