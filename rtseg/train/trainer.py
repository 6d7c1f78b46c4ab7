"""Trains a network step by step: the loss of a batch, the optimizer, and the averaged weights of which the model is made."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rtseg.errors import ConfigError
from rtseg.models import Composition
from rtseg.train.averaged_training import AveragedTraining
from rtseg.train.checkpoint import build_network, damage_as_config_error, initial_network, read_checkpoint, write_checkpoint
from rtseg.train.clips import TrainingClip
from rtseg.train.config import TrainConfig
from rtseg.train.consistency import coherence_loss, distillation_loss
from rtseg.train.loss import segmentation_loss
from rtseg.train.network_input import clip_input
from rtseg.train.teacher import TeacherEnsemble


class Trainer(AveragedTraining):
    """Trains the network of a configuration.

    steps: total number of steps, which counts if the config gives no minutes.
    """

    network: Composition

    def __init__(self, config: TrainConfig, steps: int, teacher: TeacherEnsemble | None = None) -> None:
        torch.manual_seed(config.schedule.seed)
        self.config, self._teacher = config, teacher
        network = initial_network(config).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # twice as fast
        super().__init__(network, build_network(config), _parameter_groups(network, config), config.schedule, steps)
        self.dice: list[tuple[int, float]] = []  # step and mean Dice of each measurement on held-out subjects

    def loss(self, clip: TrainingClip) -> Tensor:
        """Return the loss of a batch."""
        frames, truth = clip_input(clip.frames, self.config), torch.from_numpy(clip.truth)
        with torch.autocast("cpu", torch.bfloat16, enabled=_has_bfloat16()):
            logits, features = self.network.clip_features(frames)
            auxiliary = self.network.auxiliary_loss(features, truth.flatten(0, 1))
        loss: Tensor = segmentation_loss(logits, truth, self.config.loss) + self.config.loss.heads * auxiliary
        return loss + self._consistency(logits, clip)

    def _consistency(self, logits: Tensor, clip: TrainingClip) -> Tensor:
        """Return the weighted losses of the agreement along the motion and with the teacher."""
        loss = torch.zeros(())
        if clip.motion is not None:
            loss = loss + self.config.schedule.coherence * coherence_loss(logits, torch.from_numpy(clip.motion))
        if self._teacher:
            soft = self._teacher.soft_targets(clip.frames)
            loss = loss + self.config.teacher.weight * distillation_loss(logits, soft)
        return loss

    def save(self, path: Path) -> None:
        """Write the whole state atomically. Raises SinkError."""
        write_checkpoint(path, self.config, {**self.values(), "dice": self.dice})

    def load(self, path: Path) -> None:
        """Restore the state from a checkpoint. Raises ConfigError."""
        config, values = read_checkpoint(path)
        if config != self.config:
            raise ConfigError(f"{path} was trained with other settings: go on with those, or train into another folder")
        with damage_as_config_error(path):
            self.restore(values)
            self.dice = [(int(step), float(value)) for step, value in values.get("dice", ())]


def _has_bfloat16() -> bool:
    """Return True if this processor multiplies bfloat16 itself; emulated, a step takes ten times as long as in float32."""
    found: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # of torch 2.6 and later
    return bool(found.get("avx512_bf16") or found.get("amx_bf16") or found.get("bf16"))


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
