"""Measures beats, volumes and diameters on phantoms whose truth is exact, with early beats, dropped frames and probe motion."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.cycle_state import END_DIASTOLE, END_SYSTOLE, PEAK_SYSTOLE
from rtseg.measure.cycle_monitor import CycleMonitor
from rtseg.measure.heart_cycle import find_beats
from rtseg.measure.ventricle import disc_volume
from rtseg.measure.vessel import lumen_diameter
from rtseg.sources.synthetic.probe import SyntheticProbe, open_synthetic

Curve = npt.NDArray[np.float64]

FPS, SECONDS = 30.0, 14.0
DROPPED = 0.1  # share of the frames
RATES = (45.0, 150.0)  # beats per minute
_EARLY_AFTER = ((3, 5), (8, 9))  # beats after which one comes too early
_EDGE_BEATS = (0.5, 1.0)  # at the start and the end of a stream, whose moments may not have turned yet
_DRIFT_MM = 4.0


@dataclass(slots=True)
class PhantomRun:
    """Holds what was found in one phantom, beside the truth."""

    kind: str
    """heart or vessel."""
    seed: int
    bpm: float
    """Exact rate."""
    heart_rate: float | None = None
    """Rate at the end, as found live."""
    off_frames: dict[str, list[float]] = field(default_factory=dict)
    """For each moment, the frames from each true one to the nearest that was found live; rounded to whole frames."""
    late_beats: list[float] = field(default_factory=list)
    """How long after its frame each moment was found, in beats."""
    diameter_errors: list[float] = field(default_factory=list)
    """Relative errors of the diameter of a vessel, in each frame."""
    ejection_error: float | None = None
    """Points between the median ejection fraction and the exact one; None of a vessel."""


def run_phantom(kind: str, seed: int) -> PhantomRun:
    """Measure a phantom with the exact mask of each frame that is not dropped. kind: heart or vessel."""
    rng = np.random.default_rng(seed)
    bpm, frames = float(rng.uniform(*RATES)), round(SECONDS * FPS)
    beat = 60 / bpm * FPS
    early = (round(rng.uniform(first, last) * beat) for first, last in _EARLY_AFTER)
    faults = ",".join(f"early@{at}" for at in early if at < frames)
    probe = open_synthetic(
        f"{kind}?seed={seed}&height=240&width=320&fps={FPS:g}&bpm={bpm:.3f}&drift_mm={_DRIFT_MM:g}&faults={faults}"
    )
    values = _values(probe, kind, np.flatnonzero(rng.random(frames) >= DROPPED), frames)
    run, monitor = PhantomRun(kind, seed, bpm), CycleMonitor(kind, is_lumen=kind == "vessel")
    found: dict[str, list[int]] = {}
    for index in np.flatnonzero(np.isfinite(values)).tolist():
        state = monitor.observe(index, index / FPS, float(values[index]))
        run.heart_rate = state.heart_rate
        for mark in state.marks:
            found.setdefault(mark.moment, []).append(mark.index)
            run.late_beats.append((index - mark.index) / beat)
    run.off_frames = {
        moment: [_nearest(found.get(moment, []), at) for at in exact]
        for moment, exact in _true_moments(probe, kind, beat, frames).items()
    }
    if kind == "vessel":
        exact_mm = np.array([2 * probe.radius_mm(index) for index in range(frames)])
        run.diameter_errors = (values / exact_mm - 1)[np.isfinite(values)].tolist()
    else:
        run.ejection_error = _ejection_error(probe, values, frames)
    return run


def summarize_runs(runs: Sequence[PhantomRun]) -> dict[str, Any]:
    """Return the figures over all runs of one kind."""
    rates = [abs(run.heart_rate / run.bpm - 1) if run.heart_rate else 1.0 for run in runs]
    late = [one for run in runs for one in run.late_beats]
    told: dict[str, Any] = {
        "streams": len(runs),
        "heart_rate_error_median": float(np.median(rates)),
        "heart_rate_error_worst": float(max(rates)),
        "found_after_beats_median": float(np.median(late)),
        "found_after_beats_p95": float(np.percentile(late, 95)),
    }
    for moment in runs[0].off_frames:
        off = np.array([one for run in runs for one in run.off_frames[moment]])
        told[moment] = {"beats": len(off), "within_a_frame": float(np.mean(off <= 1)), "missed": float(np.mean(off > 3))}
    errors = np.abs([one for run in runs for one in run.diameter_errors])
    if len(errors):
        told["diameter_error"] = {
            "mean": float(errors.mean()),
            "p99": float(np.percentile(errors, 99)),
            "worst": float(errors.max()),
        }
    points = [abs(run.ejection_error) for run in runs if run.ejection_error is not None]
    if points:
        told["ejection_fraction_points"] = {"median": float(np.median(points)), "worst": float(max(points))}
    return told


def _values(probe: SyntheticProbe, kind: str, seen: Iterable[int], frames: int) -> Curve:
    values, spacing_mm = np.full(frames, np.nan), probe.info.spacing_mm
    assert spacing_mm is not None
    measure = lumen_diameter if kind == "vessel" else disc_volume
    for index in seen:
        value = measure(probe.truth(index) > 0, spacing_mm)
        values[index] = np.nan if value is None else value
    return values


def _true_moments(probe: SyntheticProbe, kind: str, beat: float, frames: int) -> dict[str, Curve]:
    """Return each moment in frames, without those at the ends of the stream: end-diastole between frames, the other on one."""
    at = np.arange(frames, dtype=np.float64)
    beats = np.array([probe.beats(index) for index in range(frames)])
    radius = np.array([probe.radius_mm(index) for index in range(frames)])
    turned, second = (radius, PEAK_SYSTOLE) if kind == "vessel" else (-radius, END_SYSTOLE)
    numbers = np.floor(beats)
    within = [np.flatnonzero(numbers == number) for number in np.unique(numbers)[1:-1]]
    exact = {
        END_DIASTOLE: np.interp(np.arange(np.ceil(beats[0]), beats[-1]), beats, at),
        second: np.array([of_beat[np.argmax(turned[of_beat])] for of_beat in within], np.float64),
    }
    low, high = _EDGE_BEATS[0] * beat, frames - 1 - _EDGE_BEATS[1] * beat
    return {moment: times[(times > low) & (times < high)] for moment, times in exact.items()}


def _nearest(found: Sequence[int], at: float) -> float:
    return float(np.round(np.abs(np.array(found, float) - at)).min()) if found else np.inf


def _ejection_error(probe: SyntheticProbe, values: Curve, frames: int) -> float:
    """Return the points between the median ejection fraction and the exact one, in percent."""
    exact = np.array([probe.volume_ml(index) for index in range(frames)])
    beats = find_beats(np.arange(frames) / FPS, values)
    shares = [1 - values[beat.end_systole] / values[beat.end_diastole] for beat in beats]
    return float(100 * (np.median(shares) - (1 - exact.min() / exact.max()))) if shares else np.inf
