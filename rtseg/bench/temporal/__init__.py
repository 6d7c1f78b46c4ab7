"""Measures the recognition of stream events and the temporal stability of masks: `rtseg bench --temporal`."""

from rtseg.bench.temporal.clips import BenchClip, phantom_clip, recorded_clip
from rtseg.bench.temporal.report import bench_temporal

__all__ = ["BenchClip", "bench_temporal", "phantom_clip", "recorded_clip"]
