"""Reads when each frame of a DICOM file is shown."""

import statistics
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, pairwise
from typing import Any

from rtseg.sources.files.dicom_header import items, number, numbers, per_frame_groups

_AGREE = 0.25  # relative: two statements of the same rate
_DATE_TIME = "%Y%m%d%H%M%S.%f"


@dataclass(frozen=True, slots=True)
class FrameTiming:
    """Holds when each frame of a file is shown."""

    period_ms: float | None  # time from one frame to the next, None where the file has none
    starts_ms: tuple[float, ...] = ()  # each frame's start, where the file lists it
    note: str = ""  # what is wrong with the stated times

    @property
    def fps(self) -> float | None:
        """Return frames a second; None where the file does not specify it."""
        return 1000 / self.period_ms if self.period_ms else None

    def timestamp_ns(self, index: int) -> int | None:
        """Return a frame's time in nanoseconds after the file's first one; None where it is unknown."""
        if index < len(self.starts_ms):
            return round(self.starts_ms[index] * 1e6)
        if self.period_ms is None:
            return None
        if self.starts_ms:  # frames beyond those that are listed
            return round((self.starts_ms[-1] + (index - len(self.starts_ms) + 1) * self.period_ms) * 1e6)
        return round(index * self.period_ms * 1e6)


def timing(header: Any, frames: int) -> FrameTiming:
    """Return the times by the first plausible of the frames' own, FrameTimeVector, FrameTime and the rates.

    The frames' own are FrameReferenceDateTime and FrameAcquisitionDateTime; of them only the differences are used. The rates
    are ActualFrameDuration, CineRate and RecommendedDisplayFrameRate. frames: how many the file has.
    """
    stated = _periods(header)
    if starts := _reference_times(header):
        return FrameTiming(_sensible(starts[-1] / (len(starts) - 1)), starts)
    steps = _steps(numbers(header.get("FrameTimeVector")), frames)
    note = ""
    if steps:
        if _is_cumulative(steps, stated):
            steps = [steps[0], *(after - before for before, after in pairwise(steps))]
            note = "lists times in FrameTimeVector where increments belong: they are taken as times"
        if min(steps) > 0 and (period := _sensible(sum(steps) / len(steps))):
            return FrameTiming(period, tuple(accumulate(steps, initial=0.0)), note)
        positive = [step for step in steps if step > 0]
        stated += [statistics.median(positive)] if positive and min(steps) == 0 else []
        note = "has steps in FrameTimeVector that are not positive: the frames are taken as evenly spaced"
    period = next((period for period in stated if _sensible(period)), None)
    if period is None and header.get("FrameTime") is not None:
        note = f"states a FrameTime of {number(header, 'FrameTime'):g} ms, which cannot be: give --fps"
    return FrameTiming(period, (), note)


def _periods(header: Any) -> list[float]:
    """Return what the file states as the time from one frame to the next, in ms, the most exact statement first."""
    periods = numbers(header.get("FrameTime")) + numbers(header.get("ActualFrameDuration"))
    for name in ("CineRate", "RecommendedDisplayFrameRate"):
        periods += [1000 / rate for rate in numbers(header.get(name)) if rate > 0]
    return periods


def _steps(vector: list[float], frames: int) -> list[float]:
    """Return the steps between the frames: the vector's first entry, of the first frame, is left out where it is there."""
    if len(vector) < 2 or not any(vector):
        return []
    steps = vector if vector[0] != 0 and len(vector) == frames - 1 else vector[1:]
    return steps[: max(frames - 1, 1)]


def _is_cumulative(steps: list[float], stated: list[float]) -> bool:
    """Return whether a vector holds times since the first frame: those differ by the stated period, and grow."""
    period = next((period for period in stated if _sensible(period)), None)
    if period is None or len(steps) < 3 or any(after <= before for before, after in pairwise(steps)):
        return False
    grows, step = steps[-1] / len(steps), sum(steps) / len(steps)
    return abs(grows - period) <= _AGREE * period < abs(step - period)


def _reference_times(header: Any) -> tuple[float, ...]:
    """Return each frame's start in ms by its own date and time; none unless every frame has one and they increase."""
    times = [_reference_time(group) for group in per_frame_groups(header)]
    known = [time for time in times if time is not None]
    if len(known) < 2 or len(known) < len(times) or any(after <= before for before, after in pairwise(known)):
        return ()
    return tuple((time - known[0]).total_seconds() * 1000 for time in known)


def _reference_time(group: Any) -> datetime | None:
    for content in items(group, "FrameContentSequence")[:1]:
        for name in ("FrameReferenceDateTime", "FrameAcquisitionDateTime"):
            text = str(content.get(name) or "").partition("+")[0].partition("-")[0].strip()
            try:
                return datetime.strptime(text if "." in text else f"{text}.0", _DATE_TIME)
            except ValueError:
                continue
    return None


def _sensible(period_ms: float) -> float | None:
    return period_ms if 1 <= period_ms <= 60_000 else None
