"""tegrastats: a Jetson's power, temperatures and GPU load, in a line of text whose form differs between boards and JetPacks.

JetPack 5 and 6 write `VDD_IN 4824mW/4824mW` (now / mean) and `cpu@50.031C`; JetPack 7 a third figure, the most so far, and
`cpu@34.843C/34.843C` (now / most). A sensor of a part that is off reads -256 C. NVIDIA, Jetson Linux Developer Guide,
"Tegrastats Utility".
"""

import re
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress

from rtseg.errors import MeterAbsent
from rtseg.system.power.meter import Reading

EVERY_MS = 500
_PATIENCE_S = 10.0  # until the first line, and until it ends

WHOLE = ("VDD_IN", "VIN")  # Orin Nano and NX, Thor: what the whole module draws
PARTS = (  # what adds up to the whole where no rail carries it: AGX Orin, and Thor before JetPack 7.2
    ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"),
    ("VDD_GPU", "VDD_CPU_SOC_MSS", "VIN_SYS_5V0"),
)

_RAIL = re.compile(r"\b((?:VDD|VIN)\w*) (-?\d+)mW")
_SENSOR = re.compile(r"\b(\w+)@(-?\d+(?:\.\d+)?)C\b")
_OFF_CELSIUS = -100.0


def parse(line: str) -> Reading:
    """What a line of tegrastats tells; a part of it that is unknown is left out."""
    rails_w = {name: int(milliwatts) / 1e3 for name, milliwatts in _RAIL.findall(line)}
    sensors = {name.lower(): float(celsius) for name, celsius in _SENSOR.findall(line)}
    celsius = {name: value for name, value in sensors.items() if value > _OFF_CELSIUS}
    return Reading(watts=whole(rails_w), celsius=celsius, rails_w=rails_w)


def whole(rails_w: Mapping[str, float]) -> float | None:
    """What the module draws, of its rails; None where these are no board's that is known."""
    for name in WHOLE:
        if name in rails_w:
            return rails_w[name]
    for parts in PARTS:
        if all(name in rails_w for name in parts):
            return round(sum(rails_w[name] for name in parts), 3)
    return None


class Tegrastats:
    """The newest line of a tegrastats that runs beside. Raises MeterAbsent where there is none, or it says nothing."""

    name = "tegrastats"

    def __init__(self, command: tuple[str, ...] = ("tegrastats", "--interval", str(EVERY_MS))) -> None:
        try:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        except OSError as error:
            raise MeterAbsent(f"there is no {command[0]} ({error.strerror}): a Jetson has one") from None
        self._lines = self._process.stdout or ()
        self._newest, self._spoken = "", threading.Event()
        self._thread = threading.Thread(target=self._listen, name="rtseg-tegrastats", daemon=True)
        self._thread.start()
        if not self._spoken.wait(_PATIENCE_S) or not self._newest:
            self.close()
            raise MeterAbsent(f"{command[0]} says nothing: run it by hand to see why")

    def read(self) -> Reading:
        """What the newest line tells."""
        return parse(self._newest)

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE_S)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._thread.join(_PATIENCE_S)
        if self._process.stdout:
            self._process.stdout.close()

    def _listen(self) -> None:
        for line in self._lines:
            self._newest = line
            self._spoken.set()
        self._spoken.set()
