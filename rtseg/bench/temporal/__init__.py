"""Measures the recognition of stream events and the temporal stability of masks: `rtseg bench --temporal`."""

from rtseg.bench.temporal.clips import Clip, phantom, real
from rtseg.bench.temporal.report import bench

__all__ = ["Clip", "bench", "phantom", "real"]
