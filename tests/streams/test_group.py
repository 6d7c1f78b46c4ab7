"""Test several streams in one process: the masks of each are those of its single run, and none delays another."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest
import waiting

from rtseg.engines.capabilities import Shareable
from rtseg.engines.engine_pool import EnginePool, closing_pool
from rtseg.engines.load import ENGINES, load_engine
from rtseg.engines.openvino import requests_at_once
from rtseg.errors import ConfigError, EngineError, SourceError
from rtseg.frame import Frame, StreamInfo
from rtseg.pipeline import Companion, Pipeline
from rtseg.session.companion import CompanionSession
from rtseg.session.session import Session
from rtseg.sources import open_source
from rtseg.streams.group import StreamGroup
from rtseg.streams.stream import Stream, StreamOutcome


class LabelSink:
    """Keeps a copy of each label map and life."""

    def __init__(self) -> None:
        self.labels: list[np.ndarray] = []
        self.lives: list[str] = []
        self.is_closed = False

    def open(self, info: StreamInfo) -> None: ...

    def write(self, result) -> None:
        self.labels.append(result.segmentation.labels.copy())
        self.lives.append(result.segmentation.life.value)

    def close(self) -> None:
        self.is_closed = True


class StalledSource:
    """Gives one frame, and then nothing until it is closed."""

    info = StreamInfo(64, 96, 25.0, live=True)

    def __init__(self) -> None:
        self.closed = threading.Event()

    def __iter__(self):
        yield Frame(np.zeros((64, 96), np.uint8), 0, time.perf_counter_ns())
        self.closed.wait()

    def close(self) -> None:
        self.closed.set()


class HostileSource(StalledSource):
    """Gives a frame and then raises what nobody expects."""

    def __iter__(self):
        yield Frame(np.zeros((64, 96), np.uint8), 0, time.perf_counter_ns())
        raise ZeroDivisionError("by design")


def opener(source, engine, *sinks):
    def open_pipeline() -> Pipeline:
        opened = open_source(str(source)) if isinstance(source, str | Path) else source
        return Pipeline(opened, Session(engine), *sinks)

    return open_pipeline


def single_run(film: Path, model: Path | str, engine: str = "openvino") -> LabelSink:
    sink, network = LabelSink(), load_engine(model, engine)
    Pipeline(open_source(film), Session(network), sink).run()
    network.close()
    return sink


def together(films: list[Path], model: Path | str, engine: str = "openvino") -> tuple[list[LabelSink], list[StreamOutcome]]:
    sinks = [LabelSink() for _ in films]
    with requests_at_once(2), closing_pool(lambda: load_engine(model, engine)) as pool:
        opened = [opener(film, pool.take(), sink) for film, sink in zip(films, sinks, strict=True)]
        streams = [Stream(film.stem, one) for film, one in zip(films, opened, strict=True)]
        outcomes = list(StreamGroup(streams).run())
    return sinks, outcomes


@pytest.mark.parametrize("engine", ENGINES)
def test_the_masks_of_eight_streams_are_those_of_single_runs(films, tiny: Path, engine: str):
    paths = films(8)
    expected = [single_run(path, tiny, engine) for path in paths]
    sinks, outcomes = together(paths, tiny, engine)
    assert sorted((outcome.name, outcome.frames, outcome.error) for outcome in outcomes) == [
        (path.stem, 20, None) for path in sorted(paths)
    ]
    for found, alone in zip(sinks, expected, strict=True):
        assert found.lives == alone.lives
        np.testing.assert_array_equal(found.labels, alone.labels)
    assert any(sink.labels[-1].any() for sink in expected)  # else equality would mean nothing
    assert len({sink.labels[-1].tobytes() for sink in expected}) > 1


def test_the_masks_of_a_shipped_model_are_those_of_single_runs(films):
    paths = films(3, 8)
    expected = [single_run(path, "carotid-int8") for path in paths]
    sinks, _ = together(paths, "carotid-int8")
    for found, alone in zip(sinks, expected, strict=True):
        np.testing.assert_array_equal(found.labels, alone.labels)


def test_a_stalled_and_a_hostile_stream_delay_none(films, tiny: Path):
    paths, sinks, stalled = films(3), [LabelSink() for _ in range(3)], StalledSource()
    with closing_pool(lambda: load_engine(tiny)) as pool:
        streams = [Stream(path.stem, opener(path, pool.take(), sink)) for path, sink in zip(paths, sinks, strict=True)]
        streams.insert(0, Stream("stalled", opener(stalled, pool.take())))
        streams.insert(1, Stream("hostile", opener(HostileSource(), pool.take())))
        streams.insert(2, Stream("missing", opener("nothing.mp4", pool.take())))
        group = StreamGroup(streams)
        running = group.run()
        ended = {outcome.name: outcome for outcome in (next(running) for _ in range(5))}
        assert "stalled" not in ended
        assert group.running == ("stalled",)
        assert isinstance(ended["hostile"].error, ZeroDivisionError)
        assert isinstance(ended["missing"].error, SourceError)
        for path, sink in zip(paths, sinks, strict=True):
            assert (ended[path.stem].error, len(sink.labels), sink.is_closed) == (None, 20, True)
        running.close()  # as Ctrl-C does
        waiting.until(lambda: not group.running)
    assert stalled.closed.is_set()


def test_a_source_that_blocks_while_it_opens_delays_none(films, tiny: Path):
    (path,), sink, may_open = films(1), LabelSink(), threading.Event()

    def blocked() -> Pipeline:
        may_open.wait()
        raise SourceError("too late: open it earlier")

    with closing_pool(lambda: load_engine(tiny)) as pool:
        group = StreamGroup([Stream("blocked", blocked), Stream("good", opener(path, pool.take(), sink))])
        running = group.run()
        assert next(running).name == "good"
        assert len(sink.labels) == 20
        may_open.set()
        assert isinstance(next(running).error, SourceError)


def test_a_hung_engine_ends_its_own_stream_alone(films, tiny: Path):
    paths, sink, released = films(2), LabelSink(), threading.Event()
    with closing_pool(lambda: load_engine(tiny)) as pool:
        hung, good = pool.take(), pool.take()
        hung.infer = lambda x, state: released.wait()

        def open_hung() -> Pipeline:
            return Pipeline(open_source(paths[0]), Session(hung, engine_timeout_s=0.2))

        streams = [Stream("hung", open_hung), Stream("good", opener(paths[1], good, sink))]
        outcomes = {outcome.name: outcome for outcome in StreamGroup(streams).run()}
        released.set()
    assert "did not return within" in str(outcomes["hung"].error)
    assert (outcomes["good"].error, len(sink.labels)) == (None, 20)


def test_a_stream_ends_at_its_last_result(films, tiny: Path):
    (path,), sink = films(1), LabelSink()
    with closing_pool(lambda: load_engine(tiny)) as pool:
        stream = Stream("short", opener(path, pool.take(), sink), lambda result: result.frame.index == 4)
        (outcome,) = StreamGroup([stream]).run()
    assert (outcome.frames, len(sink.labels), sink.is_closed) == (5, 5, True)


def test_two_streams_of_one_name_are_refused():
    with pytest.raises(ConfigError, match="two streams are named"):
        StreamGroup([Stream("a", lambda: None), Stream("a", lambda: None)])


@pytest.mark.parametrize("engine", ENGINES)
def test_engines_of_a_pool_share_one_network(tiny: Path, engine: str):
    loaded = []

    def load():
        loaded.append(load_engine(tiny, engine))
        return loaded[-1]

    pool = EnginePool(load)
    first, second = pool.take(), pool.take()
    assert len(loaded) == 1
    assert first is not second
    assert first.spec is second.spec
    x = np.ones((1, 1, *first.spec.size), np.float32)
    one, _ = first.infer(x, first.initial_state())
    kept = one.copy()
    second.infer(5 * x, second.initial_state())
    np.testing.assert_array_equal(one, kept)  # the other engine writes to its own logits
    second.close()
    first.infer(x, first.initial_state())  # goes on
    pool.close()
    with pytest.raises(EngineError, match="is closed"):
        first.share()


def test_an_engine_that_cannot_be_shared_is_loaded_for_each_session(tiny: Path):
    loaded = []

    def load():
        loaded.append(load_engine(tiny, "openvino,onnx"))
        return loaded[-1]

    with closing_pool(load) as pool:
        assert [pool.take(), pool.take()] == loaded
    assert not isinstance(loaded[0], Shareable)


def test_two_models_on_one_stream_share_the_lifecycle_and_give_the_masks_of_single_runs(films, tiny: Path):
    (film,) = films(1)
    other = "carotid-int8"
    expected = [single_run(film, tiny), single_run(film, other)]
    lead, companion = LabelSink(), LabelSink()
    first, second = load_engine(tiny), load_engine(other)
    session = Session(first)
    follower = CompanionSession(second, session)
    follower._lifecycle.observe = None  # it must not be asked
    pipeline = Pipeline(open_source(film), session, lead, companions=[Companion(follower, companion)])
    follower.warm_up = lambda info: None
    report = pipeline.run()
    for found, alone in zip([lead, companion], expected, strict=True):
        assert found.lives == alone.lives
        np.testing.assert_array_equal(found.labels, alone.labels)
        assert found.is_closed
    assert pipeline.companions[0].report.counts.frames == report.counts.frames == 20
    assert (follower.counts.new, follower.counts.live) == (session.counts.new, session.counts.live)
    first.close(), second.close()
