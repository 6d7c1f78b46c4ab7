"""Combines all temporal benchmarks in one report."""

from collections.abc import Callable, Sequence
from typing import Any

from rtseg.bench.temporal.clips import Clip
from rtseg.bench.temporal.events import SCRIPTED, SPLICED, recognised, scripted, spliced, unexplained
from rtseg.bench.temporal.grabber import held
from rtseg.bench.temporal.stabilizing import compared
from rtseg.engines.base import Engine
from rtseg.system.machine import describe

QUIET_FRAMES = 10_000  # of recordings without events
GRABBER_CRF = 20  # H.264 quality of a typical grabber: good, but duplicates are never bit-equal


def bench(
    engine: Engine,
    recordings: Sequence[Clip],
    exact: Sequence[Clip],
    progress: Callable[[str], None],
    quiet_frames: int = QUIET_FRAMES,
) -> dict[str, Any]:
    """Measure event recognition, duplicate frames and temporal stability; return plain values.

    recordings: real clips without ground truth. exact: clips with ground truth, on which the variants are compared.
    progress: called with a description of each part as it starts. quiet_frames: total length of the looped recordings.
    """
    progress("events")
    events = [recognised(engine, scripted(geometry), SCRIPTED) for geometry in ("linear", "curvilinear")]
    events += [recognised(engine, faulty, SPLICED) for clip in recordings if (faulty := spliced(clip))]
    progress("recordings without events")
    quiet = unexplained(engine, recordings, quiet_frames)
    progress("a 60 Hz grabber")
    grabber = [held(engine, clip, GRABBER_CRF) for clip in recordings]
    steadiness = compared(engine, exact, progress) if exact else {}
    head = {"model": engine.spec.name, "machine": describe()}
    return {**head, "events": events, "without_events": quiet, "grabber": grabber, "steadiness": steadiness}
