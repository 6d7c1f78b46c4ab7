"""Read an NVIDIA GPU's power, energy, temperature, throttling and memory by NVML (extra `power`). Not yet tested on a GPU."""

from types import ModuleType
from typing import Any

from rtseg.errors import MeterAbsent, MissingExtra
from rtseg.system.power.meter import Reading

try:
    import pynvml
except ImportError as error:
    raise MissingExtra("an NVIDIA GPU's power", "power") from error

THROTTLE_REASONS = {  # nvmlClocksEventReasons of nvml.h, without those that the user has chosen
    0x0000000000000004: "software power cap",
    0x0000000000000008: "hardware slowdown",
    0x0000000000000020: "software thermal slowdown",
    0x0000000000000040: "hardware thermal slowdown",
    0x0000000000000080: "hardware power brake",
}


class NvmlMeter:
    """Reads one GPU. library: pynvml, or a test double. Raises MeterAbsent when there is no driver or no such GPU."""

    def __init__(self, index: int = 0, library: ModuleType | Any = pynvml) -> None:
        self._nvml = library
        try:
            library.nvmlInit()
        except library.NVMLError as error:
            raise MeterAbsent(f"NVML finds no NVIDIA driver ({error})") from None
        self._open = True
        try:
            self._gpu = library.nvmlDeviceGetHandleByIndex(index)
            self.name = f"NVML, {_text(library.nvmlDeviceGetName(self._gpu))}"
        except library.NVMLError as error:
            self.close()
            raise MeterAbsent(f"NVML finds no GPU {index} ({error})") from None
        self._began_mj = self._query("nvmlDeviceGetTotalEnergyConsumption")

    def read(self) -> Reading:
        """Return the GPU's current values; `joules` is None for older GPUs, which count no energy."""
        milliwatts, millijoules = self._query("nvmlDeviceGetPowerUsage"), self._query("nvmlDeviceGetTotalEnergyConsumption")
        celsius = self._query("nvmlDeviceGetTemperature", self._nvml.NVML_TEMPERATURE_GPU)
        reasons = self._query("nvmlDeviceGetCurrentClocksThrottleReasons") or 0
        memory = self._query("nvmlDeviceGetMemoryInfo")
        counted = None if millijoules is None or self._began_mj is None else (millijoules - self._began_mj) / 1e3
        return Reading(
            watts=None if milliwatts is None else milliwatts / 1e3,
            joules=counted,
            celsius={} if celsius is None else {"GPU": float(celsius)},
            throttled=tuple(reason for bit, reason in THROTTLE_REASONS.items() if reasons & bit),
            memory_mb=None if memory is None else memory.used / 1e6,
        )

    def close(self) -> None:
        """Shut NVML down; harmless twice."""
        if self._open:
            self._open = False
            self._nvml.nvmlShutdown()

    def _query(self, question: str, *arguments: Any) -> Any:
        """Call an NVML function for this GPU; return None when the GPU does not support it."""
        try:
            return getattr(self._nvml, question)(self._gpu, *arguments)
        except self._nvml.NVMLError:
            return None


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name
