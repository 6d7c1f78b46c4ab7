"""Combines all temporal benchmarks in one report."""

from collections.abc import Callable, Sequence
from typing import Any

from rtseg.bench.temporal.clips import BenchClip
from rtseg.bench.temporal.events import SCRIPTED, SPLICED, count_false_resets, measure_recognition, scripted_clip, splice_faults
from rtseg.bench.temporal.grabber import measure_duplicates
from rtseg.bench.temporal.stabilizing import compare_variants
from rtseg.engines.base import Engine
from rtseg.system.machine import describe_machine
from rtseg.wall_clock import utc_now

QUIET_FRAMES = 10_000  # of recordings without events
GRABBER_CRF = 20  # H.264 quality of a typical grabber: good, but duplicates are never bit-equal


def bench_temporal(
    engine: Engine,
    recordings: Sequence[BenchClip],
    exact: Sequence[BenchClip],
    progress: Callable[[str], None],
    quiet_frames: int = QUIET_FRAMES,
) -> dict[str, Any]:
    """Measure event recognition, duplicate frames and temporal stability; return plain values.

    recordings: real clips without ground truth. exact: clips with ground truth, on which the variants are compared.
    progress: called with a description of each part as it starts. quiet_frames: total length of the looped recordings.
    """
    head: dict[str, Any] = {"model": engine.spec.name, "began_at": utc_now(), "machine": describe_machine()}
    progress("events")
    events = [measure_recognition(engine, scripted_clip(geometry), SCRIPTED) for geometry in ("linear", "curvilinear")]
    events += [measure_recognition(engine, faulty, SPLICED) for clip in recordings if (faulty := splice_faults(clip))]
    progress("recordings without events")
    quiet = count_false_resets(engine, recordings, quiet_frames)
    progress("a 60 Hz grabber")
    grabber = [measure_duplicates(engine, clip, GRABBER_CRF) for clip in recordings]
    steadiness = compare_variants(engine, exact, progress) if exact else {}
    return {**head, "events": events, "without_events": quiet, "grabber": grabber, "steadiness": steadiness}
