"""Trains a tracker on objects of several datasets, and saves checkpoints of averaged weights."""

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
from rtseg.train.averaged_training import AveragedTraining
from rtseg.train.checkpoint import damage_as_config_error, write_values
from rtseg.train.config import LossConfig, ScheduleConfig, TrainConfig
from rtseg.train.interruption import defer_interrupts
from rtseg.train.loss import segmentation_loss
from rtseg.train.own_threads import own_threads
from rtseg.train.toml_table import parse_table
from rtseg.train.tracking.object_clips import MIN_AREA_PX, ObjectClip, ObjectSampler
from rtseg.train.tracking.tracking_config import TrackingConfig, read_tracking_config
from rtseg.train.training_progress import TrainingProgress

CHECKPOINT = "last.pt"
OBJECT = "object"  # the class, with a number behind it where there are several
MAX_OBJECTS = 8  # in one file: each takes a decoder's time
_SAVE_S = 60.0


class TrackerTraining(AveragedTraining):
    """Trains a tracker."""

    network: Tracker

    def __init__(self, config: TrackingConfig) -> None:
        torch.manual_seed(config.schedule.seed)
        self.config = config
        network = Tracker(config.encoder)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a fifth faster
        group = {"params": list(network.parameters()), "weight_decay": config.schedule.weight_decay, "share": 1.0}
        super().__init__(network, Tracker(config.encoder), [group], config.schedule)

    def loss(self, clip: ObjectClip) -> Tensor:
        """Return the loss of a batch (T, N, ...)."""
        if self.progress >= self.config.norms_frozen_from:
            _freeze_norms(self.network)
        frames = (torch.from_numpy(clip.frames).float()[:, :, None] - self.config.mean) / self.config.std
        truth = torch.from_numpy(clip.truth)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.config.precision == "bfloat16"):
            logits, present = self.network.clip(frames, torch.from_numpy(clip.prompts), torch.from_numpy(clip.mask_faults))
        shown = (truth.sum((2, 3, 4)) >= MIN_AREA_PX).float()
        loss: Tensor = segmentation_loss(logits.float(), truth, LossConfig())
        return loss + self.config.presence * functional.binary_cross_entropy_with_logits(present.float(), shown)

    def save(self, path: Path) -> None:
        """Write the whole state atomically. Raises SinkError."""
        write_values(path, {"tracking": asdict(self.config), **self.values()})

    def load(self, path: Path) -> None:
        """Restore the state from a checkpoint. Raises ConfigError."""
        config, values = read_tracker_checkpoint(path)
        if config != self.config:
            raise ConfigError(f"{path} was trained with other settings: go on with those, or train into another folder")
        with damage_as_config_error(path):
            self.restore(values)


def _freeze_norms(network: nn.Module) -> None:
    """Let the BatchNorms normalize by their running statistics, as they will in use.

    The frames of a prompt have other statistics than those after them, and a batch holds one place in time: a network that was
    only trained by the statistics of its batches follows nothing once they are gone.
    """
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


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
        elif config.start:
            _start_from(training, Path(config.start))
        try:
            _train_to_end(training, samplers, out)
        finally:
            with defer_interrupts():
                training.save(out / CHECKPOINT)
    return out / CHECKPOINT


def _start_from(training: TrackerTraining, path: Path) -> None:
    """Begin from the weights of another training. Raises ConfigError."""
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
        for network in (training.network, training.average):
            network.load_state_dict(weights)
    except Exception:  # noqa: BLE001  torch.load raises any exception, and its messages recommend unsafe options
        raise ConfigError(f"{path} holds no weights of this tracker: name a file that `weights` wrote") from None


def write_weights(checkpoint: Path | str, path: Path | str) -> None:
    """Write the newest weights of a checkpoint in half precision, from which another training may start. Raises ConfigError."""
    _, values = read_tracker_checkpoint(checkpoint)
    write_values(Path(path), {name: one.half() if one.is_floating_point() else one for name, one in values["network"].items()})


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
    parts = (np.stack([getattr(clip, name) for clip in clips], 1) for name in ("frames", "truth", "prompts", "mask_faults"))
    return ObjectClip(*parts)


def export_tracker(checkpoint: Path | str, path: Path | str, *, objects: int = 1) -> float:
    """Write the averaged tracker of a checkpoint as an ONNX file; return its largest relative difference from torch.

    objects: how many it follows at once in one picture, 1 to MAX_OBJECTS. Raises ConfigError, ModelError.
    """
    if not 1 <= objects <= MAX_OBJECTS:
        raise ConfigError(f"a file follows {objects} objects: give 1 to {MAX_OBJECTS}")
    config, values = read_tracker_checkpoint(checkpoint)
    network = Tracker(config.encoder, objects=objects)
    with damage_as_config_error(checkpoint):
        network.load_state_dict(values["average"])
    states = state_specs(network, config.size)
    classes = (OBJECT,) if objects == 1 else tuple(f"{OBJECT} {place}" for place in range(1, objects + 1))
    name = config.name if objects == 1 else f"{config.name}-{objects}"
    spec = ModelSpec(name, config.size, classes, (config.mean,), (config.std,), states, single=classes)
    return export(network.eval(), spec, path)
