"""Measures what the measures of a model cost beside its whole frame, in processor time of one run."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from itertools import cycle, islice
from time import perf_counter_ns, process_time_ns
from typing import Any

import numpy as np

from rtseg.engines.base import Engine
from rtseg.frame import Frame
from rtseg.session.session import Session
from rtseg.sources import open_source
from rtseg.trace import LatencyTrace

_WARMUP = 10
_MAX_PICTURES = 150


def measuring_cost(
    network: Engine, source: str, spacing_mm: float, frames: int, measures: Sequence[str] | None
) -> dict[str, Any]:
    """Return the processor time of the stage `measure` and of the whole frame, and their ratio, by medians over the frames.

    The frames of the source are repeated. Every second frame is segmented by a session that measures, the others by one that
    does not, so that both see the same load; the engine is the same. measures: names; None: those of the model.
    """
    with closing(open_source(source)) as opened:
        pictures = [frame.image for frame in islice(opened, _MAX_PICTURES)]
    sessions = [Session(network, spacing_mm=spacing_mm, measures=chosen) for chosen in (measures, [])]
    for session in sessions:
        session.settings = replace(session.settings, measure_unfamiliar=True)
    took = np.zeros((frames, 2))
    spent_ns = np.zeros(frames)
    for number, image in enumerate(islice(cycle(pictures), frames + _WARMUP)):
        for which, session in enumerate(sessions):
            trace, before_ns = LatencyTrace(perf_counter_ns()), process_time_ns()
            session.step(Frame(image, number, perf_counter_ns()), trace)
            if number >= _WARMUP:
                took[number - _WARMUP, which] = process_time_ns() - before_ns
                if not which:
                    spent_ns[number - _WARMUP] = trace.stages_ns.get("measure", 0)
    for session in sessions:
        session.close()
    whole, without = (float(np.median(took[:, which])) / 1e6 for which in (0, 1))
    stage = float(np.median(spent_ns)) / 1e6
    return {
        "measures": [one.name for one in sessions[0].requested_measures],
        "frames": frames,
        "whole_frame_cpu_ms": whole,
        "without_measures_cpu_ms": without,
        "measure_stage_ms": stage,
        "share": stage / whole,
        "share_by_difference": float(np.median(took[:, 0] - took[:, 1])) / 1e6 / whole,
    }
