"""Predict the age of the results of a live stream: measured work behind a mailbox in which the newest frame wins.

The model is a queue with one place and replacement. Work times are taken in the order in which they were measured, since a busy
machine is slow for many frames in a row. The waiting of `FramePacer` is that of the stream itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, nan

import numpy as np

from rtseg.bench.deadline.stage_times import FrameTimes, StageTimes
from rtseg.sources.live.frame_pacing import FramePacer

MAX_MISSES = 0.01  # share of frames that may miss a deadline for the 99th percentile
_MIN_FRAMES = 2000  # of the simulated stream


@dataclass(frozen=True, slots=True)
class DeadlineVerdict:
    """States whether a deadline will hold."""

    fps: float
    """Frame rate of the stream."""
    limit_ms: float
    """The deadline, from the arrival of a frame to its result."""
    p99_ms: float
    """Predicted 99th percentile of that time over all frames; infinite where more than one in a hundred is dropped."""
    misses: float
    """Predicted share of frames that are dropped or late."""
    dropped: float
    """Predicted share of frames that are dropped."""
    binding: str
    """The stage without which the 99th percentile of the work would fall most; "" where nothing was measured."""
    binding_ms: float
    """By how much it would fall."""

    @property
    def holds(self) -> bool:
        """Return whether at most one in a hundred frames will miss the deadline."""
        return self.misses <= MAX_MISSES


def predict(measured: StageTimes, limit_ms: float, fps: float | None = None) -> DeadlineVerdict:
    """Return whether a deadline will hold. fps: another rate than the measured one."""
    rate = fps or measured.fps
    if not measured.frames:
        return DeadlineVerdict(rate, limit_ms, inf, 1.0, 1.0, "", nan)
    ages_ns = simulate(measured.frames, round(1e9 / rate))
    lost = np.isinf(ages_ns)
    binding, saved_ms = binding_stage(measured.frames)
    p99_ms = float(np.sort(ages_ns)[max(0, int(np.ceil(0.99 * len(ages_ns))) - 1)]) / 1e6
    return DeadlineVerdict(
        rate, limit_ms, p99_ms, float(np.mean(ages_ns > 1e6 * limit_ms)), float(lost.mean()), binding, saved_ms
    )


def simulate(frames: Sequence[FrameTimes], period_ns: int) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Return the age of the result of each frame in nanoseconds, one frame every `period_ns`; infinite where it is dropped.

    frames: measured times, which are repeated in their order.
    """
    count = max(_MIN_FRAMES, len(frames))
    ages = np.full(count, inf)
    pacer, taken, free_ns, number = FramePacer(), -1, -1, 0
    while taken < count - 1:
        times = frames[number % len(frames)]
        newest = free_ns // period_ns  # the newest frame that has arrived when the work on the last one ends
        if newest > taken:
            newest, began_ns = _paced(pacer, newest, free_ns, period_ns)
        else:
            newest = taken + 1
            began_ns = newest * period_ns + times.wake_ns
        if newest >= count:
            break
        pacer.work_started(began_ns)
        free_ns = began_ns + times.work_ns
        pacer.work_finished(free_ns)
        ages[newest] = free_ns - newest * period_ns
        taken, number = newest, number + 1
    return ages[: max(1, taken + 1)]


def _paced(pacer: FramePacer, newest: int, now_ns: int, period_ns: int) -> tuple[int, int]:
    """Return the frame that is taken and when, where one has arrived already: it, or the one after it if that is near."""
    for frame in range(max(0, newest - 1), newest + 1):
        pacer.frame_arrived(frame * period_ns)
    next_ns = (newest + 1) * period_ns
    return (newest + 1, next_ns) if next_ns - now_ns <= 1e9 * pacer.max_wait_s(now_ns) else (newest, now_ns)


def binding_stage(frames: Sequence[FrameTimes]) -> tuple[str, float]:
    """Return the stage without which the 99th percentile of the work falls most, and by how many milliseconds."""
    names = dict.fromkeys(name for frame in frames for name in frame.stages_ns)
    work = np.array([frame.work_ns for frame in frames], np.float64)
    p99 = np.percentile(work, 99)
    saved = {
        name: float(p99 - np.percentile(work - [frame.stages_ns.get(name, 0) for frame in frames], 99)) / 1e6 for name in names
    }
    name = max(saved, key=lambda one: saved[one])
    return name, saved[name]
