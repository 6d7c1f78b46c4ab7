"""Collect live statistics of a stream's newest frames, from the same traces as the benchmark's report."""

import math
import threading
from collections import deque
from dataclasses import dataclass
from typing import Any

from rtseg.cycle_state import CycleState
from rtseg.frame import StreamInfo
from rtseg.measure.region import Measurement, measure
from rtseg.measured_value import MeasuredValue
from rtseg.overlay import OKABE_ITO
from rtseg.result import Redaction, Result
from rtseg.text.safe_text import clean_values
from rtseg.trace import LatencyTrace

_PLOT_S = 10.0  # time span of the curve: about ten heartbeats


@dataclass(frozen=True, slots=True)
class FrameStats:
    """Holds the statistics of one frame, without its pixels."""

    trace: LatencyTrace
    dropped: int  # frames dropped since the previous one
    life: str  # value of `Life`
    reason: str  # the session's reason for `life`, or ""
    measurements: tuple[Measurement, ...]  # one for each class; empty where they are withheld
    redaction: Redaction | None  # up to this frame; None without a pipeline
    familiarity: float | None  # as in `Segmentation`
    is_unfamiliar: bool
    classes: tuple[str, ...]  # names, also where the measures are withheld
    doubt: str  # as in `Segmentation`
    measures: tuple[MeasuredValue, ...]  # as in `Segmentation`
    cycle: CycleState | None  # as in `Segmentation`
    lost: frozenset[str]  # names of the objects that are lost, which have no area


class LiveStats:
    """Collects the statistics of the newest `window` frames; `snapshot` may be called from any thread."""

    def __init__(self, window: int = 300) -> None:
        self._lock = threading.Lock()
        self._recent = deque[FrameStats](maxlen=window)
        self.open(StreamInfo(1, 1, 25.0))

    def open(self, info: StreamInfo) -> None:
        """Discard the statistics of the previous stream."""
        with self._lock:
            self._recent.clear()
            self._info, self._frames, self._dropped, self._late = info, 0, 0, 0

    def add(self, result: Result) -> None:
        """Add one result."""
        segmentation = result.segmentation
        seen = FrameStats(
            result.trace,
            result.dropped,
            segmentation.life.value,
            segmentation.reason,
            measure(segmentation),
            result.redaction,
            segmentation.familiarity,
            segmentation.is_unfamiliar,
            segmentation.classes,
            segmentation.doubt,
            segmentation.measures,
            segmentation.cycle,
            frozenset(name for name, one in (segmentation.objects or {}).items() if one.lost),
        )
        with self._lock:
            self._recent.append(seen)
            self._frames += 1
            self._dropped += result.dropped
            self._late += result.trace.total_ns > self._info.period_ns

    def snapshot(self) -> dict[str, Any]:
        """Return the statistics as plain values, with None for unknown ones.

        Times are in milliseconds and cover the newest frames; counts cover all frames of the stream.
        """
        with self._lock:
            seen, counts = list(self._recent), {"frames": self._frames, "dropped": self._dropped, "late": self._late}
            period_ns = self._info.period_ns
        if not seen:
            return counts
        told: dict[str, Any] = clean_values(_newest(seen[-1]) | {"curve": _curve(seen)})
        return counts | _speed([one.trace for one in seen], period_ns) | told


def _speed(traces: list[LatencyTrace], period_ns: int) -> dict[str, Any]:
    """Return rate and latency percentiles by rank; filling a `LatencyReport` would block the stream for 10 ms."""
    totals, elapsed_ns = [trace.total_ns for trace in traces], traces[-1].ended_ns - traces[0].ended_ns
    durations: dict[str, list[int]] = {}
    for trace in traces:
        for name, duration_ns in trace.stages_ns.items():
            durations.setdefault(name, []).append(duration_ns)
    return {
        "fps": _finite((len(traces) - 1) * 1e9 / elapsed_ns) if elapsed_ns > 0 else None,
        "period_ms": period_ns / 1e6,
        "stages_ms": {name: _percentile_ms(of_stage, 50) for name, of_stage in durations.items()},
        "p50_ms": _percentile_ms(totals, 50),
        "p99_ms": _percentile_ms(totals, 99),
    }


def _percentile_ms(durations_ns: list[int], percent: int) -> float:
    """Return the percentile of the durations by nearest rank, in milliseconds."""
    rank = math.ceil(percent / 100 * len(durations_ns))
    return round(sorted(durations_ns)[rank - 1] / 1e6, 2)


def _newest(seen: FrameStats) -> dict[str, Any]:
    return {
        "life": seen.life,
        "reason": seen.reason,
        "familiarity": _finite(seen.familiarity),
        "unfamiliar": seen.is_unfamiliar,
        "doubt": seen.doubt,
        "redaction": seen.redaction.to_json() if seen.redaction else None,
        "measures": [{"name": one.name, "title": one.title, **one.to_json()} for one in seen.measures],
        "cycle": _cycle(seen.cycle) if seen.cycle else None,
        "classes": [_class(i, one) for i, one in enumerate(seen.measurements)] or _withheld(seen.classes),
    }


def _cycle(cycle: CycleState) -> dict[str, Any]:
    """Return the state of the beat with the newest moments: the page polls, and would miss those of single frames."""
    latest = {moment: mark.index for moment, mark in (cycle.latest or {}).items()}
    return {"heart_rate": _finite(cycle.heart_rate), "phase": _finite(cycle.phase), "latest": latest}


def _withheld(classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the classes of an unfamiliar picture, whose measures are unknown."""
    measures = ("area_px", "area_mm2", "diameter_px", "diameter_mm", "confidence")
    return [{"name": name, "colour": _colour(i)} | dict.fromkeys(measures) for i, name in enumerate(classes)]


def _colour(index: int) -> str:
    return "#{:02x}{:02x}{:02x}".format(*OKABE_ITO[index % len(OKABE_ITO)])


def _class(index: int, measured: Measurement) -> dict[str, Any]:
    return {
        "name": measured.name,
        "colour": _colour(index),
        "area_px": measured.area_px,
        "area_mm2": _finite(measured.area_mm2),
        "diameter_px": _finite(measured.diameter_px),
        "diameter_mm": _finite(measured.diameter_mm),
        "confidence": _finite(measured.confidence),
    }


def _curve(seen: list[FrameStats]) -> dict[str, Any]:
    """Return each class's area over the newest 10 s; times are in seconds, relative to the newest frame (<= 0)."""
    newest_ns = seen[-1].trace.captured_ns
    recent = [one for one in seen if newest_ns - one.trace.captured_ns <= _PLOT_S * 1e9]
    known = all(measured.area_mm2 is not None for measured in recent[-1].measurements)
    areas = {measured.name: [_area(one, measured.name, known) for one in recent] for measured in recent[-1].measurements}
    times = [round((one.trace.captured_ns - newest_ns) / 1e9, 3) for one in recent]
    return {"seconds": times, "unit": "mm²" if known else "px", "areas": areas}


def _area(seen: FrameStats, name: str, in_mm: bool) -> float | None:
    """Return the class's area in a frame; None when the frame lacks the class or lost it, or its pixel size is unknown."""
    found = next((one for one in seen.measurements if one.name == name and name not in seen.lost), None)
    if found is None:
        return None
    return _finite(found.area_mm2 if in_mm else found.area_px)


def _finite(value: float | None) -> float | None:
    return round(value, 2) if value is not None and math.isfinite(value) else None
