"""A model on video: does its memory pay, are its masks steady, and how soon is it well again after an event?"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rtseg.bench.temporal.clips import Clip
from rtseg.bench.temporal.events import SPLICED, recognised, spliced
from rtseg.bench.temporal.stabilizing import ALONE, STEADIED, USUAL_WAYS, Row, compared, curves
from rtseg.engines.base import Engine
from rtseg.system.machine import describe

FLICKER, LAG = 0.5, 1.0  # the goals: of the flicker frame by frame is left at the most; frames
SAME_DICE = 0.001  # less than this is no difference between two ways


def video(
    engine: Engine, simulated: Mapping[str, Sequence[Clip]], scans: Sequence[Clip], progress: Callable[[str], None]
) -> dict[str, Any]:
    """The report, as plain values: the usual ways compared on each group of clips, and how soon the masks recover.

    simulated: stills in motion, whose truth is exact, by how they were spoilt. scans: real frames that lie seconds apart, in
    the order of time; what moves between them is too much for optical flow, so that their flicker compares ways and no more.
    """
    rows = {name: compared(engine, clips, progress, USUAL_WAYS) for name, clips in simulated.items()}
    report: dict[str, Any] = {"model": engine.spec.name, "machine": describe(), "simulated": rows}
    report["goals"] = {name: goals(row) for name, row in rows.items()}
    if scans:
        report["scans"] = compared(engine, scans, progress, USUAL_WAYS)
    first = [clip for clips in simulated.values() for clip in clips[:1]]
    progress("events")
    report["events"] = [recognised(engine, faulty, SPLICED) for clip in first[:1] if (faulty := spliced(clip))]
    progress("curves")
    return report | {"curves": {clip.name: curves(engine, clip) for clip in first}}


def goals(rows: Mapping[str, Row]) -> dict[str, Any]:
    """What the steadied masks are against the same network frame by frame, and whether that is what was aimed at."""
    alone, steady = rows[ALONE], rows[STEADIED]
    ratio = _ratio(steady["flicker"], alone["flicker"])
    gain = round((steady["dice"] or 0) - (alone["dice"] or 0), 6)
    lag = steady["lag_frames"]
    met = {
        "flicker": ratio is not None and ratio <= FLICKER,
        "dice": gain >= 0,
        "dice_within_0.001": gain >= -SAME_DICE,
        "lag": lag is not None and lag <= LAG,
    }
    return {"flicker_ratio": ratio, "dice_gain": gain, "lag_frames": lag, "met": met}


def _ratio(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else round(part / whole, 4)
