"""Tests when a slow consumer waits for a newer frame."""

import threading
from itertools import pairwise
from random import Random
from statistics import median

import pytest
from sources.links import WAITS, FakeLink

from rtseg.mailbox import Mailbox, ReadAheadQueue
from rtseg.sources.live.frame_pacing import FramePacer
from rtseg.sources.live.link_thread import LinkReader

MS = 1_000_000
PERIOD_MS = 20


def worked(work_ms, frames=40):
    """Return a pacer after work of `work_ms` on every newest frame of a 50 fps stream, and the last arrival in ms."""
    pacer, came_ms = FramePacer(), 0
    now_ms = 0.0
    while came_ms < frames * PERIOD_MS:
        pacer.work_finished(round(now_ms * MS))
        now_ms = max(now_ms, came_ms)
        while came_ms <= now_ms:
            pacer.frame_arrived(came_ms * MS)
            came_ms += PERIOD_MS
        pacer.work_started(round(now_ms * MS))
        now_ms += work_ms
    return pacer, came_ms - PERIOD_MS


@pytest.mark.parametrize(
    ("age_ms", "max_wait_ms"), [(0, 0), (10, 0), (14.9, 0), (15.1, 4.9 + 1.2), (19.9, 0.1 + 1.2), (20.1, 0), (45, 0)]
)
def test_it_waits_for_a_frame_that_is_almost_due(age_ms, max_wait_ms):
    pacer, came_ms = worked(work_ms=27)
    assert pacer.max_wait_s(round((came_ms + age_ms) * MS)) * 1000 == pytest.approx(max_wait_ms, abs=0.01)


@pytest.mark.parametrize("work_ms", [1, 10, 19.9])
def test_a_consumer_that_keeps_up_never_waits(work_ms):
    pacer, came_ms = worked(work_ms)
    assert not any(pacer.max_wait_s((came_ms + age_ms) * MS) for age_ms in range(PERIOD_MS))


def test_a_consumer_that_keeps_up_does_not_wait_after_one_slow_frame():
    """A wait would lose another frame."""
    pacer, came_ms = worked(work_ms=10)
    for begun_ms in (came_ms, came_ms + 300):
        pacer.work_started(begun_ms * MS)
        pacer.work_finished((begun_ms + 200) * MS)
    pacer.frame_arrived((came_ms + 500) * MS)
    assert not any(pacer.max_wait_s((came_ms + 500 + age_ms) * MS) for age_ms in range(PERIOD_MS))


class NeverWaiting(FramePacer):
    """Disables waiting, for comparison."""

    def max_wait_s(self, now_ns):
        return 0.0


def played(pacer, work_ms, frames=3000):
    """Return each overlay's median age in ms, the mean age of what a viewer sees, and the overlays a second.

    The stream has 50 frames a second on a simulated clock. Each frame arrives 5 to 9 ms after its time, and takes `work_ms`
    within a fifth.
    """
    random = Random(1)
    comes_ms = [number * PERIOD_MS + random.uniform(5, 9) for number in range(frames)]
    now_ms, newest, done = 0.0, -1, []
    while newest < frames - 2:
        pacer.work_finished(round(now_ms * MS))
        now_ms = max(now_ms, comes_ms[newest + 1])
        taken = newest
        while taken + 1 < frames and comes_ms[taken + 1] <= now_ms:
            taken += 1
            pacer.frame_arrived(round(comes_ms[taken] * MS))
        until_ms = now_ms + pacer.max_wait_s(round(now_ms * MS)) * 1000
        if until_ms > now_ms:
            now_ms = until_ms
            if taken + 1 < frames and comes_ms[taken + 1] <= until_ms:
                taken, now_ms = taken + 1, comes_ms[taken + 1]
                pacer.frame_arrived(round(now_ms * MS))
        pacer.work_started(round(now_ms * MS))
        newest, now_ms = taken, now_ms + work_ms * random.uniform(0.8, 1.2)
        done.append((now_ms, now_ms - taken * PERIOD_MS))
    seen = [(later[0] - one[0], one[1]) for one, later in pairwise(done)]
    lasted_ms = sum(shown for shown, _ in seen)
    mean_ms = sum(shown * (age + shown / 2) for shown, age in seen) / lasted_ms
    return median(age for _, age in done), mean_ms, 1000 * len(seen) / lasted_ms


def test_pacing_changes_nothing_for_a_consumer_that_keeps_up():
    assert played(FramePacer(), 14) == played(NeverWaiting(), 14)


@pytest.mark.parametrize("work_ms", [22, 25, 30, 36])
def test_pacing_lowers_the_age_of_what_is_shown(work_ms):
    age_ms, seen_ms, fps = played(FramePacer(), work_ms)
    age_before_ms, seen_before_ms, fps_before = played(NeverWaiting(), work_ms)
    assert age_ms < age_before_ms - 1.5
    assert seen_ms < seen_before_ms - 0.5
    assert fps > 0.95 * fps_before


def test_it_does_not_wait_before_it_has_measured():
    pacer = FramePacer()
    assert not pacer.max_wait_s(0)
    pacer.frame_arrived(0)
    assert not pacer.max_wait_s(19 * MS)


class TriggeredLink(FakeLink):
    """Yields its second frame once a consumer waits for it."""

    def __iter__(self):
        first, second = super().__iter__(), super().__iter__()
        yield next(first)
        self.wanted.wait(60)
        next(second)
        yield next(second)
        self.closed.wait(60)


@pytest.fixture
def wanted(monkeypatch):
    """Make every wait for a newer frame last until it arrives; return an event that is set when a wait begins."""
    begun = threading.Event()
    monkeypatch.setattr(FramePacer, "max_wait_s", lambda self, now_ns: begun.set() or 3600.0)
    return begun


@pytest.fixture
def triggered_link(wanted):
    link = TriggeredLink(2)
    link.wanted = wanted
    return link


def test_the_newer_frame_is_taken(triggered_link):
    reader = LinkReader(lambda: triggered_link, newest=True)
    assert reader.wait(60)
    assert reader.take().index == 1
    reader.close()


def test_the_newer_frame_is_taken_from_a_mailbox(triggered_link):
    captured = Mailbox(triggered_link)
    assert next(iter(captured)).index == 1
    captured.close()


@pytest.mark.parametrize("then", ["breaks", "ends"])
@pytest.mark.usefixtures("wanted")
def test_a_wait_ends_with_the_stream(then):
    reader, taken = LinkReader(lambda: FakeLink(1, then), newest=True), []
    assert reader.wait(60)
    taker = threading.Thread(target=lambda: taken.append(reader.take().index), daemon=True)
    taker.start()
    taker.join(60)
    assert taken == [0]
    reader.close()


def test_a_wait_ends_when_it_is_closed(wanted):
    captured = Mailbox(FakeLink(1, WAITS))
    taken = []
    reader = threading.Thread(target=lambda: taken.extend(frame.index for frame in captured), daemon=True)
    reader.start()
    assert wanted.wait(60)
    captured.close()
    reader.join(60)
    assert not reader.is_alive()
    assert taken == [0]


@pytest.mark.usefixtures("wanted")
def test_lossless_readers_do_not_wait():
    assert [frame.index for frame in ReadAheadQueue(FakeLink(5, "ends"))] == [0, 1, 2, 3, 4]
    reader = LinkReader(lambda: FakeLink(1, WAITS))
    assert reader.wait(60)
    assert reader.take().index == 0
    reader.close()
