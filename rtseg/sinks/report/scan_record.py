"""Holds what a report tells of a stream, in bounded memory."""

from collections import Counter
from dataclasses import dataclass

from rtseg.frame import Segmentation, StreamInfo
from rtseg.measure.measure_history import MeasureHistory
from rtseg.result import Redaction
from rtseg.sinks.report.fittest_frame import FittestFrame

_MAX_EVENTS = 200  # that the report names
_EVENT_STATES = ("NEW", "SPOILT", "CUT", "GAP", "LOST")


@dataclass(frozen=True, slots=True)
class ScanEvent:
    """Holds one change in a stream."""

    time_s: float
    """Seconds from the first frame."""
    state: str
    """Value of `Life`, or what happened."""
    reason: str
    """Why, in words."""


class ScanRecord:
    """Holds the counts, events, curves and best frames of one stream."""

    def __init__(self, info: StreamInfo) -> None:
        self.info = info
        self.histories: dict[str, MeasureHistory] = {}
        self.best: dict[str, FittestFrame] = {}
        self.events: list[ScanEvent] = []
        self.left_out_events = 0
        self.states: Counter[str] = Counter()
        self.frames = self.dropped = self.unfamiliar = 0
        self.seconds = 0.0
        self.began_at = ""
        self.redaction: Redaction | None = None

    def note_state(self, time_s: float, found: Segmentation) -> None:
        """Note the state of a frame where it differs from the one before."""
        if found.life.value not in _EVENT_STATES or (self.events and self.events[-1].state == found.life.value):
            if found.life.value == "LIVE" and self.events and self.events[-1].state in ("LOST", "SPOILT"):
                self._add_event(ScanEvent(time_s, "LIVE", ""))
            return
        self._add_event(ScanEvent(time_s, found.life.value, found.reason))

    def _add_event(self, event: ScanEvent) -> None:
        if len(self.events) < _MAX_EVENTS:
            self.events.append(event)
        else:
            self.left_out_events += 1
            self.events[-1] = event
