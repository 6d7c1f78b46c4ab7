"""Measures the latency of the whole pipeline, its distribution and its stability over time: `rtseg bench`."""

from rtseg.bench.line.accuracy import compare_accuracy
from rtseg.bench.line.compare import TOLERANCE, Verdict, compare_stages
from rtseg.bench.line.plan import MIN_FRAMES, MIN_SECONDS, BenchPlan
from rtseg.bench.line.report import FAST, PACED, SUSTAINED, BenchReport, read_report
from rtseg.bench.line.runs import bench_pipeline
from rtseg.bench.line.target import CLOCK, BenchTarget
from rtseg.bench.line.write import as_json, write_report

__all__ = [
    "CLOCK",
    "FAST",
    "MIN_FRAMES",
    "MIN_SECONDS",
    "PACED",
    "SUSTAINED",
    "TOLERANCE",
    "BenchPlan",
    "BenchReport",
    "BenchTarget",
    "Verdict",
    "as_json",
    "bench_pipeline",
    "compare_accuracy",
    "compare_stages",
    "read_report",
    "write_report",
]
