"""Find this machine's meters, and the reason for each missing one."""

from collections.abc import Callable

from rtseg.errors import MeterAbsent, MissingExtra
from rtseg.system.power.meter import Meter
from rtseg.system.power.rapl import RaplMeter
from rtseg.system.power.sensors import HwmonMeter, ThermalMeter
from rtseg.system.power.tegra import TegrastatsMeter


def find_meters() -> tuple[list[Meter], dict[str, str]]:
    """Open every meter of this machine; the caller closes them.

    Returns the open meters, and for each missing one its name with the reason.
    """
    meters: list[Meter] = []
    absent: dict[str, str] = {}
    kinds: dict[str, Callable[[], Meter]] = {
        "RAPL": RaplMeter,
        "NVML": _nvml,
        "tegrastats": TegrastatsMeter,
        "hwmon power monitors": HwmonMeter,
        "thermal zones": ThermalMeter,
    }
    for name, opened in kinds.items():
        try:
            meters.append(opened())
        except (MeterAbsent, MissingExtra) as error:
            absent[name] = str(error)
    return meters, absent


def _nvml() -> Meter:
    from rtseg.system.power.nvml import NvmlMeter

    return NvmlMeter()
