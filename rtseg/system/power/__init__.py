"""Measure power and temperature by RAPL, NVML, tegrastats and the Linux kernel's sensors."""

from rtseg.system.power.find import find_meters
from rtseg.system.power.meter import Meter, Reading
from rtseg.system.power.watch import PowerSampler

__all__ = ["Meter", "PowerSampler", "Reading", "find_meters"]
