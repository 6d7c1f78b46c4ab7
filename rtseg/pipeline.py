"""The straight line: source, session, sinks, one frame after another."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, closing
from time import perf_counter_ns

from rtseg.frame import Frame
from rtseg.latest import LatestFrame
from rtseg.result import Result
from rtseg.sector import Guard
from rtseg.session import Session
from rtseg.sinks.base import Sink
from rtseg.sources.base import Source
from rtseg.trace import READ, LatencyReport, LatencyTrace


class Pipeline:
    """Iterates over the results of a source's frames, each written to every sink before it is given out.

    A live source is read in its own thread and its newest frame is taken; a file is never dropped from. Leaving the loop, by
    its end, `break` or an error, closes the source and the sinks. A pipeline runs once. warmup: the first frames that do not
    count in `report`, which grows with each result. keep_surroundings: leave what stands around the ultrasound sector (names,
    dates) in the frames that results carry; else it is black.
    """

    def __init__(
        self, source: Source, session: Session, *sinks: Sink, warmup: int = 0, keep_surroundings: bool = False
    ) -> None:
        self.source, self.session, self.sinks, self.warmup = source, session, sinks, warmup
        self.guard = None if keep_surroundings else Guard()
        self.report = LatencyReport(source.info.period_ns, session.counts)

    def __iter__(self) -> Generator[Result, None, None]:
        with ExitStack() as open_things:
            open_things.callback(self.source.close)
            for sink in self.sinks:
                sink.open(self.source.info)
                open_things.callback(sink.close)
            self.session.warm_up(self.source.info)
            yield from self._results(_traced(self._frames(open_things)))

    def run(self) -> LatencyReport:
        """Run to the end of the source."""
        with closing(iter(self)) as results:
            for _ in results:
                pass
        return self.report

    def _frames(self, open_things: ExitStack) -> Iterable[Frame]:
        if not self.source.info.live:
            return self.source
        latest = LatestFrame(self.source)
        open_things.callback(latest.close)
        return latest

    def _results(self, frames: Iterable[tuple[Frame, LatencyTrace]]) -> Iterator[Result]:
        expected = 0
        for frame, trace in frames:
            segmentation = self.session.step(frame, trace)
            shown = self._shown(frame, trace)
            result = Result(shown, segmentation, trace, dropped=max(0, frame.index - expected))
            for sink in self.sinks:
                sink.write(result)
            self._count(result)
            expected = frame.index + 1
            yield result

    def _shown(self, frame: Frame, trace: LatencyTrace) -> Frame:
        """What may leave the program of a frame."""
        if self.guard is None:
            return frame
        with trace.stage("guard"):
            return self.guard.cover(frame, self.session.sector)

    def _count(self, result: Result) -> None:
        if self.report.counts.warmup < self.warmup:
            self.report.counts.warmup += 1
        else:
            self.report.add(result.trace, result.dropped)


def _traced(frames: Iterable[Frame]) -> Iterator[tuple[Frame, LatencyTrace]]:
    """Each frame with its trace: how long it was read, if anybody waited for that, and how long it waited to be taken."""
    asked_ns = perf_counter_ns()
    for frame in frames:
        trace = LatencyTrace(frame.captured_ns)
        trace.add(READ, min(asked_ns, frame.captured_ns), frame.captured_ns)
        trace.add("wait", frame.captured_ns, perf_counter_ns())
        yield frame, trace
        asked_ns = perf_counter_ns()
