"""Runs hours of stream and checks for memory growth: `python -m rtseg.bench.temporal.soak FRAMES MODEL [OUT.json]`."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

from rtseg.engines.base import Engine
from rtseg.engines.load import load_engine
from rtseg.errors import RtsegError
from rtseg.frame import Frame, StreamInfo
from rtseg.output.atomic_file import write_atomically
from rtseg.pipeline import Pipeline
from rtseg.session.session import Session
from rtseg.sources import Source, open_source
from rtseg.sources.playback import LoopingSource
from rtseg.system.machine import describe_machine, memory_mb
from rtseg.text.safe_text import json_text
from rtseg.wall_clock import utc_now

# One minute of phantom with every kind of event, played repeatedly.
SOURCE = "synthetic:vessel?seed=3&height=120&width=160&frames=1500&faults=freeze@200+40:3,cut@500,lift@700+30,gain@900+50:-6"
FRAMES, MODEL = 100_000, "carotid-int8"
_SAMPLES = 50  # memory samples over the run
_GROWTH_MB = 20.0  # tolerance for allocator noise; a leak of one label map a frame would be gigabytes


class SoakFailure(RtsegError, RuntimeError):
    """Reports that memory grew over a long run, or that the network's state became non-finite."""


class PreloadedSource:
    """Preloads the frames of another source into memory, so that making them takes no measured time."""

    def __init__(self, source: Source) -> None:
        with closing(source):
            self._info, self._frames = source.info, tuple(source)

    @property
    def info(self) -> StreamInfo:
        """Return the stream info of the original source."""
        return self._info

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._frames)

    def close(self) -> None:
        """Do nothing: the original source is already closed."""


def soak(engine: Engine, uri: str, frames: int, progress: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Run `frames` frames of a source, played repeatedly from memory, and return the report.

    Memory is compared from the second sample on, because the first frames fill caches. progress: called with the report so
    far. Raises SoakFailure.
    """
    kept, session, samples, started = PreloadedSource(open_source(uri)), Session(engine), list[float | None](), perf_counter()
    report: dict[str, Any] = {}
    for count, _ in enumerate(Pipeline(LoopingSource(lambda: kept, frames), session), start=1):
        if count % max(1, frames // _SAMPLES) == 0:
            samples.append(memory_mb())
            counts = asdict(session.counts)
            report = {"frames": count, "seconds": perf_counter() - started, "memory_mb": samples, "memory": counts}
            progress(report)
    _check_stability([sample for sample in samples if sample is not None], session.counts.nonfinite)
    return report


def _check_stability(held: Sequence[float], nonfinite: int) -> None:
    if len(held) > 2 and held[-1] - held[1] > _GROWTH_MB:
        raise SoakFailure(f"memory grew from {held[1]:.0f} to {held[-1]:.0f} MB: look for what keeps the frames")
    if nonfinite:
        raise SoakFailure(f"the network answered {nonfinite} times with NaN or infinity: train or export it again")


def main(frames: str = str(FRAMES), model: str = MODEL, out: str = "soak.json") -> None:
    """Run a soak test of a model and write its report repeatedly, so that an interrupted run keeps its results."""
    head = {
        "model": model,
        "source": SOURCE,
        "wanted_frames": int(frames),
        "began_at": utc_now(),
        "machine": describe_machine(),
    }

    def write(report: dict[str, Any]) -> None:
        write_atomically(Path(out), (json_text({**head, **report}, indent=2) + "\n").encode())
        print(report["frames"], "of", frames, file=sys.stderr)  # noqa: T201

    with closing(load_engine(model)) as engine:
        soak(engine, SOURCE, int(frames), write)


if __name__ == "__main__":
    main(*sys.argv[1:4])
