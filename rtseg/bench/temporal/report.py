"""All of it in one report."""

from collections.abc import Callable, Sequence
from typing import Any

from rtseg.bench.temporal.clips import Clip
from rtseg.bench.temporal.events import SCRIPTED, SPLICED, recognised, scripted, spliced, unexplained
from rtseg.bench.temporal.grabber import held
from rtseg.bench.temporal.stabilizing import compared
from rtseg.engines.base import Engine
from rtseg.system.machine import describe

QUIET_FRAMES = 10_000  # of recordings in which nothing happens
GRABBER_CRF = 20  # H.264 as a grabber's encoder writes it: good, and never bit-equal


def bench(
    engine: Engine,
    recordings: Sequence[Clip],
    exact: Sequence[Clip],
    progress: Callable[[str], None],
    quiet_frames: int = QUIET_FRAMES,
) -> dict[str, Any]:
    """Events, the grabber, and steadiness against the same network frame by frame, as plain values.

    recordings: real clips without truth; quiet_frames: of all of them, played again and again. exact: clips with truth.
    progress is told what runs now.
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
