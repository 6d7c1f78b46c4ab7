"""Holds the duration of a training and its optimizer settings, as its configuration states them."""

import math
from dataclasses import dataclass

CLOCKS = ("wall", "cpu")


@dataclass(frozen=True, slots=True)
class ScheduleConfig:
    """Holds the duration of a training and its optimizer settings."""

    epochs: float = 300.0  # number of trained frames over the number of training images; used if `minutes` is 0
    minutes: float = 0.0  # duration of the training; 0: given by `epochs`
    batch: int = 4  # clips a step
    clip: int = 6  # frames a clip
    stills: float = 0.0  # first share of the training, with batch * clip single frames a step: more pictures for equal work
    sparse: float = 0.3  # share of clips made of a subject's real frames in order
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    clip_gradient: float = 1.0  # maximum gradient norm of a step; inf: no limit
    clock: str = "wall"  # what `minutes` counts: "wall", the time of the steps, or "cpu", all CPU time of the process
    coherence: float = 0.0  # weight of the change of the mask along the motion; trains networks without a memory too
    evaluate: int = 0  # number of times that the held-out Dice is measured during the training, for its curve
    patience: int = 0  # end after so many measurements without a better Dice; 0: train to the end
    average: float = 0.998  # decay a step of the averaged weights, from which the model is made
    seed: int = 1


def schedule_problem(schedule: ScheduleConfig) -> str:
    """Return a description of the first invalid setting, or an empty string."""
    if min(schedule.batch, schedule.clip) < 1:
        return "[schedule] batch and clip are above 0"
    if not all(0 <= value < math.inf for value in (schedule.epochs, schedule.minutes)):
        return "[schedule] epochs and minutes are 0 or more, and finite"
    if not schedule.epochs + schedule.minutes:
        return "[schedule] epochs or minutes are above 0"
    if not 0 < schedule.learning_rate < math.inf:
        return "[schedule] learning_rate is above 0, and finite"
    if not (0 <= schedule.sparse <= 1 and 0 <= schedule.stills <= 1 and 0 <= schedule.average < 1):
        return "[schedule] sparse, stills and average lie in 0..1"
    if not 0 <= schedule.weight_decay < math.inf:
        return "[schedule] weight_decay is 0 or more, and finite"
    if not schedule.clip_gradient > 0:
        return "[schedule] clip_gradient is above 0: give inf to clip nothing"
    if not 0 <= schedule.seed < 2**63:
        return "[schedule] seed is 0 or more, and below 2**63"
    return _clip_problem(schedule)


def _clip_problem(schedule: ScheduleConfig) -> str:
    if schedule.clock not in CLOCKS:
        return f"[schedule] clock is {schedule.clock!r}: give {' or '.join(CLOCKS)}"
    if not 0 <= schedule.coherence < math.inf:
        return "[schedule] coherence is 0 or more, and finite"
    if min(schedule.evaluate, schedule.patience) < 0 or (schedule.patience and not schedule.evaluate):
        return "[schedule] evaluate and patience are 0 or more, and patience needs evaluate"
    if schedule.coherence and schedule.clip < 2:
        return "[schedule] coherence compares neighboring frames: give clip 2 or more"
    return ""
