"""Trains a network by gradient steps, with a moving average of its weights, from which the model is made."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from rtseg.errors import ConfigError
from rtseg.train.schedule_config import ScheduleConfig
from rtseg.train.step_clock import StepClock

_PARTS = ("average", "network", "optimiser")
_MOMENTS = ("exp_avg", "exp_avg_sq")  # AdamW's state of each weight
_WARM_UP = 0.03  # share of the training in which the learning rate rises


class AveragedTraining:
    """Holds a network in training, its averaged copy, the optimizer and the progress.

    groups: AdamW's groups of parameters, each with the share of the learning rate that it gets. steps: total number of steps,
    which counts if the schedule gives no minutes.
    """

    def __init__(
        self, network: nn.Module, average: nn.Module, groups: Iterable[dict[str, Any]], schedule: ScheduleConfig, steps: int = 0
    ) -> None:
        self.network, self.average, self.steps, self._schedule = network, average, steps, schedule
        self.average.load_state_dict(self.network.state_dict())
        self.optimiser = torch.optim.AdamW(list(groups), lr=schedule.learning_rate)
        self.step, self.seconds = 0, 0.0
        self.losses: list[float] = []
        self._clock = StepClock(schedule.clock)

    @property
    def progress(self) -> float:
        """Return the completed share of the training, in [0, 1]."""
        minutes = self._schedule.minutes
        return min(1.0, self.seconds / 60 / minutes if minutes else self.step / self.steps)

    def train_step(self, clip: Any) -> float:
        """Train one step on a batch and return its loss. Raises ConfigError if it is not finite."""
        self._clock.start_step()
        for group in self.optimiser.param_groups:
            group["lr"] = self._schedule.learning_rate * group["share"] * _learning_rate_share(self.progress)
        loss = self.loss(clip)
        if not torch.isfinite(loss):
            raise ConfigError(f"the loss is {loss.item()} at step {self.step}: lower learning_rate and train again")
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), self._schedule.clip_gradient)
        self.optimiser.step()
        self._update_average()
        self.losses.append(round(loss.item(), 5))
        self.seconds += self._clock.end_step()
        return self.losses[-1]

    def loss(self, clip: Any) -> Tensor:
        """Return the loss of a batch."""
        raise NotImplementedError

    @torch.no_grad()
    def _update_average(self) -> None:
        """Update the moving average of weights and statistics, faster at the beginning."""
        self.step += 1
        share = 1 - min(self._schedule.average, (1 + self.step) / (10 + self.step))
        new = self.network.state_dict()
        for name, value in self.average.state_dict().items():
            value.lerp_(new[name], share) if value.is_floating_point() else value.copy_(new[name])

    def values(self) -> dict[str, Any]:
        """Return the whole state, for a checkpoint."""
        parts = {name: getattr(self, name).state_dict() for name in _PARTS}
        return {**parts, "step": self.step, "seconds": self.seconds, "losses": self.losses}

    def restore(self, values: Mapping[str, Any]) -> None:
        """Restore the state from the values of a checkpoint. Raises LookupError, RuntimeError, TypeError or ValueError."""
        for name in _PARTS:
            getattr(self, name).load_state_dict(values[name])
        if any(past[name].shape != value.shape for value, past in self.optimiser.state.items() for name in _MOMENTS):
            raise ValueError("moments of other weights, which load_state_dict takes unseen")
        self.step, self.seconds, self.losses = int(values["step"]), float(values["seconds"]), list(values["losses"])


def _learning_rate_share(progress: float) -> float:
    """Return the share of the full learning rate: a short rise, then a cosine decay to 0."""
    return min(1.0, (progress + 1e-3) / _WARM_UP) * 0.5 * (1 + math.cos(math.pi * progress))
