"""What a meter is: something that tells a machine's power, temperature or throttling when it is asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Reading:
    """What a meter tells at one moment; what it does not know is None or empty.

    watts: now. joules: since the meter was opened. celsius: by the sensor's name. throttled: why clocks are held back now.
    rails_w: the parts of the power, by the board's names for them. memory_mb: of a GPU, by all its users.
    """

    watts: float | None = None
    joules: float | None = None
    celsius: Mapping[str, float] = field(default_factory=dict)
    throttled: tuple[str, ...] = ()
    rails_w: Mapping[str, float] = field(default_factory=dict)
    memory_mb: float | None = None


class Meter(Protocol):
    """Reads one kind of sensor, from one thread."""

    @property
    def name(self) -> str:
        """Such as "RAPL"."""

    def read(self) -> Reading:
        """What it tells now; quick enough to be asked each second."""

    def close(self) -> None:
        """Give everything back; closing twice is harmless."""
