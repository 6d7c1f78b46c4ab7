"""Measures how soon the events of a stream are recognized, and how often a reset has no cause."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rtseg.bench.temporal.clips import BenchClip, looped_frames, phantom_clip
from rtseg.bench.temporal.stabilizing import mean_dice
from rtseg.engines.base import Engine
from rtseg.evaluation.temporal_metrics import false_resets, recovery
from rtseg.frame import Image, Life, Segmentation
from rtseg.session.session import Session

RESTARTS = (Life.NEW, Life.CUT, Life.GAP)
_COMPARED = 10  # frames after a cut
MAX_DELAY_FRAMES = 2  # frames within which an event must be recognized
SECTOR_SEARCH_FRAMES = 12  # frames that finding another sector on the screen takes after an event


@dataclass(frozen=True, slots=True)
class ExpectedEvent:
    """Holds an event of a clip and its correct classifications."""

    kind: str  # name for the report, e.g. "freeze"
    start: int  # first frame index of the event
    lives: tuple[Life, ...]  # classifications that count as recognized; empty: it must cause none
    end: int | None = None  # first frame index after the event, where another scene may follow; None: no end


SCRIPT = "freeze@20+12:3,cut@45,lift@60+8,drop@80+20,gain@110+10:-6,depth@130:1.5"
SCRIPTED = (
    ExpectedEvent("freeze", 20, (Life.HELD,), 32),
    ExpectedEvent("cut", 45, (Life.CUT,)),
    ExpectedEvent("lift", 60, (Life.LOST,), 68),
    ExpectedEvent("drop", 100, (Life.GAP,)),
    ExpectedEvent("gain", 110, ()),
    ExpectedEvent("depth", 130, (Life.CUT, Life.NEW)),
)
SPLICED = (
    ExpectedEvent("freeze", 30, (Life.HELD,), 45),
    ExpectedEvent("no signal", 60, (Life.LOST,), 66),
    ExpectedEvent("cut", 75, (Life.CUT,)),
    ExpectedEvent("drop", 110, (Life.GAP,)),
)
SPLICED_FRAMES = 100


def scripted_clip(geometry: str, height: int = 240, width: int = 320) -> BenchClip:
    """Return a phantom clip with the events of `SCRIPTED`. geometry: "linear" or "curvilinear"."""
    options = f"vessel?seed=3&geometry={geometry}&height={height}&width={width}&faults={SCRIPT}"
    return phantom_clip(f"phantom, {geometry}", options, 150)


def splice_faults(clip: BenchClip) -> BenchClip | None:
    """Insert the faults of `SPLICED` into a recording and its ground truth; return None if it is too short.

    The picture freezes under coding noise, goes black, turns into its mirror image, and 20 frames are missing.
    """
    if len(clip.images) < SPLICED_FRAMES:
        return None
    rng, images = np.random.default_rng(0), _splice_planes(clip.images)
    for t in range(30, 45):
        images[t] = np.clip(images[t] + rng.integers(-3, 4, images[t].shape), 0, 255).astype(np.uint8)
    truths = tuple(_splice_planes(clip.truths)) if clip.truths else None
    return BenchClip(f"{clip.name}, spliced", tuple(images), (*range(90), *range(110, 120)), truths)


def _splice_planes(planes: Sequence[Image]) -> list[Image]:
    """Apply the faults of `SPLICED`, except noise and missing frames, to a sequence of pictures or labels."""
    done = list(planes[:SPLICED_FRAMES])
    done[30:45] = [done[29]] * 15
    done[60:66] = [np.zeros_like(done[0])] * 6
    return done[:75] + [np.ascontiguousarray(plane[:, ::-1]) for plane in done[75:]]


def measure_recognition(engine: Engine, clip: BenchClip, events: Sequence[ExpectedEvent]) -> dict[str, Any]:
    """Run a clip and report the recognition of its events, as plain values.

    delay_frames: frames until each event was recognized, None for never. unexplained_resets, reasons: resets without an event.
    recovery_frames: frames until the mask was good again, if the clip has a ground truth.
    after_a_cut_like_a_fresh_session: True if nothing of the scene before a cut influences the masks after it.
    """
    results = segment_clip(engine, clip)
    lives = [result.life for result in results]
    seen = {event.kind: _recognition_delay(lives, clip.indices, event) for event in events if event.lives}
    ends = [index for event in events if event.lives for index in (event.start, event.end) if index is not None]
    explained = [clip.indices.index(index) for index in ends]
    resets = [t for t, life in enumerate(lives) if t and life in RESTARTS]
    wrong = [t for t in resets if not any(at <= t <= at + _reset_window(results[t]) for at in explained)]
    report: dict[str, Any] = {"clip": clip.name, "frames": len(lives), "delay_frames": seen, "unexplained_resets": len(wrong)}
    report["reasons"] = [_describe_reset(clip, t, results[t]) for t in wrong]
    if clip.truths:
        report["recovery_frames"] = _recoveries(results, clip, events)
    return report | {"after_a_cut_like_a_fresh_session": _matches_fresh_session(engine, clip, results, events)}


def count_false_resets(engine: Engine, clips: Sequence[BenchClip], frames: int) -> dict[str, Any]:
    """Count resets on recordings without events, each looped forwards and backwards to `frames` frames in total."""
    reasons = list[str]()
    for clip in clips:
        session = Session(engine)
        for frame in looped_frames(clip, -(-frames // len(clips))):
            result = session.step(frame)
            if frame.index and result.life in RESTARTS:
                reasons.append(f"{clip.name}, frame {frame.index}: {result.life.value}, {result.reason}")
    count = len(reasons)
    return {
        "frames": frames,
        "resets": count,
        "false_resets_in_10000": false_resets(count, 0, frames) if clips else None,
        "reasons": reasons,
    }


def segment_clip(engine: Engine, clip: BenchClip) -> list[Segmentation]:
    """Segment a clip with a new session."""
    session = Session(engine)
    return [session.step(frame) for frame in clip.frames()]


def _reset_window(result: Segmentation) -> int:
    """Return the number of frames after an event within which this reset counts as its consequence."""
    return SECTOR_SEARCH_FRAMES if "sector changed" in result.reason else MAX_DELAY_FRAMES


def _describe_reset(clip: BenchClip, t: int, result: Segmentation) -> str:
    return f"{clip.name}, frame {clip.indices[t]}: {result.life.value}, {result.reason}"


def _recognition_delay(lives: Sequence[Life], indices: Sequence[int], event: ExpectedEvent) -> int | None:
    """Return the number of delivered frames from the event to the first with one of its classifications, or None."""
    first = next(t for t, index in enumerate(indices) if index >= event.start)
    seen = next((t for t in range(first, min(first + 20, len(lives))) if lives[t] in event.lives), None)
    return None if seen is None else seen - first


def _recoveries(results: Sequence[Segmentation], clip: BenchClip, events: Sequence[ExpectedEvent]) -> dict[str, float | None]:
    """Return for each event the frames from its end until the mask is as good as before it.

    None: the mask never recovers, or was not good before.
    """
    assert clip.truths is not None
    overlaps = [mean_dice(result.labels, truth) for truth, result in zip(clip.truths, results, strict=True)]
    found: dict[str, float | None] = {}
    for event in events:
        over = next(t for t, index in enumerate(clip.indices) if index >= (event.end or event.start))
        frames = recovery(overlaps, over)
        found[event.kind] = frames if np.isfinite(frames) else None
    return found


def _matches_fresh_session(
    engine: Engine, clip: BenchClip, results: Sequence[Segmentation], events: Sequence[ExpectedEvent]
) -> bool:
    """Return True if, from the second frame after each cut, the masks equal those of a session that starts at the cut."""
    for cut in (event.start for event in events if event.kind == "cut"):
        fresh, first = Session(engine), next(t for t, index in enumerate(clip.indices) if index >= cut)
        after = [fresh.step(frame).labels for frame in clip.frames()[first : first + _COMPARED]]
        if not all(np.array_equal(labels, results[first + t].labels) for t, labels in enumerate(after) if t):
            return False
    return True
