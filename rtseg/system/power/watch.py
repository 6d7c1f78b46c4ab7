"""Sample meters periodically during a run."""

import threading
from collections.abc import Sequence
from time import perf_counter_ns
from types import TracebackType
from typing import Any

from rtseg.errors import MeterAbsent
from rtseg.system.power.meter import Meter, Reading
from rtseg.text.log_records import get_logger

SAMPLE_INTERVAL_S = 1.0
MAX_READINGS = 1200  # stored readings of a meter; at this number, every second one is discarded
_log = get_logger(__name__)


class PowerSampler:
    """Samples meters in a thread of its own while its `with` block runs."""

    def __init__(self, meters: Sequence[Meter], interval_s: float = SAMPLE_INTERVAL_S) -> None:
        self._series = [MeterSeries(meter) for meter in meters]
        self._interval_s, self._ended = interval_s, threading.Event()
        self._thread = threading.Thread(target=self._run, name="rtseg-power", daemon=True)

    def __enter__(self) -> "PowerSampler":
        self._read()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()
        self._read()

    def to_json(self, frames: int) -> dict[str, Any]:
        """Return the results of each meter over the run, with the energy per frame for `frames` frames."""
        return {series.meter.name: series.to_json(frames) for series in self._series}

    def _run(self) -> None:
        while not self._ended.wait(self._interval_s):
            self._read()

    def _read(self) -> None:
        for series in self._series:
            series.read()


class MeterSeries:
    """Collects the readings of one meter, in bounded memory.

    Energy is the meter's own count, or else the integral of its power by the trapezoidal rule.
    """

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.at_s: list[float] = []
        self.readings: list[Reading] = []
        self.throttled: dict[str, int] = {}
        self._began_ns, self._read_ns, self._watts = perf_counter_ns(), 0, 0.0
        self._joules: float | None = None
        self._first_joules: float | None = None

    def read(self, now_ns: int | None = None) -> None:
        """Add a reading; when the meter fails, a warning is logged and the series stays as it is."""
        now_ns = perf_counter_ns() if now_ns is None else now_ns
        try:
            reading = self.meter.read()
        except MeterAbsent as error:
            _log.warning("%s: %s", self.meter.name, error)
            return
        self._add_energy(reading, now_ns)
        self.at_s.append(round((now_ns - self._began_ns) / 1e9, 2))
        self.readings.append(reading)
        for reason in reading.throttled:
            self.throttled[reason] = self.throttled.get(reason, 0) + 1
        if len(self.readings) >= MAX_READINGS:
            self.at_s, self.readings = self.at_s[::2], self.readings[::2]

    def to_json(self, frames: int) -> dict[str, Any]:
        """Return the means and extremes, and the series of watts and of the hottest sensor."""
        watts = [reading.watts for reading in self.readings if reading.watts is not None]
        seconds = self.at_s[-1] - self.at_s[0] if len(self.at_s) > 1 else 0.0
        mean_w = self._joules / seconds if self._joules is not None and seconds else None
        return {
            "joules": _rounded(self._joules),
            "millijoules_a_frame": _rounded(1e3 * self._joules / frames if self._joules is not None and frames else None),
            "mean_watts": _rounded(mean_w),
            "most_watts": max(watts, default=None),
            "celsius": self._temperatures(),
            "throttled_readings": self.throttled,
            "readings": len(self.readings),
            "most_memory_mb": max((r.memory_mb for r in self.readings if r.memory_mb is not None), default=None),
            "series": {
                "at_s": self.at_s,
                "watts": [reading.watts for reading in self.readings],
                "celsius": [max(reading.celsius.values(), default=None) for reading in self.readings],
            },
        }

    def _add_energy(self, reading: Reading, now_ns: int) -> None:
        if reading.joules is not None:
            self._first_joules = reading.joules if self._first_joules is None else self._first_joules
            self._joules = reading.joules - self._first_joules
        elif reading.watts is not None:
            lasted_s = (now_ns - self._read_ns) / 1e9 if self._read_ns else 0.0
            self._joules = (self._joules or 0.0) + (self._watts + reading.watts) / 2 * lasted_s
            self._watts = reading.watts
        self._read_ns = now_ns

    def _temperatures(self) -> dict[str, dict[str, float]]:
        """Return each sensor's first, last and maximum temperature of the run, in Celsius."""
        names = {name for reading in self.readings for name in reading.celsius}
        told = {name: [r.celsius[name] for r in self.readings if name in r.celsius] for name in sorted(names)}
        return {name: {"begin": values[0], "end": values[-1], "most": max(values)} for name, values in told.items()}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
