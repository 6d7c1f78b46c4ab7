"""Test the passing of frames between threads: the newest frame, or a short queue."""

import time

import pytest
from sources.links import WAITS, FakeLink, wait_until

from rtseg.errors import SourceError
from rtseg.mailbox import Mailbox, ReadAheadQueue


def test_the_newest_wins():
    link = FakeLink(60, "ends")
    taken = []
    for frame in Mailbox(link):
        taken.append(frame.index)
        wait_until(lambda: link.given >= min(60, taken[-1] + 20))
    assert taken == sorted(set(taken))
    assert taken[-1] == 59
    assert len(taken) < 10


def test_a_queue_loses_nothing_and_holds_the_source_up():
    link = FakeLink(60, "ends")
    frames = iter(ReadAheadQueue(link, depth=4))
    first = next(frames)
    wait_until(lambda: link.given == 6)  # four in the queue, one blocked, one taken
    time.sleep(0.05)
    assert link.given == 6
    assert [first.index, *(frame.index for frame in frames)] == list(range(60))


@pytest.mark.parametrize("kind", [Mailbox, ReadAheadQueue])
def test_an_error_comes_after_the_last_good_frame(kind):
    taken = []
    with pytest.raises(SourceError, match="plug it in"):
        taken.extend(frame.index for frame in kind(FakeLink(3)))
    assert taken[-1] == 2


@pytest.mark.parametrize("kind", [Mailbox, ReadAheadQueue])
@pytest.mark.parametrize("link", [FakeLink(1, WAITS), FakeLink(10**6)], ids=["silent", "playing"])
def test_closing_ends_the_thread_whatever_it_waits_for(kind, link):
    captured = kind(FakeLink(1, WAITS) if link.given else link)
    frames = iter(captured)
    next(frames)
    captured.close()
    assert len(list(frames)) <= 9
    assert not captured._thread.is_alive()


def test_whoever_waits_for_frames_is_told_of_each_before_it_can_be_taken():
    told = []
    taken = [
        (frame.index, frame.index in told) for frame in Mailbox(FakeLink(60, "ends"), lambda frame: told.append(frame.index))
    ]
    assert told == list(range(60))
    assert all(known for _, known in taken)
