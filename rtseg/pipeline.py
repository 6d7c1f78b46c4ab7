"""Run the pipeline: source, session and sinks, one frame after another."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from enum import Enum
from time import perf_counter_ns

from rtseg.errors import require_members
from rtseg.frame import Frame, StreamInfo
from rtseg.mailbox import Mailbox, ReadAheadQueue
from rtseg.result import Result
from rtseg.session.companion import CompanionSession
from rtseg.session.redaction import RedactionMode, Redactor
from rtseg.session.session import Session
from rtseg.sinks.base import Sink
from rtseg.sources.base import Source, as_connected_source, as_live_source, omitted_parts
from rtseg.spacing import with_spacing
from rtseg.trace import AGE, READ, LatencyReport, LatencyTrace
from rtseg.wall_clock import WallClock

_SINK_REMEDY = "give rtseg.VideoSink(PATH), rtseg.JsonSink(PATH) or another, each as an argument of its own"
_MIN_MAX_AGE_NS = 100_000_000  # no viewer notices less


class Policy(str, Enum):
    """Names what happens to frames that arrive faster than they are processed."""

    LATEST = "latest"  # take the newest frame and drop those before it, so that no latency builds up
    ALL = "all"  # process each frame, read on demand; the source blocks meanwhile
    BLOCK = "block"  # process each frame, read ahead by a few; the source blocks when the queue is full


class Pipeline:
    """Iterates over the results of a source's frames; each is written to every sink before it is yielded.

    Leaving the loop, by its end, `break` or an error, closes the source and the sinks. A pipeline runs once.

    warmup: number of first frames that `report` does not count. redact: how the frames of the results are redacted, AUTO by
    default, see `Redactor`. keep_surroundings: the same as OFF: keep names and dates. policy: LATEST by default for a live
    source, which is then read in its own thread, and ALL for a file. max_age_ms: age above which a frame of a live source is
    late, see `Result`; None: twice the frame period, at least 100 ms. companions: further models on the same frames, see
    `Companion`. guard: redacts; a session that records has its own.
    Raises WrongArgument where a part is no such object, as a path in place of a sink.
    """

    def __init__(
        self,
        source: Source,
        session: Session,
        *sinks: Sink,
        warmup: int = 0,
        keep_surroundings: bool = False,
        redact: RedactionMode | str = RedactionMode.AUTO,
        policy: Policy | None = None,
        max_age_ms: float | None = None,
        companions: Sequence["Companion"] = (),
    ) -> None:
        _check_parts(source, session, sinks)
        self.policy = policy or (Policy.LATEST if source.info.live else Policy.ALL)
        self.source, self.session, self.sinks, self.warmup = source, session, sinks, warmup
        self._live, self._connected = as_live_source(source), as_connected_source(source)
        own = Redactor(RedactionMode.OFF if keep_surroundings else redact)
        self.guard = own if own.mode is RedactionMode.OFF else session.redactor or own
        events = self._connected.events if self._connected else ()
        self.report = LatencyReport(source.info.period_ns, session.counts, events, omitted_parts(source))
        self.report.warnings = session.warnings
        self.companions = companions
        self._reconnects = 0
        self._max_age_ns = _max_age_ns(source.info, max_age_ms)

    def __iter__(self) -> Generator[Result, None, None]:
        """Open the sinks, warm the session up, and yield each result."""
        with ExitStack() as resources:
            resources.callback(self.source.close)
            described = with_spacing(self.source.info, self.session.spacing_mm)
            self.guard.begin(live=self.source.info.live)
            resources.callback(self.guard.close)
            for sink in self.sinks:
                sink.open(described)
                resources.callback(sink.close)
            for companion in self.companions:
                companion.open(described, resources)
            frames = self._frames(resources)
            resources.callback(self.session.close)
            self.session.warm_up(self.source.info)
            for companion in self.companions:
                companion.session.warm_up(self.source.info)
            yield from self._results(_with_traces(frames))

    def run(self) -> LatencyReport:
        """Run to the end of the source, and return the report."""
        with closing(iter(self)) as results:
            for _ in results:
                pass
        return self.report

    def _frames(self, resources: ExitStack) -> Iterable[Frame]:
        if self.policy is Policy.ALL:
            return self.source
        if self.policy is Policy.LATEST and self._live:
            self._live.keep_newest(self.session.expect)  # it has its own thread; a second one would only add latency
            return self.source
        captured = Mailbox(self.source, self.session.expect) if self.policy is Policy.LATEST else ReadAheadQueue(self.source)
        resources.callback(captured.close)
        captured.start()  # before the warm-up, so that frames sent meanwhile do not queue up
        return captured

    def _results(self, frames: Iterable[tuple[Frame, LatencyTrace]]) -> Iterator[Result]:
        expected, clock = 0, WallClock()
        for frame, trace in frames:
            segmentation = self.session.step(frame, trace)
            redacted = self._redacted(frame, trace)
            dropped = max(0, frame.index - expected)
            wall_ns, state = frame.captured_wall_ns(clock), self.guard.state
            result = Result(redacted, segmentation, trace, dropped, wall_ns, self._max_age_ns, state)
            self.report.redaction = state
            for sink in self.sinks:
                sink.write(result)
            self._count(result)
            for companion in self.companions:
                companion.process(frame, result, self.warmup)
            expected = frame.index + 1
            yield result

    def _redacted(self, frame: Frame, trace: LatencyTrace) -> Frame:
        """Return the frame that sinks may write."""
        if self.guard.mode is RedactionMode.OFF:
            return self.guard.expose(frame)
        if self.guard is self.session.redactor and self.guard.newest is not None:
            return self.guard.newest  # what the network saw
        with trace.stage("guard"):
            return self.guard.redact(frame, self.session.sector, is_stated=self.session.is_sector_stated)

    def _count(self, result: Result) -> None:
        self._count_reconnects()
        origin = result.frame.origin
        if origin and origin.corrected_ns is not None:
            result.trace.add(AGE, origin.corrected_ns, result.trace.ended_ns)
        if self.report.counts.warmup < self.warmup:
            self.report.counts.warmup += 1
        else:
            self.report.add(result.trace, result.dropped)

    def _count_reconnects(self) -> None:
        reconnects = self._connected.reconnects if self._connected else 0
        if reconnects != self._reconnects:
            self._reconnects = reconnects
            self.report.reconnected()


class Companion:
    """Segments the frames of a pipeline with a further model, and writes the results to sinks of its own.

    session: takes the lifecycle and the sector from the pipeline's session, see `CompanionSession`. report: counts its latency,
    which includes the models before it. A companion runs once, in the thread of its pipeline.
    """

    def __init__(self, session: CompanionSession, *sinks: Sink) -> None:
        self.session, self.sinks = session, sinks
        self.report = LatencyReport(0, session.counts)
        self.report.warnings = session.warnings

    def open(self, info: StreamInfo, resources: ExitStack) -> None:
        """Open the sinks for a stream; `resources` closes them and the session. Raises SinkError."""
        self.report.period_ns = info.period_ns
        resources.callback(self.session.close)
        for sink in self.sinks:
            sink.open(with_spacing(info, self.session.spacing_mm))
            resources.callback(sink.close)

    def process(self, frame: Frame, first: Result, warmup: int) -> None:
        """Segment a frame of which `first` is the result of the pipeline's own model, and write the result.

        warmup: number of first frames that the report does not count. Raises EngineError, SinkError.
        """
        trace = LatencyTrace(frame.captured_ns)
        trace.add("wait", frame.captured_ns, perf_counter_ns())
        found = replace(first, segmentation=self.session.step(frame, trace), trace=trace)
        for sink in self.sinks:
            sink.write(found)
        if self.report.counts.warmup < warmup:
            self.report.counts.warmup += 1
        else:
            self.report.add(trace, first.dropped)
        self.report.redaction = first.redaction


def _check_parts(source: object, session: object, sinks: tuple[object, ...]) -> None:
    """Raise WrongArgument where something else was given as a part of a pipeline."""
    require_members(source, ("info", "__iter__", "close"), "the source of a pipeline", "open it by rtseg.open_source(URI)")
    require_members(session, ("step", "warm_up"), "the session of a pipeline", "make it by rtseg.Session(engine)")
    for sink in sinks:
        require_members(sink, ("open", "write", "close"), "a sink of a pipeline", _SINK_REMEDY)


def _max_age_ns(info: StreamInfo, max_age_ms: float | None) -> int | None:
    """Return the age above which a frame is late; None for a file, of which no frame is."""
    if not info.live:
        return None
    return max(2 * info.period_ns, _MIN_MAX_AGE_NS) if max_age_ms is None else round(1e6 * max_age_ms)


def _with_traces(frames: Iterable[Frame]) -> Iterator[tuple[Frame, LatencyTrace]]:
    """Yield each frame with a trace of its read time, as far as the pipeline blocked on it, and of its wait time."""
    requested_ns = perf_counter_ns()
    for frame in frames:
        trace = LatencyTrace(frame.captured_ns)
        trace.add(READ, min(requested_ns, frame.captured_ns), frame.captured_ns)
        trace.add("wait", frame.captured_ns, perf_counter_ns())
        yield frame, trace
        requested_ns = perf_counter_ns()
