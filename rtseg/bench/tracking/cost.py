"""Compares the processor time of the whole pipeline at 720p: a tracker of one and of several objects, and a class model.

The pipelines run in turns on the same frames, so that other load on the machine affects all of them alike; only their ratios
are meant to be compared.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from statistics import median
from time import process_time
from typing import Any

from rtseg.bench.temporal.soak import PreloadedSource
from rtseg.bench.tracking.clip import inner_centroid
from rtseg.engines.base import Engine
from rtseg.frame import Mask
from rtseg.overlay import Overlay
from rtseg.pipeline import Pipeline
from rtseg.session.prompts import Point, Prompt
from rtseg.session.session import Session
from rtseg.sinks.preview import DrawSink
from rtseg.sources.synthetic import open_synthetic
from rtseg.system.machine import describe_machine
from rtseg.wall_clock import utc_now

SOURCE = "vessel?height=720&width=1280&fps=30&seed=1"
LIMITS = {1: 1.6, 4: 3.5}  # aims by number of objects: processor seconds over those of the class model
FRAMES, ROUNDS = 120, 7  # frames of a pipeline in a round, and rounds
_WARMUP = 10  # frames that are not counted


@dataclass(slots=True)
class CostBench:
    """Runs pipelines in turns and holds the processor seconds a frame of each turn.

    engines: by name; each is prompted for as many objects as `objects` says, the class model for none. baseline: the name whose
    seconds divide the others'.
    """

    engines: Mapping[str, Engine]
    objects: Mapping[str, int]
    baseline: str
    frames: int
    rounds: int
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def run(self, progress: Callable[[str], None]) -> dict[str, Any]:
        """Measure every pipeline in each round, and return the report."""
        probe = open_synthetic(f"{SOURCE}&frames={_WARMUP + self.frames}")
        points, source = _points(probe.truth(0) > 0), PreloadedSource(probe)
        for turn in range(self.rounds):
            for name, engine in self.engines.items():
                progress(f"round {turn + 1} of {self.rounds}: {name}")
                spent = _seconds_a_frame(engine, source, points[: self.objects[name]])
                self.seconds.setdefault(name, []).append(spent)
        return self.to_json()

    def ratio(self, name: str) -> float:
        """Return the processor seconds over those of the baseline, as the median over the rounds."""
        pairs = zip(self.seconds[name], self.seconds[self.baseline], strict=True)
        return round(median(one / other for one, other in pairs), 4)

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return {
            "began_at": utc_now(),
            "machine": describe_machine(),
            "source": f"synthetic:{SOURCE}, kept in memory",
            "clock": "processor seconds of all threads, from the frame in memory to the drawn overlay",
            "frames_a_round": self.frames,
            "rounds": self.rounds,
            "baseline": self.baseline,
            "ms_a_frame": {name: round(1e3 * median(values), 3) for name, values in self.seconds.items()},
            "rounds_ms": {name: [round(1e3 * one, 3) for one in values] for name, values in self.seconds.items()},
            "ratio": {name: self.ratio(name) for name in self.seconds if name != self.baseline},
        }


def _points(vessel: Mask) -> tuple[Point, ...]:
    """Return where an object is pointed at: the vessel, and then places around it."""
    (x, y), (height, width) = inner_centroid(vessel), vessel.shape
    return ((x, y), (0.25 * width, 0.3 * height), (0.7 * width, 0.35 * height), (0.5 * width, 0.8 * height))


def _seconds_a_frame(engine: Engine, source: PreloadedSource, points: Sequence[Point]) -> float:
    """Return the processor seconds a frame of a pipeline, after its warm-up; each point is the prompt of an object."""
    session = Session(engine)
    with closing(iter(Pipeline(source, session, DrawSink(Overlay())))) as results:
        next(results)
        for place, point in enumerate(points, start=1):
            session.prompt(Prompt(points=(point,)), f"object {place}")
        for _ in islice(results, _WARMUP - 1):
            pass
        started, frames = process_time(), 0
        for _ in results:
            frames += 1
        return (process_time() - started) / frames
