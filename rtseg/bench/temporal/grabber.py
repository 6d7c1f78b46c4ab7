"""Measures the handling of duplicate frames from a 60 Hz grabber on a 25 Hz scanner."""

from typing import Any

import numpy as np

from rtseg.bench.temporal.clips import BenchClip, grabber_clip
from rtseg.engines.base import Engine
from rtseg.session.session import Session
from rtseg.trace import LatencyTrace


def measure_duplicates(engine: Engine, clip: BenchClip, crf: int) -> dict[str, Any]:
    """Return the share of frames on which the engine ran, and the number of masks that changed at a duplicate frame.

    crf: H.264 quality of the grabber.
    """
    stream, new = grabber_clip(clip, crf)
    session, masks, ran = Session(engine), [], 0
    for frame in stream.frames():
        trace = LatencyTrace(frame.captured_ns)
        masks.append(session.step(frame, trace).labels)
        ran += "infer" in trace.stages_ns
    changed = [t for t in range(1, len(masks)) if not np.array_equal(masks[t], masks[t - 1])]
    return {
        "clip": stream.name,
        "crf": crf,
        "frames": len(masks),
        "new_pictures": sum(new) / len(new),
        "engine_ran": ran / len(masks),
        "masks_changed_at_repeats": sum(not new[t] for t in changed),
    }
