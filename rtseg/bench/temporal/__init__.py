"""The memory's life and steadiness, measured: `rtseg bench --temporal`."""

from rtseg.bench.temporal.clips import Clip, phantom, real
from rtseg.bench.temporal.report import bench

__all__ = ["Clip", "bench", "phantom", "real"]
