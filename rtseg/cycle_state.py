"""Defines what is known of the heart beat on one frame: its phase, the rate, and the moments that were found."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

END_DIASTOLE, END_SYSTOLE, PEAK_SYSTOLE = "ED", "ES", "PS"


@dataclass(frozen=True, slots=True)
class CycleMark:
    """Holds one moment of a beat, which is found some frames after it was seen."""

    moment: str
    """"ED" end-diastole, "ES" end-systole of a ventricle, "PS" the widest lumen, at the peak of systole."""
    index: int
    """Index of the frame that shows the moment."""
    seconds: float
    """Time of that frame since the first frame of the stream."""
    value: float
    """The measure on that frame."""


@dataclass(frozen=True, slots=True)
class CycleState:
    """Holds what is known of the beat on a frame, from this frame and those before it."""

    measure: str
    """Name of the measure in whose curve the beat is found."""
    heart_rate: float | None = None
    """Beats per minute, from the median of the newest beats; None before two are known."""
    phase: float | None = None
    """Estimated share of the beat since end-diastole, 0 to 1; None where the next end-diastole is overdue."""
    marks: tuple[CycleMark, ...] = ()
    """The moments that were found on this frame; each names the frame that shows it, which is an earlier one."""
    latest: Mapping[str, CycleMark] | None = None
    """The newest mark of each moment; None before the first."""

    def to_json(self) -> dict[str, Any]:
        """Return everything but the newest marks as plain values."""
        marks = [asdict(mark) for mark in self.marks]
        return {"measure": self.measure, "heart_rate": self.heart_rate, "phase": self.phase, "marks": marks}
