"""The memory's life and steadiness, measured: `rtseg bench --temporal`."""

from rtseg.temporal_bench.clips import Clip, phantom, real
from rtseg.temporal_bench.report import bench

__all__ = ["Clip", "bench", "phantom", "real"]
