"""A benchmark's report: what was measured, on what, as JSON that can be read again."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from rtseg.bench.line.run import Run
from rtseg.errors import ReportError

FORMAT = "rtseg bench 2"
FAST, PACED, SUSTAINED = "as_fast_as_possible", "paced", "sustained"
RUNS = (FAST, PACED, SUSTAINED)


@dataclass(slots=True)
class Bench:
    """What was measured; times in milliseconds, rates in frames a second.

    about: the machine, the stream and the network. engine_fps, line_fps: of the engine alone, and of read, session and
    overlay, a figure a round. extras: other parts, as plain values: cold start, power, accuracy.
    """

    about: dict[str, Any]
    engine_fps: list[float] = field(default_factory=list)
    line_fps: list[float] = field(default_factory=list)
    runs: dict[str, Run] = field(default_factory=dict)
    extras: dict[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """The whole line's frames a second against the engine's alone, the median over the rounds."""
        return median(line / engine for line, engine in zip(self.line_fps, self.engine_fps, strict=True))

    def to_json(self) -> dict[str, Any]:
        """The report as plain values."""
        return {
            "format": FORMAT,
            **self.about,
            "engine_alone_fps": [round(fps, 2) for fps in self.engine_fps],
            "line_fps": [round(fps, 2) for fps in self.line_fps],
            "line_over_engine": round(self.ratio, 3),
            **{name: run.to_json() for name, run in self.runs.items()},
            **self.extras,
        }


def read_report(path: Path) -> dict[str, Any]:
    """A report that was written before. Raises ReportError."""
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ReportError(f"{path} is no report ({error}): give the report.json that `rtseg bench --out` wrote") from None
    if not isinstance(report, dict) or report.get("format") != FORMAT:
        raise ReportError(f"{path} is no report of `rtseg bench run` as this version writes it: measure again")
    return report
