"""Read a Jetson's power and temperatures from tegrastats, whose line format differs by board and JetPack.

JetPack 5 and 6 print `VDD_IN 4824mW/4824mW` (now / mean) and `cpu@50.031C`. JetPack 7 adds a third value, the maximum so far,
and prints `cpu@34.843C/34.843C` (now / maximum). A sensor of a powered-off part reads -256 C. NVIDIA, Jetson Linux Developer
Guide, "Tegrastats Utility".
"""

import re
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress

from rtseg.errors import MeterAbsent
from rtseg.system.power.meter import Reading

INTERVAL_MS = 500
_TIMEOUT_S = 10.0  # time limit for the first line, and for the process to end

TOTAL_RAILS = ("VDD_IN", "VIN")  # rails that carry the total: Orin Nano and NX, Thor
PARTIAL_RAILS = (  # rails that add up to the total where no rail carries it: AGX Orin, and Thor before JetPack 7.2
    ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"),
    ("VDD_GPU", "VDD_CPU_SOC_MSS", "VIN_SYS_5V0"),
)

_RAIL = re.compile(r"\b((?:VDD|VIN)\w*) (-?\d+)mW")
_SENSOR = re.compile(r"\b(\w+)@(-?\d+(?:\.\d+)?)C\b")
_OFF_CELSIUS = -100.0


def parse_line(line: str) -> Reading:
    """Parse a line of tegrastats; unknown parts are ignored."""
    rails_w = {name: int(milliwatts) / 1e3 for name, milliwatts in _RAIL.findall(line)}
    sensors = {name.lower(): float(celsius) for name, celsius in _SENSOR.findall(line)}
    celsius = {name: value for name, value in sensors.items() if value > _OFF_CELSIUS}
    return Reading(watts=total_watts(rails_w), celsius=celsius, rails_w=rails_w)


def total_watts(rails_w: Mapping[str, float]) -> float | None:
    """Return the total power of the module from its rails; None for the rails of an unknown board."""
    for name in TOTAL_RAILS:
        if name in rails_w:
            return rails_w[name]
    for parts in PARTIAL_RAILS:
        if all(name in rails_w for name in parts):
            return round(sum(rails_w[name] for name in parts), 3)
    return None


class TegrastatsMeter:
    """Runs tegrastats in the background and parses its newest line. Raises MeterAbsent when it is missing or prints nothing."""

    name = "tegrastats"

    def __init__(self, command: tuple[str, ...] = ("tegrastats", "--interval", str(INTERVAL_MS))) -> None:
        try:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        except OSError as error:
            raise MeterAbsent(f"there is no {command[0]} ({error.strerror}): a Jetson has one") from None
        self._lines = self._process.stdout or ()
        self._newest, self._has_output = "", threading.Event()
        self._thread = threading.Thread(target=self._read_lines, name="rtseg-tegrastats", daemon=True)
        self._thread.start()
        if not self._has_output.wait(_TIMEOUT_S) or not self._newest:
            self.close()
            raise MeterAbsent(f"{command[0]} says nothing: run it by hand to see why")

    def read(self) -> Reading:
        """Return the values of the newest line."""
        return parse_line(self._newest)

    def close(self) -> None:
        """End the process and its reader thread."""
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_TIMEOUT_S)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._thread.join(_TIMEOUT_S)
        if self._process.stdout:
            self._process.stdout.close()

    def _read_lines(self) -> None:
        for line in self._lines:
            self._newest = line
            self._has_output.set()
        self._has_output.set()
