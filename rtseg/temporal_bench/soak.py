"""Hours of stream: is memory flat and the state finite? `python -m rtseg.temporal_bench.soak FRAMES [MODEL]`."""

import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from time import perf_counter
from typing import Any

from rtseg.engines.base import Engine
from rtseg.engines.load import load_engine
from rtseg.errors import RtsegError
from rtseg.machine import memory_mb
from rtseg.pipeline import Pipeline
from rtseg.session import Session
from rtseg.sources.repeat import Repeated

FRAMES, SOURCE = 100_000, "clip:carotid"
_SAMPLES = 20  # of the memory held, over the run
_GROWTH_MB = 20.0  # an allocator's restlessness; a leak of one label map a frame would be gigabytes


class Unsteady(RtsegError, RuntimeError):
    """A long run held ever more memory, or its state did not stay finite."""


def soak(engine: Engine, uri: str, frames: int, progress: Callable[[int], None]) -> dict[str, Any]:
    """Run `frames` frames of a source played again and again. Raises Unsteady.

    Memory is compared from the second sample on: the first frames fill caches. progress is told the frames done.
    """
    session, samples, started = Session(engine), list[float | None](), perf_counter()
    for count, _ in enumerate(Pipeline(Repeated(uri, frames), session), start=1):
        if count % max(1, frames // _SAMPLES) == 0:
            samples.append(memory_mb())
            progress(count)
    held = [sample for sample in samples if sample is not None]
    report = {"frames": frames, "seconds": perf_counter() - started, "memory_mb": samples, "memory": asdict(session.counts)}
    if len(held) > 2 and held[-1] - held[1] > _GROWTH_MB:
        raise Unsteady(f"memory grew from {held[1]:.0f} to {held[-1]:.0f} MB in {frames} frames: look for what keeps them")
    if session.counts.nonfinite:
        raise Unsteady(f"the network answered {session.counts.nonfinite} times with NaN or infinity: train or export it again")
    return report


def main(frames: str = str(FRAMES), model: str = "carotid") -> None:
    """Soak a model and print what became of it."""
    with closing(load_engine(model)) as engine:
        report = soak(engine, SOURCE, int(frames), lambda done: print(done, "of", frames, file=sys.stderr))  # noqa: T201
    print(report)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:3])
