"""Read the Linux kernel's sensors: thermal zones, throttling, and the power monitors of Jetsons (INA3221, INA238).

Documentation/hwmon/ina3221.rst and ina238.rst: in[1-3]_label names a channel, in[1-3]_input is in mV, curr[1-3]_input in mA,
power1_input in uW. They require neither tegrastats nor root.
"""

from collections.abc import Iterator
from pathlib import Path

from rtseg.errors import MeterAbsent
from rtseg.system.machine import read_system_text
from rtseg.system.power.meter import Reading
from rtseg.system.power.tegra import total_watts

_SYS = Path("/sys")
_COLDEST, _HOTTEST = -30.0, 150.0  # valid range in Celsius: zones of powered-off parts read -256, or 0 K


class HwmonMeter:
    """Reads the INA power monitors on the board. Raises MeterAbsent."""

    name = "hwmon power monitors"

    def __init__(self, root: Path = _SYS) -> None:
        self._chips = [chip for chip in sorted((root / "class/hwmon").glob("hwmon*")) if _kind(chip).startswith("ina")]
        if not self._chips:
            raise MeterAbsent(f"{root / 'class/hwmon'} holds no INA power monitor: Jetsons have them")

    def read(self) -> Reading:
        """Return the power of each rail, and the total when the board's rails are known."""
        rails_w = {name: watts for chip in self._chips for name, watts in _channels(chip)}
        return Reading(watts=total_watts(rails_w), rails_w=rails_w)

    def close(self) -> None:
        """Do nothing: no resource is open."""


class ThermalMeter:
    """Reads the temperatures and the processor's thermal throttling counters. Raises MeterAbsent."""

    name = "thermal zones"

    def __init__(self, root: Path = _SYS) -> None:
        self._zones = sorted((root / "class/thermal").glob("thermal_zone*"))
        self._counts = sorted((root / "devices/system/cpu").glob("cpu[0-9]*/thermal_throttle/core_throttle_count"))
        if not self._zones and not self._counts:
            raise MeterAbsent(f"{root / 'class/thermal'} is empty (a virtual machine has no sensors)")
        self._throttled_before = self._throttled()

    def read(self) -> Reading:
        """Return the temperature of each active zone, and "processor, thermal" if throttled since the previous reading."""
        throttled = self._throttled()
        grew, self._throttled_before = throttled > self._throttled_before, throttled
        celsius = {name: value for zone in self._zones if (told := _temperature(zone)) for name, value in [told]}
        return Reading(celsius=celsius, throttled=("processor, thermal",) if grew else ())

    def close(self) -> None:
        """Do nothing: no resource is open."""

    def _throttled(self) -> int:
        return sum(int(read_system_text(path) or 0) for path in self._counts)


def _temperature(zone: Path) -> tuple[str, float] | None:
    told = read_system_text(zone / "temp")
    if told is None or not told.lstrip("-").isdigit() or not _COLDEST < int(told) / 1e3 < _HOTTEST:
        return None
    return read_system_text(zone / "type") or zone.name, int(told) / 1e3


def _kind(chip: Path) -> str:
    return read_system_text(chip / "name") or ""


def _channels(chip: Path) -> Iterator[tuple[str, float]]:
    """Yield the name and the watts of each channel of a chip."""
    microwatts = read_system_text(chip / "power1_input")
    if microwatts is not None:
        yield read_system_text(chip / "in1_label") or read_system_text(chip / "label") or "VIN", int(microwatts) / 1e6
        return
    for place in (1, 2, 3):
        label, millivolts, milliamperes = (
            read_system_text(chip / name) for name in (f"in{place}_label", f"in{place}_input", f"curr{place}_input")
        )
        if label and label != "NC" and millivolts is not None and milliamperes is not None:
            yield label, int(millivolts) * int(milliamperes) / 1e6
