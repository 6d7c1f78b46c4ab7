"""Segment the last frame of a paused stream again, when somebody points at an object in it."""

from dataclasses import replace
from time import perf_counter_ns

from rtseg.result import Result
from rtseg.session.session import Session
from rtseg.trace import LatencyTrace


def segment_prompted(session: Session, last: Result) -> Result | None:
    """Return the last result with the answer to the prompts that wait for a frame; None where none does. Raises EngineError.

    The session segments the redacted frame that the visitor sees. The latency is that of the answer, not of the pause.
    """
    if not session.waiting_prompts:
        return None
    trace = LatencyTrace(perf_counter_ns())
    return replace(last, segmentation=session.step(last.frame, trace), trace=trace, dropped=0)
