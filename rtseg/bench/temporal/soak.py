"""Hours of stream: is memory flat and the state finite? `python -m rtseg.bench.temporal.soak FRAMES MODEL [OUT.json]`."""

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
from rtseg.sources.playback import Repeated
from rtseg.system.machine import describe, memory_mb
from rtseg.text.safe_text import json_text

# A minute of a probe to which everything happens, again and again.
SOURCE = "synthetic:vessel?seed=3&height=120&width=160&frames=1500&faults=freeze@200+40:3,cut@500,lift@700+30,gain@900+50:-6"
FRAMES, MODEL = 100_000, "carotid-int8"
_SAMPLES = 50  # of the memory held, over the run
_GROWTH_MB = 20.0  # an allocator's restlessness; a leak of one label map a frame would be gigabytes


class Unsteady(RtsegError, RuntimeError):
    """A long run held ever more memory, or its state did not stay finite."""


class Kept:
    """The frames of another source, kept in memory: what makes them must not take the time that is measured."""

    def __init__(self, source: Source) -> None:
        with closing(source):
            self._info, self._frames = source.info, tuple(source)

    @property
    def info(self) -> StreamInfo:
        """As the other source's."""
        return self._info

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._frames)

    def close(self) -> None:
        """Nothing is open."""


def soak(engine: Engine, uri: str, frames: int, progress: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Run `frames` frames of a source, played again and again from memory. Raises Unsteady.

    Memory is compared from the second sample on: the first frames fill caches. progress is given the report so far.
    """
    kept, session, samples, started = Kept(open_source(uri)), Session(engine), list[float | None](), perf_counter()
    report: dict[str, Any] = {}
    for count, _ in enumerate(Pipeline(Repeated(lambda: kept, frames), session), start=1):
        if count % max(1, frames // _SAMPLES) == 0:
            samples.append(memory_mb())
            counts = asdict(session.counts)
            report = {"frames": count, "seconds": perf_counter() - started, "memory_mb": samples, "memory": counts}
            progress(report)
    _judge([sample for sample in samples if sample is not None], session.counts.nonfinite)
    return report


def _judge(held: Sequence[float], nonfinite: int) -> None:
    if len(held) > 2 and held[-1] - held[1] > _GROWTH_MB:
        raise Unsteady(f"memory grew from {held[1]:.0f} to {held[-1]:.0f} MB: look for what keeps the frames")
    if nonfinite:
        raise Unsteady(f"the network answered {nonfinite} times with NaN or infinity: train or export it again")


def main(frames: str = str(FRAMES), model: str = MODEL, out: str = "soak.json") -> None:
    """Soak a model, and write what became of it, while it runs, too: whoever stops it keeps what was done."""
    head = {"model": model, "source": SOURCE, "wanted_frames": int(frames), "machine": describe()}

    def write(report: dict[str, Any]) -> None:
        write_atomically(Path(out), (json_text({**head, **report}, indent=2) + "\n").encode())
        print(report["frames"], "of", frames, file=sys.stderr)  # noqa: T201

    with closing(load_engine(model)) as engine:
        soak(engine, SOURCE, int(frames), write)


if __name__ == "__main__":
    main(*sys.argv[1:4])
