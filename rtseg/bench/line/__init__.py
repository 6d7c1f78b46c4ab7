"""Measures the latency of the whole pipeline, its distribution and its stability over time: `rtseg bench`."""

from rtseg.bench.line.accuracy import accuracy
from rtseg.bench.line.compare import TOLERANCE, Verdict, compare
from rtseg.bench.line.plan import LEAST_FRAMES, LEAST_S, Plan
from rtseg.bench.line.report import FAST, PACED, SUSTAINED, Bench, read_report
from rtseg.bench.line.runs import bench
from rtseg.bench.line.target import CLOCK, Subject
from rtseg.bench.line.write import as_json, write_report

__all__ = [
    "CLOCK",
    "FAST",
    "LEAST_FRAMES",
    "LEAST_S",
    "PACED",
    "SUSTAINED",
    "TOLERANCE",
    "Bench",
    "Plan",
    "Subject",
    "Verdict",
    "accuracy",
    "as_json",
    "bench",
    "compare",
    "read_report",
    "write_report",
]
