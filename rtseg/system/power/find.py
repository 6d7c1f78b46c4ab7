"""Find this machine's meters, and the reason for each missing one."""

from collections.abc import Callable

from rtseg.errors import MeterAbsent, MissingExtra
from rtseg.system.power.meter import Meter
from rtseg.system.power.rapl import Rapl
from rtseg.system.power.sensors import Monitors, Thermal
from rtseg.system.power.tegra import Tegrastats


def find_meters() -> tuple[list[Meter], dict[str, str]]:
    """Open every meter of this machine; the caller closes them.

    Returns the open meters, and for each missing one its name with the reason.
    """
    meters: list[Meter] = []
    absent: dict[str, str] = {}
    kinds: dict[str, Callable[[], Meter]] = {
        "RAPL": Rapl,
        "NVML": _nvml,
        "tegrastats": Tegrastats,
        "hwmon power monitors": Monitors,
        "thermal zones": Thermal,
    }
    for name, opened in kinds.items():
        try:
            meters.append(opened())
        except (MeterAbsent, MissingExtra) as error:
            absent[name] = str(error)
    return meters, absent


def _nvml() -> Meter:
    from rtseg.system.power.nvml import Nvml

    return Nvml()
