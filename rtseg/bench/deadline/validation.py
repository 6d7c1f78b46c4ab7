"""Test predictions of missed deadlines against observed ones, with load beside: `python -m rtseg.bench.deadline.validation`."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from rtseg.bench.deadline.prediction import predict
from rtseg.bench.deadline.stage_times import measure_stages
from rtseg.bench.streams.moving_pictures import MovingPictures
from rtseg.engines.base import Engine
from rtseg.engines.load import load_engine
from rtseg.output.atomic_file import write_atomically
from rtseg.system.machine import describe_machine
from rtseg.text.safe_text import json_text
from rtseg.wall_clock import utc_now

RATES = (2.0, 5.0, 10.0, 20.0)  # frames a second
LOADS = (0, 1, 2)  # processes that compute without end beside the stream
LIMIT_PERIODS = 1.0  # the deadline in periods of the frame rate
_POINTS = 0.05  # that a prediction may be off
_BURN = "while True: sum(range(10000))"


@dataclass(frozen=True, slots=True)
class Trial:
    """Holds one configuration with its prediction and what was observed afterwards."""

    fps: float
    """Frame rate."""
    load: int
    """Processes that computed beside."""
    limit_ms: float
    """Deadline."""
    predicted: float
    """Predicted share of missed frames."""
    observed: float
    """Observed share of missed frames."""
    binding: str
    """Stage that binds."""

    @property
    def is_close(self) -> bool:
        """Return whether the prediction is within five points."""
        return abs(self.predicted - self.observed) <= _POINTS

    def to_json(self) -> dict[str, Any]:
        """Return the trial as plain values."""
        shares = {"predicted": round(self.predicted, 4), "observed": round(self.observed, 4)}
        return {"fps": self.fps, "load": self.load, "limit_ms": round(self.limit_ms, 2), **shares, "binding": self.binding}


def validate(engine: Engine, seconds: float, rates: Sequence[float] = RATES, loads: Sequence[int] = LOADS) -> list[Trial]:
    """Measure, predict and observe each rate with each load, for `seconds` each."""
    return [_trial(engine, seconds, fps, load) for load, fps in product(loads, rates)]


def _trial(engine: Engine, seconds: float, fps: float, load: int) -> Trial:
    limit_ms = 1e3 * LIMIT_PERIODS / fps
    with _burning(load):
        verdict = predict(measure_stages(MovingPictures(1, fps), engine, seconds), limit_ms)
        observed = measure_stages(MovingPictures(2, fps), engine, seconds).missed(limit_ms)
    return Trial(fps, load, limit_ms, verdict.misses, observed, verdict.binding)


@contextmanager
def _burning(count: int) -> Iterator[None]:
    with ExitStack() as stack:
        for _ in range(count):
            process = stack.enter_context(subprocess.Popen([sys.executable, "-c", _BURN]))
            stack.callback(process.kill)
        yield


def main(path: Path, model: str, seconds: float) -> None:
    """Run all trials and write the report."""
    began, engine = utc_now(), load_engine(model)
    trials = validate(engine, seconds)
    engine.close()
    report = {
        "began_at": began,
        "machine": describe_machine(),
        "model": model,
        "seconds": seconds,
        "within_5_points": sum(trial.is_close for trial in trials),
        "trials": [trial.to_json() for trial in trials],
    }
    write_atomically(path, (json_text(report, indent=2) + "\n").encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
