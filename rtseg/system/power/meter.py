"""Define the protocol of a meter, which reads a machine's power, temperature or throttling."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Reading:
    """Holds a meter's values at one time; unknown ones are None or empty."""

    watts: float | None = None  # power now
    joules: float | None = None  # energy since the meter was opened
    celsius: Mapping[str, float] = field(default_factory=dict)  # temperatures by sensor name
    throttled: tuple[str, ...] = ()  # reasons for which the clocks are throttled now
    rails_w: Mapping[str, float] = field(default_factory=dict)  # power of each supply rail, by the board's name for it
    memory_mb: float | None = None  # GPU memory in use by all processes


class Meter(Protocol):
    """Reads one kind of sensor, from one thread."""

    @property
    def name(self) -> str:
        """Return the meter's name, such as "RAPL"."""

    def read(self) -> Reading:
        """Return the current values; fast enough to be called every second. Raises MeterAbsent."""

    def close(self) -> None:
        """Release every resource; closing twice is harmless."""
