"""Run a model at a live source's pace, with resets, and hold its latency and captures to the aims.

python -m rtseg.demos.gpu.pace [MODEL [PRECISION]]
"""

import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from rtseg import open_source
from rtseg.errors import RtsegError
from rtseg.frame import Frame, Image, StreamInfo
from rtseg.session.session import Session

FRAMES, FPS, RESET_EVERY = 3000, 60.0, 500
DESKTOP_P50_MS, DESKTOP_P99_MS, JETSON_P99_MS = 3.0, 5.0, 15.0


@dataclass(frozen=True, slots=True)
class PacedRun:
    """Holds what was measured at a pace."""

    p50_ms: float
    """Median time from the arrival of a frame to its labels on the CPU."""
    p99_ms: float
    """The time that 99 of 100 frames keep."""
    captures: int
    """CUDA graphs captured after the warm-up."""

    def problems(self, *, integrated: bool) -> list[str]:
        """Return which aims are missed. integrated: the GPU is that of a Jetson."""
        limits = [("p99", self.p99_ms, JETSON_P99_MS if integrated else DESKTOP_P99_MS)]
        if not integrated:
            limits.append(("p50", self.p50_ms, DESKTOP_P50_MS))
        found = [
            f"{name} is {value:.2f} ms, and at most {limit:g} ms are asked" for name, value, limit in limits if value > limit
        ]
        return found + ([f"{self.captures} graphs were captured after the warm-up"] if self.captures else [])


def run_paced(engine: Any, images: Sequence[Image], frames: int, fps: float, reset_every: int) -> PacedRun:
    """Segment frames at their times, by a session that was warmed up as `rtseg run` does it."""
    session, took_ms = Session(engine), []
    height, width = images[0].shape[:2]
    session.warm_up(StreamInfo(height, width, fps=fps))
    for number, image in enumerate(images):  # the sector becomes known
        session.step(Frame(image, number, time.perf_counter_ns()))
    before, start = engine.captures, time.perf_counter()
    for number in range(frames):
        time.sleep(max(0.0, start + number / fps - time.perf_counter()))
        if number and number % reset_every == 0:
            session.reset("asked")
        arrived_ns = time.perf_counter_ns()
        session.step(Frame(images[number % len(images)], len(images) + number, arrived_ns))
        took_ms.append((time.perf_counter_ns() - arrived_ns) / 1e6)
    session.close()
    return PacedRun(float(np.percentile(took_ms, 50)), float(np.percentile(took_ms, 99)), engine.captures - before)


def main(model: str = "carotid", precision: str = "") -> int:
    """Print the result and return the exit status: 0 when the latency and the captures keep the aims."""
    try:
        from rtseg.demos.gpu.plans import open_cached

        with closing(open_source("clip:carotid")) as source:
            images = [frame.image for frame in islice(source, 150)]
        with closing(open_cached(model, precision)) as engine:
            found = run_paced(engine, images, FRAMES, FPS, RESET_EVERY)
            problems = found.problems(integrated=engine.is_integrated)
    except RtsegError as error:
        sys.stdout.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{model}: {FRAMES} frames at {FPS:g} per second, p50 {found.p50_ms:.2f} ms, p99 {found.p99_ms:.2f} ms\n")
    sys.stdout.writelines(f"{problem}\n" for problem in problems)
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
