"""Defines a benchmark's report, and reads one back from JSON."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from rtseg.bench.line.run import BenchRun
from rtseg.errors import ReportError
from rtseg.result import Redaction

FORMAT = "rtseg bench 2"
FAST, PACED, SUSTAINED = "as_fast_as_possible", "paced", "sustained"
RUNS = (FAST, PACED, SUSTAINED)


@dataclass(slots=True)
class BenchReport:
    """Holds the results of a benchmark."""

    about: dict[str, Any]  # the machine, the stream and the network
    engine_fps: list[float] = field(default_factory=list)  # frames a second of the engine alone, one value a round
    line_fps: list[float] = field(default_factory=list)  # frames a second of reading, session and overlay, one value a round
    runs: dict[str, BenchRun] = field(default_factory=dict)  # latency results, by `FAST`, `PACED` or `SUSTAINED`
    extras: dict[str, Any] = field(default_factory=dict)  # cold start, power and accuracy, as plain values

    @property
    def ratio(self) -> float:
        """Return the pipeline's frame rate over that of the engine alone, as the median over the rounds."""
        return median(line / engine for line, engine in zip(self.line_fps, self.engine_fps, strict=True))

    def _redaction_json(self) -> dict[str, str | int] | None:
        """Return the redaction of the first run, with its counts over all runs; None where there was no run."""
        total: Redaction | None = None
        for run in reversed(self.runs.values()):
            total = run.report.redaction.after(total) if run.report.redaction else total
        return total.to_json() if total else None

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return {
            "format": FORMAT,
            **self.about,
            "engine_alone_fps": [round(fps, 2) for fps in self.engine_fps],
            "line_fps": [round(fps, 2) for fps in self.line_fps],
            "line_over_engine": round(self.ratio, 3),
            "redaction": self._redaction_json(),
            **{name: run.to_json() for name, run in self.runs.items()},
            **self.extras,
        }


def read_report(path: Path) -> dict[str, Any]:
    """Read a report from its JSON file. Raises ReportError if it is unreadable or of another format."""
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ReportError(f"{path} is no report ({error}): give the report.json that `rtseg bench --out` wrote") from None
    if not isinstance(report, dict) or report.get("format") != FORMAT:
        raise ReportError(f"{path} is no report of `rtseg bench run` as this version writes it: measure again")
    return report
