"""Power and temperature, from whatever a machine has to tell them: RAPL, NVML, tegrastats, the kernel's own sensors."""

from rtseg.system.power.find import find_meters
from rtseg.system.power.meter import Meter, Reading
from rtseg.system.power.watch import Watch

__all__ = ["Meter", "Reading", "Watch", "find_meters"]
