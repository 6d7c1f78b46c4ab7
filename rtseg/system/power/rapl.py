"""RAPL: the energy counters of Intel's and AMD's processors, as Linux's powercap tells them.

Documentation/power/powercap/powercap.rst of the kernel: energy_uj counts microjoules and wraps at max_energy_range_uj. Since
CVE-2020-8694 it is root's alone to read.
"""

from pathlib import Path

from rtseg.errors import MeterAbsent
from rtseg.system.machine import text_of
from rtseg.system.power.meter import Reading

POWERCAP = Path("/sys/class/powercap")


class Rapl:
    """The packages' energy since it was opened; their cores and memory, where told apart, are inside. Raises MeterAbsent."""

    name = "RAPL"

    def __init__(self, folder: Path = POWERCAP) -> None:
        packages = [zone for zone in sorted(folder.glob("intel-rapl:*")) if zone.name.count(":") == 1]
        if not packages:
            raise MeterAbsent(f"{folder} holds no intel-rapl zone (a virtual machine has none)")
        self._counters = [_Counter(zone) for zone in packages]

    def read(self) -> Reading:
        """The joules since it was opened. Raises MeterAbsent where the counters can be read no more."""
        return Reading(joules=sum(counter.joules() for counter in self._counters))

    def close(self) -> None:
        """Nothing is held."""


class _Counter:
    def __init__(self, zone: Path) -> None:
        self._zone, self._total_uj = zone, 0
        self._range_uj = int(text_of(zone / "max_energy_range_uj") or 0)
        self._before_uj = self._now_uj()

    def joules(self) -> float:
        now_uj = self._now_uj()
        self._total_uj += now_uj - self._before_uj + (self._range_uj if now_uj < self._before_uj else 0)
        self._before_uj = now_uj
        return self._total_uj / 1e6

    def _now_uj(self) -> int:
        told = text_of(self._zone / "energy_uj")
        if told is None:
            raise MeterAbsent(f"{self._zone / 'energy_uj'} cannot be read: run as root")
        return int(told)
