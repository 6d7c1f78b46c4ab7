"""Test the pipeline: order, closing, live frames, counts."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from sources.links import FAST, FakeLink

from rtseg.engines.load import load_engine
from rtseg.errors import SinkError, SourceError
from rtseg.frame import Frame, Origin, StreamInfo
from rtseg.overlay import Overlay
from rtseg.pipeline import Pipeline, Policy
from rtseg.result import Result
from rtseg.session.session import Session
from rtseg.sinks import DrawSink, VideoSink
from rtseg.sources.live.reconnect import ReconnectingSource
from rtseg.trace import AGE


class ListSource:
    """Yields frames of given indices, then raises an error if one is given."""

    def __init__(
        self, indices: list[int], *, live: bool = False, period_s: float = 0.0, error: Exception | None = None
    ) -> None:
        self.info = StreamInfo(64, 96, 50.0, live)
        self._indices, self._period_s, self._error = indices, period_s, error
        self.closed = 0

    def __iter__(self) -> Iterator[Frame]:
        for index in self._indices:
            time.sleep(self._period_s)
            if self.closed:
                return
            yield Frame(np.full((64, 96), index % 256, np.uint8), index, time.perf_counter_ns())
        if self._error:
            raise self._error

    def close(self) -> None:
        self.closed += 1


class ListSink:
    """Collects results, with a delay or an error if set."""

    def __init__(self, *, delay_s: float = 0.0, breaks_at: int = -1, unopened: bool = False) -> None:
        self.results: list[Result] = []
        self.opened = self.closed = 0
        self._delay_s, self._breaks_at, self._unopened = delay_s, breaks_at, unopened

    def open(self, info: StreamInfo) -> None:
        if self._unopened:
            raise SinkError("cannot be opened: choose another")
        self.opened += 1

    def write(self, result: Result) -> None:
        if len(self.results) == self._breaks_at:
            raise SinkError("the disk is full: free some space")
        time.sleep(self._delay_s)
        self.results.append(result)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def session(tiny: Path) -> Iterator[Session]:
    engine = load_engine(tiny)
    session = Session(engine)
    session.warm_up(StreamInfo(64, 96, 50.0))  # a short live source would otherwise end during the pipeline's own warm-up
    yield session
    engine.close()


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = [thread for thread in set(threading.enumerate()) - before if thread.name == "rtseg-capture"]
    assert not left


def test_every_frame_of_a_file_in_order(session: Session):
    source, sink = ListSource(list(range(12))), ListSink(delay_s=0.005)
    results = list(Pipeline(source, session, sink))
    assert [result.frame.index for result in results] == list(range(12))
    assert sink.results == results
    assert (source.closed, sink.opened, sink.closed) == (1, 1, 1)


def test_gaps_are_counted_as_dropped(session: Session):
    pipeline = Pipeline(ListSource([2, 3, 7]), session)
    assert [result.dropped for result in pipeline] == [2, 0, 3]
    assert pipeline.report.counts.dropped == 5


def test_warm_up_does_not_count(session: Session):
    report = Pipeline(ListSource(list(range(10))), session, warmup=4).run()
    assert (report.counts.warmup, report.counts.frames) == (4, 6)


def test_break_closes_everything(session: Session):
    source, sink = ListSource(list(range(100)), live=True, period_s=0.002), ListSink()
    for result in Pipeline(source, session, sink):
        if result.frame.index >= 5:
            break
    assert source.closed
    assert sink.closed == 1


@pytest.mark.parametrize("live", [False, True])
def test_a_source_that_breaks_is_heard_after_its_last_frame(session: Session, live: bool):
    source = ListSource([0, 1, 2], live=live, period_s=0.05, error=SourceError("the cable is out: plug it in"))
    sink = ListSink()
    with pytest.raises(SourceError, match="plug it in"):
        Pipeline(source, session, sink).run()
    assert sink.results[-1].frame.index == 2
    assert sink.closed == 1


@pytest.mark.parametrize("live", [False, True])
def test_a_sink_that_breaks_closes_the_others(session: Session, live: bool):
    source, good, bad = ListSource(list(range(50)), live=live, period_s=0.002), ListSink(), ListSink(breaks_at=2)
    with pytest.raises(SinkError, match="free some space"):
        Pipeline(source, session, good, bad).run()
    assert (good.closed, bad.closed, len(good.results)) == (1, 1, 3)
    assert source.closed


def test_a_sink_that_cannot_be_opened_closes_those_that_were(session: Session):
    source, good = ListSource([0]), ListSink()
    with pytest.raises(SinkError, match="choose another"):
        Pipeline(source, session, good, ListSink(unopened=True)).run()
    assert (source.closed, good.closed) == (1, 1)


def test_a_slow_reader_of_a_live_source_gets_the_newest(session: Session):
    source, sink = ListSource(list(range(100)), live=True, period_s=0.003), ListSink(delay_s=0.03)
    report = Pipeline(source, session, sink).run()
    taken = [result.frame.index for result in sink.results]
    assert taken == sorted(taken)
    assert taken[-1] == 99
    assert 2 <= len(taken) < 70
    assert report.counts.frames + report.counts.dropped == 100


def test_latency_does_not_grow_with_time(session: Session):
    sink = ListSink(delay_s=0.02)
    Pipeline(ListSource(list(range(150)), live=True, period_s=0.004), session, sink).run()
    waits = [result.trace.stages_ns["wait"] for result in sink.results]
    third = len(waits) // 3
    assert np.median(waits[-third:]) < 5 * np.median(waits[:third]) + 20e6


def test_a_source_without_frames(session: Session):
    assert Pipeline(ListSource([]), session).run().counts.frames == 0


def test_a_policy_may_be_chosen(session: Session):
    source, sink = ListSource(list(range(40)), live=True, period_s=0.001), ListSink(delay_s=0.01)
    report = Pipeline(source, session, sink, policy=Policy.BLOCK).run()
    assert [result.frame.index for result in sink.results] == list(range(40))
    assert report.counts.dropped == 0
    source = ListSource(list(range(40)), live=True, period_s=0.001)
    assert Pipeline(source, session, policy=Policy.ALL).run().counts.frames == 40
    source = ListSource(list(range(400)), period_s=0.0005)
    assert Pipeline(source, session, ListSink(delay_s=0.02), policy=Policy.LATEST).run().counts.dropped > 0


def test_events_and_connections_are_in_the_report(session: Session):
    links = [FakeLink(12, size=(64, 96)), FakeLink(12, "ends", size=(64, 96))]
    source = ReconnectingSource(lambda: links.pop(0), FAST)
    report = Pipeline(source, session, policy=Policy.ALL).run().to_json()
    assert [event["state"] for event in report["events"]] == ["opening", "live", "lost", "reopening", "live", "ended"]
    assert report["events"][2]["reason"] == "the cable is out: plug it in"
    assert [connection["frames"] for connection in report["connections_ms"]] == [12, 12]
    assert all(connection["p50"] > 0 for connection in report["connections_ms"])


def test_the_age_counts_from_the_source_s_own_time(session: Session):
    class DelayedSource(ListSource):
        """Reports that each frame was acquired 40 ms before it arrived."""

        def __iter__(self) -> Iterator[Frame]:
            for frame in super().__iter__():
                yield replace(frame, origin=Origin(corrected_ns=frame.captured_ns - 40_000_000))

    report = Pipeline(DelayedSource(list(range(10))), session).run()
    assert report.percentile_ms(50, AGE) >= report.percentile_ms(50) + 39
    assert AGE not in Pipeline(ListSource([0, 1]), session).run().stages


def test_wall_clock_times_keep_to_the_monotonic_intervals_when_the_clock_is_set(session, monkeypatch):
    clock_ns = iter(range(10**18, 0, -(10**17)))  # a wall clock that goes back three years at each reading
    monkeypatch.setattr("rtseg.wall_clock.time_ns", lambda: next(clock_ns))
    found = list(Pipeline(ListSource(list(range(4)), period_s=0.002), session))
    wall_ns, captured_ns = ([each(result) for result in found] for each in (lambda r: r.wall_ns, lambda r: r.frame.captured_ns))
    assert np.diff(wall_ns).tolist() == np.diff(captured_ns).tolist()
    assert 10**18 <= wall_ns[0] < 10**18 + 60 * 10**9


BARE = {"legend": False, "latency": False, "notice": False}


class AgedSource(ListSource):
    """Yields frames that were captured 0.25 s ago."""

    def __iter__(self) -> Iterator[Frame]:
        for frame in super().__iter__():
            yield replace(frame, captured_ns=frame.captured_ns - 250_000_000)


@pytest.mark.parametrize(
    ("live", "max_age_ms", "late"),
    [(True, None, True), (True, 60_000, False), (True, 10, True), (False, None, False), (False, 10, False)],
)
def test_old_frames_of_live_sources_are_late_in_every_sink(
    session: Session, tmp_path: Path, live: bool, max_age_ms: float | None, late: bool
) -> None:
    """Test that the amber word LATE stands in the preview and in the video, and not in those of a file."""
    sink, preview, out = ListSink(), DrawSink(Overlay(**BARE)), tmp_path / "out.mp4"
    source = AgedSource([*range(6)], live=live, period_s=0.05)
    Pipeline(source, session, sink, preview, VideoSink(out, Overlay(**BARE), crf=0), max_age_ms=max_age_ms).run()
    assert sink.results
    assert {result.is_late for result in sink.results} == {late}
    never = Overlay(oldest_ms=1e9, **BARE).draw(sink.results[-1])
    assert preview.last is not None
    assert (count_amber(preview.last) > count_amber(never)) is late
    with av.open(str(out)) as video:
        pictures = [picture.to_ndarray(format="rgb24") for picture in video.decode(video=0)]
    distances = [np.abs(pictures[-1].astype(int) - picture).mean() for picture in (preview.last, never)]
    assert (distances[0] < distances[1]) is np.bool_(late)


def count_amber(picture: np.ndarray) -> int:
    """Return the number of pixels that have the color of warnings."""
    return int((picture == (255, 200, 60)).all(axis=2).sum())


@pytest.mark.parametrize(("fps", "max_age_ms"), [(50.0, 100), (20.0, 100), (5.0, 400)])
def test_a_frame_is_late_after_two_periods_and_at_least_100_ms(session: Session, fps: float, max_age_ms: int) -> None:
    source, sink = ListSource([0, 1], live=True), ListSink()
    source.info = replace(source.info, fps=fps)
    Pipeline(source, session, sink, policy=Policy.ALL).run()
    assert {result.max_age_ns for result in sink.results} == {max_age_ms * 1_000_000}
