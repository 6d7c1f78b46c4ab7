"""Power and temperature, from whatever a machine has to tell them: RAPL, NVML, tegrastats, the kernel's own sensors."""

from rtseg.power.found import find_meters
from rtseg.power.meter import Meter, Reading
from rtseg.power.watch import Watch

__all__ = ["Meter", "Reading", "Watch", "find_meters"]
