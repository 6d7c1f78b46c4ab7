"""Evaluates a model on video: the benefit of its memory, the stability of its masks, and its recovery after events."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rtseg.bench.temporal.clips import BenchClip
from rtseg.bench.temporal.events import SPLICED, measure_recognition, splice_faults
from rtseg.bench.temporal.stabilizing import (
    FRAME_BY_FRAME,
    STABILIZED,
    USUAL_VARIANTS,
    PipelineVariant,
    VariantMetrics,
    compare_variants,
    variant_curves,
)
from rtseg.engines.base import Engine
from rtseg.system.machine import describe_machine
from rtseg.wall_clock import utc_now

MAX_FLICKER_RATIO, MAX_LAG_FRAMES = 0.5, 1.0  # goals: maximum flicker relative to frame by frame, and maximum lag in frames
DICE_TOLERANCE = 0.001  # Dice differences up to this count as equal


def bench_video(
    engine: Engine,
    simulated: Mapping[str, Sequence[BenchClip]],
    scans: Sequence[BenchClip],
    progress: Callable[[str], None],
    variants: Mapping[str, PipelineVariant] = USUAL_VARIANTS,
) -> dict[str, Any]:
    """Compare variants on each group of clips and measure recovery; return plain values.

    simulated: stills in simulated motion with exact ground truth, by kind of corruption. scans: real frames seconds apart, in
    order of time. Their motion is too large for optical flow, so that their flicker only ranks the variants.
    progress: called with a description of each part as it starts. variants: with the names of the usual ones. The events are
    recognized on the frames, whatever the variants change.
    """
    report: dict[str, Any] = {"model": engine.spec.name, "began_at": utc_now(), "machine": describe_machine()}
    rows = {name: compare_variants(engine, clips, progress, variants) for name, clips in simulated.items()}
    report["simulated"] = rows
    report["goals"] = {name: check_goals(row) for name, row in rows.items()}
    if scans:
        report["scans"] = compare_variants(engine, scans, progress, variants)
    first = [clip for clips in simulated.values() for clip in clips[:1]]
    progress("events")
    report["events"] = [measure_recognition(engine, faulty, SPLICED) for clip in first[:1] if (faulty := splice_faults(clip))]
    progress("curves")
    return report | {"curves": {clip.name: variant_curves(engine, clip, variants) for clip in first}}


def check_goals(rows: Mapping[str, VariantMetrics]) -> dict[str, Any]:
    """Compare the stabilized variant with the network frame by frame, and check the goals."""
    alone, steady = rows[FRAME_BY_FRAME], rows[STABILIZED]
    ratio = _ratio(steady["flicker"], alone["flicker"])
    gain = round((steady["dice"] or 0) - (alone["dice"] or 0), 6)
    lag = steady["lag_frames"]
    met = {
        "flicker": ratio is not None and ratio <= MAX_FLICKER_RATIO,
        "dice": gain >= 0,
        "dice_within_0.001": gain >= -DICE_TOLERANCE,
        "lag": lag is not None and lag <= MAX_LAG_FRAMES,
    }
    return {"flicker_ratio": ratio, "dice_gain": gain, "lag_frames": lag, "met": met}


def _ratio(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else round(part / whole, 4)
