"""Tests looping and paced playback."""

import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from rtseg.errors import ConfigError, SourceError
from rtseg.frame import Frame, StreamInfo
from rtseg.sources.playback import LoopingSource, PacedSource


class ListedSource:
    """Yields frames with the given indices."""

    opened = 0
    closed = 0

    def __init__(self, indices, fps=1000.0):
        type(self).opened += 1
        self.info = StreamInfo(4, 4, fps, frames=len(indices))
        self._frames = iter([Frame(np.zeros((4, 4), np.uint8), index, 7) for index in indices])

    def __iter__(self):
        yield from self._frames

    def close(self):
        type(self).closed += 1


@pytest.fixture(autouse=True)
def _fresh_counts(monkeypatch):
    monkeypatch.setattr(ListedSource, "opened", 0)
    monkeypatch.setattr(ListedSource, "closed", 0)


def test_frames_come_no_earlier_than_they_are_due():
    paced = PacedSource(ListedSource([0, 1, 2, 5]), fps=50)
    assert (paced.info.live, paced.info.fps, paced.info.frames) == (True, 50, 4)
    stamps = {frame.index: frame.captured_ns for frame in paced}
    for index in (1, 2, 5):
        assert stamps[index] - stamps[0] >= index * 19_000_000  # a dropped frame leaves its time slot
    assert stamps[5] - stamps[0] < 40 * 20_000_000


def test_a_frame_is_not_read_long_before_it_is_due():
    asked_ns = []

    class TimedSource(ListedSource):
        def __iter__(self):
            for frame in super().__iter__():
                asked_ns.append(time.perf_counter_ns())
                yield frame

    began_ns = time.perf_counter_ns()
    assert len(list(PacedSource(TimedSource([0, 1, 2, 5]), fps=20))) == 4
    for read_ns, before in zip(asked_ns[1:], (0, 1, 2), strict=True):
        assert read_ns - began_ns >= (before + 0.5) * 50_000_000


def test_its_own_rate_unless_told():
    assert PacedSource(ListedSource([0], fps=30)).info.fps == 30
    with pytest.raises(ConfigError, match="frame rate of 0"):
        PacedSource(ListedSource([0]), fps=0)


def test_a_live_source_keeps_its_own_pace():
    """Its indices count frames that were dropped meanwhile, so that each wait for one would make the next one longer."""
    live = ListedSource([0, 1000, 1_000_000], fps=25)
    live.info = live.info.as_live()
    assert [(frame.index, frame.captured_ns) for frame in PacedSource(live)] == [(0, 7), (1000, 7), (1_000_000, 7)]


def test_a_late_reader_gets_the_next_frame_at_once():
    frames = iter(PacedSource(ListedSource(range(6)), fps=20))
    first = next(frames)
    time.sleep(0.3)  # five frame periods are over
    stamps = [frame.captured_ns for frame in frames]
    assert stamps[-1] - stamps[0] < 0.15e9  # paced they would take 0.2 s
    assert stamps[0] - first.captured_ns >= 0.3e9


def test_waiting_does_not_burn_the_processor():
    paced = PacedSource(ListedSource(range(6)), fps=20)
    before = time.thread_time_ns()
    started = time.perf_counter_ns()
    list(paced)
    assert time.thread_time_ns() - before < 0.3 * (time.perf_counter_ns() - started)


def test_closing_wakes_the_waiting_reader():
    paced = PacedSource(ListedSource([0, 10_000]), fps=1)
    read = []
    reader = threading.Thread(target=lambda: read.extend(paced))
    reader.start()
    while not read:
        time.sleep(0.001)
    paced.close()
    reader.join(10)
    assert not reader.is_alive()
    assert len(read) == 1
    assert ListedSource.closed == 1


def test_repeated_counts_on_and_keeps_gaps():
    repeated = LoopingSource(lambda: ListedSource([0, 1, 3]), frames=8)
    assert repeated.info.frames == 8
    assert [frame.index for frame in repeated] == [0, 1, 3, 4, 5, 7, 8, 9]
    repeated.close()
    assert (ListedSource.opened, ListedSource.closed) == (3, 3)


def test_repeated_plays_a_file_again(write_video, grey_frames, own_threads):
    path = write_video("a.mkv", grey_frames[:7])
    repeated = LoopingSource(str(path), frames=20)
    frames = list(repeated)
    repeated.close()
    assert [frame.index for frame in frames] == list(range(20))
    assert np.array_equal(frames[3].image, frames[10].image)
    assert np.array_equal(frames[3].image, frames[17].image)


def test_repeated_stops_where_it_is_closed():
    repeated = LoopingSource(lambda: ListedSource([0, 1]), frames=100)
    frames = iter(repeated)
    next(frames)
    repeated.close()
    assert len(list(frames)) <= 1
    assert ListedSource.opened == 1


def test_repeated_refuses_what_has_no_frames():
    with pytest.raises(ConfigError, match="give at least 1"):
        LoopingSource(lambda: ListedSource([0]), frames=0)
    with pytest.raises(SourceError, match="gave no frame"):
        list(LoopingSource(lambda: ListedSource([]), frames=3))


class VariableSource(ListedSource):
    """Yields frames with presentation times of a variable rate."""

    times_ns = (0, 20_000_000, 25_000_000, 90_000_000)

    def __init__(self, fps=1000.0):
        super().__init__(range(4), fps)
        shown = zip(self._frames, self.times_ns, strict=True)
        self._frames = iter([replace(frame, presentation_ns=time_ns, pixel_aspect=2.0) for frame, time_ns in shown])
        self.info = replace(self.info, pixel_aspect=2.0)


def test_frames_are_paced_by_their_own_times_unless_a_rate_is_given():
    paced = PacedSource(VariableSource())
    assert paced.info.pixel_aspect == 2
    stamps = [frame.captured_ns for frame in paced]
    due = [stamps[0] + time_ns for time_ns in VariableSource.times_ns]
    assert all(stamp >= time_ns - 1_000_000 for stamp, time_ns in zip(stamps, due, strict=True))
    faster = [frame.captured_ns for frame in PacedSource(VariableSource(), fps=900)]
    assert faster[-1] - faster[0] < 80_000_000 or stamps[-1] - stamps[0] >= 90_000_000  # a loaded machine may be late


def test_repeated_presentation_times_go_on():
    shown = [frame.presentation_ns for frame in LoopingSource(VariableSource, 6)]
    assert shown == [*VariableSource.times_ns, 91_000_000, 111_000_000]
