"""Read the energy counters of Intel's and AMD's processors (RAPL) from Linux's powercap.

Documentation/power/powercap/powercap.rst of the kernel: energy_uj counts microjoules and wraps at max_energy_range_uj. Since
CVE-2020-8694 only root can read it.
"""

from pathlib import Path

from rtseg.errors import MeterAbsent
from rtseg.system.machine import read_system_text
from rtseg.system.power.meter import Reading

POWERCAP = Path("/sys/class/powercap")


class RaplMeter:
    """Reads the energy of all processor packages, with their cores and memory, since it was opened. Raises MeterAbsent."""

    name = "RAPL"

    def __init__(self, folder: Path = POWERCAP) -> None:
        packages = [zone for zone in sorted(folder.glob("intel-rapl:*")) if zone.name.count(":") == 1]
        if not packages:
            raise MeterAbsent(f"{folder} holds no intel-rapl zone (a virtual machine has none)")
        self._counters = [_EnergyCounter(zone) for zone in packages]

    def read(self) -> Reading:
        """Return the joules since the meter was opened. Raises MeterAbsent when the counters are no longer readable."""
        return Reading(joules=sum(counter.joules() for counter in self._counters))

    def close(self) -> None:
        """Do nothing: no resource is open."""


class _EnergyCounter:
    def __init__(self, zone: Path) -> None:
        self._zone, self._total_uj = zone, 0
        self._range_uj = int(read_system_text(zone / "max_energy_range_uj") or 0)
        self._before_uj = self._now_uj()

    def joules(self) -> float:
        now_uj = self._now_uj()
        self._total_uj += now_uj - self._before_uj + (self._range_uj if now_uj < self._before_uj else 0)
        self._before_uj = now_uj
        return self._total_uj / 1e6

    def _now_uj(self) -> int:
        told = read_system_text(self._zone / "energy_uj")
        if told is None:
            raise MeterAbsent(f"{self._zone / 'energy_uj'} cannot be read: run as root")
        return int(told)
