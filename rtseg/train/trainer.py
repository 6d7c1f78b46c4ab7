"""Trains a network step by step: the loss of a batch, the optimizer, and the averaged weights of which the model is made."""

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rtseg.errors import ConfigError
from rtseg.models import Composition
from rtseg.train.checkpoint import build_network, damage_as_config_error, initial_network, read_checkpoint, write_checkpoint
from rtseg.train.clips import TrainingClip
from rtseg.train.config import TrainConfig
from rtseg.train.consistency import coherence_loss, distillation_loss
from rtseg.train.loss import segmentation_loss
from rtseg.train.network_input import clip_input
from rtseg.train.step_clock import StepClock
from rtseg.train.teacher import TeacherEnsemble

_PARTS = ("average", "network", "optimiser")
_MOMENTS = ("exp_avg", "exp_avg_sq")  # AdamW's state of each weight
_WARM_UP = 0.03  # share of the training in which the learning rate rises


class Trainer:
    """Holds a network in training, its averaged copy, the optimizer and the progress.

    steps: total number of steps, which counts if the config gives no minutes.
    """

    def __init__(self, config: TrainConfig, steps: int, teacher: TeacherEnsemble | None = None) -> None:
        torch.manual_seed(config.schedule.seed)
        self.config, self.steps, self._teacher = config, steps, teacher
        self._clock = StepClock(config.schedule.clock)
        self.network = initial_network(config).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # twice as fast
        self.average = build_network(config)
        self.average.load_state_dict(self.network.state_dict())
        self.optimiser = torch.optim.AdamW(_parameter_groups(self.network, config), lr=config.schedule.learning_rate)
        self.step, self.seconds = 0, 0.0
        self.losses: list[float] = []
        self.dice: list[tuple[int, float]] = []  # step and mean Dice of each measurement on held-out subjects

    @property
    def progress(self) -> float:
        """Return the completed share of the training, in [0, 1]."""
        minutes = self.config.schedule.minutes
        return min(1.0, self.seconds / 60 / minutes if minutes else self.step / self.steps)

    def train_step(self, clip: TrainingClip) -> float:
        """Train one step on a batch and return its loss. Raises ConfigError if it is not finite."""
        self._clock.start_step()
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.schedule.learning_rate * group["share"] * _learning_rate_share(self.progress)
        frames, truth = clip_input(clip.frames, self.config), torch.from_numpy(clip.truth)
        with torch.autocast("cpu", torch.bfloat16, enabled=_has_bfloat16()):
            logits, features = self.network.clip_features(frames)
            auxiliary = self.network.auxiliary_loss(features, truth.flatten(0, 1))
        loss: Tensor = segmentation_loss(logits, truth, self.config.loss) + self.config.loss.heads * auxiliary
        loss = loss + self._consistency(logits, clip)
        if not torch.isfinite(loss):
            raise ConfigError(f"the loss is {loss.item()} at step {self.step}: lower learning_rate and train again")
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), self.config.schedule.clip_gradient)
        self.optimiser.step()
        self._update_average()
        self.losses.append(round(loss.item(), 5))
        self.seconds += self._clock.end_step()
        return self.losses[-1]

    def _consistency(self, logits: Tensor, clip: TrainingClip) -> Tensor:
        """Return the weighted losses of the agreement along the motion and with the teacher."""
        loss = torch.zeros(())
        if clip.motion is not None:
            loss = loss + self.config.schedule.coherence * coherence_loss(logits, torch.from_numpy(clip.motion))
        if self._teacher:
            soft = self._teacher.soft_targets(clip.frames)
            loss = loss + self.config.teacher.weight * distillation_loss(logits, soft)
        return loss

    @torch.no_grad()
    def _update_average(self) -> None:
        """Update the moving average of weights and statistics, faster at the beginning."""
        self.step += 1
        share = 1 - min(self.config.schedule.average, (1 + self.step) / (10 + self.step))
        new = self.network.state_dict()
        for name, value in self.average.state_dict().items():
            value.lerp_(new[name], share) if value.is_floating_point() else value.copy_(new[name])

    def save(self, path: Path) -> None:
        """Write the whole state atomically. Raises SinkError."""
        parts = {name: getattr(self, name).state_dict() for name in _PARTS}
        write_checkpoint(path, self.config, {**parts, **self._progress()})

    def _progress(self) -> dict[str, Any]:
        return {"step": self.step, "seconds": self.seconds, "losses": self.losses, "dice": self.dice}

    def load(self, path: Path) -> None:
        """Restore the state from a checkpoint. Raises ConfigError."""
        config, values = read_checkpoint(path)
        if config != self.config:
            raise ConfigError(f"{path} was trained with other settings: go on with those, or train into another folder")
        with damage_as_config_error(path):
            self._restore(values)

    def _restore(self, values: dict[str, Any]) -> None:
        for name in _PARTS:
            getattr(self, name).load_state_dict(values[name])
        if any(past[name].shape != value.shape for value, past in self.optimiser.state.items() for name in _MOMENTS):
            raise ValueError("moments of other weights, which load_state_dict takes unseen")
        self.step, self.seconds, self.losses = int(values["step"]), float(values["seconds"]), list(values["losses"])
        self.dice = [(int(step), float(value)) for step, value in values.get("dice", ())]


def _has_bfloat16() -> bool:
    """Return True if this processor multiplies bfloat16 itself; emulated, a step takes ten times as long as in float32."""
    found: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # of torch 2.6 and later
    return bool(found.get("avx512_bf16") or found.get("amx_bf16") or found.get("bf16"))


def _learning_rate_share(progress: float) -> float:
    """Return the share of the full learning rate: a short rise, then a cosine decay to 0."""
    return min(1.0, (progress + 1e-3) / _WARM_UP) * 0.5 * (1 + math.cos(math.pi * progress))


def _parameter_groups(network: Composition, config: TrainConfig) -> list[dict[str, Any]]:
    """Return AdamW's parameter groups: weight decay for weights only, and a separate learning rate for the encoder."""
    encoder = set(network.encoder.parameters())
    groups: dict[tuple[bool, bool], list[Tensor]] = {}
    for value in network.parameters():
        groups.setdefault((value in encoder, value.ndim > 1), []).append(value)
    return [
        {
            "params": values,
            "weight_decay": config.schedule.weight_decay if shrinks else 0.0,
            "share": config.network.encoder_rate if inside else 1.0,
        }
        for (inside, shrinks), values in groups.items()
    ]
