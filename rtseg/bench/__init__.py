"""How fast, and how steadily so: `rtseg bench`."""

from rtseg.bench.accuracy import accuracy
from rtseg.bench.compare import TOLERANCE, Verdict, compare
from rtseg.bench.plan import LEAST_FRAMES, LEAST_S, Plan
from rtseg.bench.report import FAST, PACED, SUSTAINED, Bench, read_report
from rtseg.bench.rounds import bench
from rtseg.bench.subject import CLOCK, Subject
from rtseg.bench.write import as_json, write_report

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
