"""Test the source of pushed frames: the newest wins, clocks are checked, and it closes from any thread."""

import threading
import time
from contextlib import closing

import numpy as np
import pytest

import rtseg
from rtseg.connection import LinkState
from rtseg.errors import ConfigError, ImageError, SourceError, WrongArgument
from rtseg.sources.base import as_live_source
from rtseg.sources.live.push import PushSource

PICTURE = np.zeros((48, 64), np.uint8)
SECOND_NS = 1_000_000_000


@pytest.fixture
def source():
    with closing(PushSource(48, 64, 25.0)) as made:
        yield made


class Clock:
    """Is a clock of the test, which begins at its own zero."""

    def __init__(self, now_ns):
        self.now_ns = now_ns

    def __call__(self):
        return self.now_ns


def push_now(source, value=0, **options):
    return source.push(np.full((48, 64), value, np.uint8), time.perf_counter_ns(), **options)


def test_the_newest_frame_wins_and_the_gap_counts_the_others(source):
    source.keep_newest()
    for value in range(5):
        assert push_now(source, value)
    source.finish()
    (frame,) = source
    assert (frame.index, frame.image[0, 0]) == (4, 4)


def test_nothing_blocks_before_the_stream_is_read(source):
    assert all(push_now(source, value) for value in range(3))
    source.finish()
    assert [frame.index for frame in source] == [2]


def test_a_loop_without_newest_gets_every_frame(source):
    def push_all():
        for value in range(20):
            push_now(source, value)
        source.finish()

    frames = iter(source)
    thread = threading.Thread(target=push_all)
    push_now(source, 99)
    first = next(frames)
    thread.start()
    assert [first.index, *(frame.index for frame in frames)] == list(range(21))
    thread.join()


def test_a_pipeline_counts_what_was_replaced(tiny, source):
    """Push from a callback's thread while a slow sink works: every frame is a result or dropped, and each in order."""
    engine = rtseg.load_engine(tiny, threads=1)
    stop = threading.Event()

    def call_back():
        index = 0
        while not stop.wait(0.004):
            push_now(source, index % 250)
            index += 1

    class SlowSink:
        def open(self, info): ...
        def write(self, result):
            time.sleep(0.03)

        def close(self): ...

    thread = threading.Thread(target=call_back)
    thread.start()
    seen = []
    for result in rtseg.Pipeline(source, rtseg.Session(engine), SlowSink()):
        seen.append(result)
        if len(seen) == 8:
            break
    stop.set()
    thread.join()
    assert sum(result.dropped + 1 for result in seen) == seen[-1].frame.index + 1
    assert any(result.dropped for result in seen[1:])
    assert not push_now(source)  # the pipeline has closed it
    engine.close()


def test_the_pixels_are_copied_since_a_callback_reuses_its_buffer(source):
    buffer = np.zeros((48, 64), np.uint8)
    source.push(buffer, time.perf_counter_ns())
    buffer[:] = 255
    source.finish()
    (frame,) = source
    assert not frame.image.any()


def test_the_time_and_the_spacing_ride_on_the_frame(source):
    now = time.perf_counter_ns()
    source.push(PICTURE, now, spacing_mm=(0.1, 0.2))
    source.finish()
    (frame,) = source
    assert abs(frame.captured_ns - now) < 50_000_000
    assert frame.spacing_mm == (0.1, 0.2)
    assert (frame.origin.timestamp_ns, frame.origin.corrected_ns) == (now, frame.captured_ns)


def test_wall_clock_times_are_mapped(source):
    with closing(PushSource(48, 64, clock=time.time_ns)) as walled:
        walled.push(PICTURE, time.time_ns() - SECOND_NS)
        walled.finish()
        (frame,) = walled
    assert SECOND_NS <= time.perf_counter_ns() - frame.captured_ns < 3 * SECOND_NS


@pytest.mark.parametrize("now_ns", [7 * SECOND_NS, 3 * 86400 * SECOND_NS, 1_764_000_000 * SECOND_NS])
@pytest.mark.parametrize(("factor", "unit"), [(10**9, "seconds"), (10**6, "milliseconds"), (10**3, "microseconds")])
def test_another_unit_is_refused_by_its_name(now_ns, factor, unit):
    with closing(PushSource(48, 64, clock=Clock(now_ns))) as source, pytest.raises(ConfigError, match=unit):
        source.push(PICTURE, now_ns // factor)


@pytest.mark.parametrize("captured", [1.5, "now", None, True, np.float64(3)])
def test_what_is_no_whole_number_is_refused(source, captured):
    with pytest.raises(WrongArgument, match=r"no whole number of nanoseconds: .* int\(seconds \* 1e9\)"):
        source.push(PICTURE, captured)


def test_seconds_of_the_wall_clock_are_refused_with_the_remedy(source):
    with pytest.raises(ConfigError, match=r"wall-clock time.*clock=time\.time_ns"):
        source.push(PICTURE, time.time_ns())
    with pytest.raises(ConfigError, match=r"wall-clock time, in seconds: give nanoseconds.*clock=time\.time_ns"):
        source.push(PICTURE, int(time.time()))


@pytest.mark.parametrize(("offset_ns", "words"), [(-9 * SECOND_NS, "9.000 s old"), (SECOND_NS, "1.000 s ahead")])
def test_an_old_frame_and_one_from_the_future_are_refused(offset_ns, words):
    now_ns = 1000 * SECOND_NS
    with closing(PushSource(48, 64, clock=Clock(now_ns))) as source, pytest.raises(ConfigError, match=words):
        source.push(PICTURE, now_ns + offset_ns)


def test_a_clock_that_goes_back_is_refused_and_the_stream_goes_on():
    clock = Clock(1000 * SECOND_NS)
    with closing(PushSource(48, 64, clock=clock)) as source:
        assert source.push(PICTURE, clock.now_ns)
        with pytest.raises(ConfigError, match=r"goes back by 40\.000 ms"):
            source.push(PICTURE, clock.now_ns - 40_000_000)
        clock.now_ns += SECOND_NS
        assert source.push(PICTURE, clock.now_ns)


def test_a_simulated_clock_may_begin_at_zero():
    clock = Clock(0)
    with closing(PushSource(48, 64, clock=clock)) as source:
        for _ in range(100):
            assert source.push(PICTURE, clock.now_ns)
            clock.now_ns += 40_000_000


@pytest.mark.parametrize("image", ["a.png", None, np.zeros((4, 4)), np.zeros((0, 4), np.uint8), np.zeros((4, 4, 4), np.uint8)])
def test_what_is_no_image_is_refused(source, image):
    with pytest.raises(ImageError):
        source.push(image, time.perf_counter_ns())


@pytest.mark.parametrize("size", [(0, 64), (48, -1)])
def test_a_size_and_a_spacing_that_cannot_be_are_refused(source, size):
    with pytest.raises(ConfigError, match="height and a width from 1"):
        PushSource(*size)
    with pytest.raises(ConfigError, match="a pixel size"):
        push_now(source, spacing_mm=(0, 1))


@pytest.mark.parametrize("end", ["close", "finish"])
def test_it_ends_from_another_thread_while_the_reader_waits(source, end):
    timer = threading.Timer(0.1, getattr(source, end))
    timer.start()
    assert list(source) == []
    assert not push_now(source)
    source.close()
    assert source.state is LinkState.ENDED


def test_closing_frees_a_blocked_callback(source):
    frames = iter(source)
    push_now(source)
    next(frames)
    push_now(source)
    taken = []
    thread = threading.Thread(target=lambda: taken.append(push_now(source)))
    thread.start()
    time.sleep(0.1)
    source.close()
    thread.join(10)
    assert taken == [False]


def test_a_failure_is_raised_after_the_last_frame(source):
    push_now(source)
    source.fail("the probe is switched off")
    frames = iter(source)
    assert next(frames).index == 0
    with pytest.raises(SourceError, match="the probe is switched off"):
        next(frames)
    assert source.state is LinkState.FAILED


def test_it_reports_like_other_live_sources(source):
    assert as_live_source(source) is source
    push_now(source)
    source.finish()
    assert list(source)
    assert [event.state for event in source.events] == [LinkState.OPENING, LinkState.ENDED]
    assert source.diagnostics().format == "pushed frames"
