"""The meters of this machine, and why the others are not there."""

from collections.abc import Callable

from rtseg.errors import MeterAbsent, MissingExtra
from rtseg.system.power.meter import Meter
from rtseg.system.power.rapl import Rapl
from rtseg.system.power.sensors import Monitors, Thermal
from rtseg.system.power.tegra import Tegrastats


def find_meters() -> tuple[list[Meter], dict[str, str]]:
    """All that can be opened, which the caller closes; and for each that cannot its name and the reason."""
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
