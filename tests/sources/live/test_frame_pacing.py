"""Tests when a slow consumer waits for a newer frame."""

import threading
from itertools import pairwise
from random import Random
from statistics import median

import pytest
from sources.links import WAITS, FakeLink

from rtseg.mailbox import LatestFrame, ReadAhead
from rtseg.sources.live.frame_pacing import Rhythm
from rtseg.sources.live.link_thread import LinkReader

MS = 1_000_000
PERIOD_MS = 20


def worked(work_ms, frames=40):
    """Return a pacer after work of `work_ms` on every newest frame of a 50 fps stream, and the last arrival in ms."""
    rhythm, came_ms = Rhythm(), 0
    now_ms = 0.0
    while came_ms < frames * PERIOD_MS:
        rhythm.asked(round(now_ms * MS))
        now_ms = max(now_ms, came_ms)
        while came_ms <= now_ms:
            rhythm.came(came_ms * MS)
            came_ms += PERIOD_MS
        rhythm.taken(round(now_ms * MS))
        now_ms += work_ms
    return rhythm, came_ms - PERIOD_MS


@pytest.mark.parametrize(
    ("age_ms", "patience_ms"), [(0, 0), (10, 0), (14.9, 0), (15.1, 4.9 + 1.2), (19.9, 0.1 + 1.2), (20.1, 0), (45, 0)]
)
def test_a_frame_that_is_all_but_there_is_waited_for(age_ms, patience_ms):
    rhythm, came_ms = worked(work_ms=27)
    assert rhythm.patience_s(round((came_ms + age_ms) * MS)) * 1000 == pytest.approx(patience_ms, abs=0.01)


@pytest.mark.parametrize("work_ms", [1, 10, 19.9])
def test_who_keeps_up_never_waits(work_ms):
    rhythm, came_ms = worked(work_ms)
    assert not any(rhythm.patience_s((came_ms + age_ms) * MS) for age_ms in range(PERIOD_MS))


def test_nor_does_he_after_a_hiccup():
    """A wait would lose another frame."""
    rhythm, came_ms = worked(work_ms=10)
    for begun_ms in (came_ms, came_ms + 300):
        rhythm.taken(begun_ms * MS)
        rhythm.asked((begun_ms + 200) * MS)
    rhythm.came((came_ms + 500) * MS)
    assert not any(rhythm.patience_s((came_ms + 500 + age_ms) * MS) for age_ms in range(PERIOD_MS))


class Impatient(Rhythm):
    """Disables waiting, for comparison."""

    def patience_s(self, now_ns):
        return 0.0


def played(rhythm, work_ms, frames=3000):
    """Return each overlay's median age in ms, the mean age of what a viewer sees, and the overlays a second.

    The stream has 50 frames a second on a simulated clock. Each frame arrives 5 to 9 ms after its time, and takes `work_ms`
    within a fifth.
    """
    random = Random(1)
    comes_ms = [number * PERIOD_MS + random.uniform(5, 9) for number in range(frames)]
    now_ms, newest, done = 0.0, -1, []
    while newest < frames - 2:
        rhythm.asked(round(now_ms * MS))
        now_ms = max(now_ms, comes_ms[newest + 1])
        taken = newest
        while taken + 1 < frames and comes_ms[taken + 1] <= now_ms:
            taken += 1
            rhythm.came(round(comes_ms[taken] * MS))
        until_ms = now_ms + rhythm.patience_s(round(now_ms * MS)) * 1000
        if until_ms > now_ms:
            now_ms = until_ms
            if taken + 1 < frames and comes_ms[taken + 1] <= until_ms:
                taken, now_ms = taken + 1, comes_ms[taken + 1]
                rhythm.came(round(now_ms * MS))
        rhythm.taken(round(now_ms * MS))
        newest, now_ms = taken, now_ms + work_ms * random.uniform(0.8, 1.2)
        done.append((now_ms, now_ms - taken * PERIOD_MS))
    seen = [(later[0] - one[0], one[1]) for one, later in pairwise(done)]
    lasted_ms = sum(shown for shown, _ in seen)
    mean_ms = sum(shown * (age + shown / 2) for shown, age in seen) / lasted_ms
    return median(age for _, age in done), mean_ms, 1000 * len(seen) / lasted_ms


def test_who_keeps_up_loses_nothing_by_it():
    assert played(Rhythm(), 14) == played(Impatient(), 14)


@pytest.mark.parametrize("work_ms", [22, 25, 30, 36])
def test_what_is_seen_is_younger_for_it(work_ms):
    age_ms, seen_ms, fps = played(Rhythm(), work_ms)
    age_before_ms, seen_before_ms, fps_before = played(Impatient(), work_ms)
    assert age_ms < age_before_ms - 1.5
    assert seen_ms < seen_before_ms - 0.5
    assert fps > 0.95 * fps_before


def test_at_first_nothing_is_waited_for():
    rhythm = Rhythm()
    assert not rhythm.patience_s(0)
    rhythm.came(0)
    assert not rhythm.patience_s(19 * MS)


class Follows(FakeLink):
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
    monkeypatch.setattr(Rhythm, "patience_s", lambda self, now_ns: begun.set() or 3600.0)
    return begun


@pytest.fixture
def follows(wanted):
    link = Follows(2)
    link.wanted = wanted
    return link


def test_the_newer_frame_is_taken(follows):
    reader = LinkReader(lambda: follows, newest=True)
    assert reader.wait(60)
    assert reader.take().index == 1
    reader.close()


def test_the_newer_frame_is_taken_from_a_mailbox(follows):
    captured = LatestFrame(follows)
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
    captured = LatestFrame(FakeLink(1, WAITS))
    taken = []
    reader = threading.Thread(target=lambda: taken.extend(frame.index for frame in captured), daemon=True)
    reader.start()
    assert wanted.wait(60)
    captured.close()
    reader.join(60)
    assert not reader.is_alive()
    assert taken == [0]


@pytest.mark.usefixtures("wanted")
def test_where_each_frame_counts_nothing_is_waited_for():
    assert [frame.index for frame in ReadAhead(FakeLink(5, "ends"))] == [0, 1, 2, 3, 4]
    reader = LinkReader(lambda: FakeLink(1, WAITS))
    assert reader.wait(60)
    assert reader.take().index == 0
    reader.close()
