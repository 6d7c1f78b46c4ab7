"""Tests that a live source survives lost connections: states, events, index, backoff, closing."""

import logging
import threading
import time
from dataclasses import replace

import pytest
from sources.links import BREAKS, ENDS, FAST, WAITS, FakeLink, LinkFactory, link_threads, wait_until

from rtseg.connection import LinkState
from rtseg.errors import ConfigError, SourceError
from rtseg.sources.live.reconnect import LinkLimits, ReconnectingSource

REFUSED = SourceError("connection refused: start the peer")


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    wait_until(lambda: not link_threads())


def states(source):
    return [event.state.value for event in source.events]


def test_it_plays_link_after_link_and_only_counts_up():
    peer = LinkFactory(FakeLink(3), FakeLink(4), REFUSED, FakeLink(2, ENDS))
    source = ReconnectingSource(peer, FAST)
    assert source.info.live
    indices = [frame.index for frame in source]
    assert len(indices) == 9
    assert indices[:3] == [0, 1, 2]
    assert indices[3] > 3
    assert indices[7] > indices[6] + 1  # frames were lost without a connection
    assert indices == sorted(set(indices))
    assert states(source) == ["opening", *["live", "lost", "reopening"] * 2, "live", "ended"]
    assert source.counts[LinkState.LOST] == 2
    assert all(link.closed.is_set() for link in peer.opened)


def test_the_gap_is_as_long_as_the_outage():
    slow = replace(FAST, backoff_s=0.2, backoff_max_s=0.2)
    source = ReconnectingSource(LinkFactory(FakeLink(1, fps=100), REFUSED, FakeLink(1, ENDS, fps=100)), slow)
    first, second = list(source)
    away_s = (second.captured_ns - first.captured_ns) / 1e9
    assert away_s >= 0.1
    assert second.index - first.index == round(away_s * 100)


def test_a_link_that_counts_backwards_is_put_right():
    indices = [frame.index for frame in ReconnectingSource(LinkFactory(FakeLink(then=ENDS, indices=[0, 1, 5, 3, 4, 0])), FAST)]
    assert indices == [0, 1, 5, 6, 7, 8]


def test_the_first_opening_may_fail_at_once():
    peer = LinkFactory(REFUSED)
    with pytest.raises(SourceError, match="start the peer"):
        ReconnectingSource(peer, FAST)
    assert peer.tries == 1


def test_the_first_opening_may_be_retried():
    source = ReconnectingSource(LinkFactory(REFUSED, REFUSED, REFUSED, FakeLink(1, ENDS)), replace(FAST, wait_s=60))
    assert len(list(source)) == 1


def test_reconnecting_stops_after_give_up_s():
    source = ReconnectingSource(LinkFactory(FakeLink(2), REFUSED), replace(FAST, give_up_s=0.05))
    with pytest.raises(SourceError, match="start the peer"):
        list(source)
    assert source.state is LinkState.FAILED
    source.close()
    assert source.state is LinkState.FAILED


def test_what_another_try_cannot_mend_is_raised():
    source = ReconnectingSource(LinkFactory(FakeLink(2), ConfigError("no such option: leave it out")), FAST)
    with pytest.raises(ConfigError, match="leave it out"):
        list(source)
    assert source.state is LinkState.FAILED


def test_a_silent_link_is_stalled_then_lost_then_opened_again():
    source = ReconnectingSource(LinkFactory(FakeLink(2, WAITS), FakeLink(1, ENDS)), FAST)
    assert len(list(source)) == 3
    assert states(source) == ["opening", "live", "stalled", "lost", "reopening", "live", "ended"]
    assert "given up as dead" in source.events[3].reason


def test_a_slow_stream_is_not_called_stalled():
    source = ReconnectingSource(LinkFactory(FakeLink(3, ENDS, fps=1.0)), replace(FAST, stalled_s=0.0001, lost_s=0.0002))
    list(source)
    assert source.counts[LinkState.STALLED] == 0


def test_timestamps_that_stand_still_are_a_stall_and_no_reason_to_reconnect():
    link = FakeLink(400, ENDS, stamps=lambda index: min(index, 5) if index < 390 else index)
    source = ReconnectingSource(LinkFactory(link), FAST)
    assert len(list(source)) == 400
    assert states(source) == ["opening", "live", "stalled", "live", "ended"]
    assert "timestamps stand still" in source.events[2].reason


def test_another_size_passes_through():
    source = ReconnectingSource(LinkFactory(FakeLink(1), FakeLink(1, ENDS, size=(8, 10))), FAST)
    assert [(frame.height, frame.width) for frame in source] == [(4, 6), (8, 10)]
    assert (source.info.height, source.info.live) == (8, True)


def test_pauses_grow_are_bounded_and_differ_by_seed(monkeypatch):
    def pauses(seed):
        waited = []
        source = ReconnectingSource(
            LinkFactory(FakeLink(1), *[REFUSED] * 8, FakeLink(1, ENDS)), LinkLimits(backoff_s=0.1, backoff_max_s=1.0, seed=seed)
        )
        monkeypatch.setattr(source._closed, "wait", waited.append)
        list(source)
        return waited

    first = pauses(1)
    assert len(first) == 8
    for pause, most in zip(first, [0.1, 0.2, 0.4, 0.8, 1, 1, 1, 1], strict=True):
        assert most / 2 <= pause <= most
    assert first == pauses(1)
    assert first != pauses(2)


@pytest.mark.parametrize(
    "links", [[FakeLink(1, WAITS)], [FakeLink(1), REFUSED], [FakeLink(10**6)]], ids=["silent", "reopening", "playing"]
)
def test_closing_is_at_once_whatever_is_waited_for(links):
    patient = LinkLimits(stalled_s=600, lost_s=600, backoff_s=600, backoff_max_s=600)
    source, seen = ReconnectingSource(LinkFactory(*links), patient), []
    reader = threading.Thread(target=lambda: seen.extend(frame.index for frame in source))
    reader.start()
    wait_until(lambda: seen or source.counts[LinkState.REOPENING])
    source.close()
    reader.join(60)
    assert not reader.is_alive()
    assert source.state is LinkState.ENDED


def test_closing_while_the_first_link_opens_lets_go_of_it_when_it_comes():
    released, link = threading.Event(), FakeLink(5)

    def slow():
        released.wait(60)
        return link

    with pytest.raises(SourceError, match="no stream within 0"):
        ReconnectingSource(slow, replace(FAST, open_s=0.05))
    assert not link.closed.is_set()
    released.set()
    wait_until(link.closed.is_set)
    assert link.given == 0


def test_a_connection_that_cannot_be_closed_costs_one_thread_and_not_many():
    class HangingLink(FakeLink):
        """Simulates a driver that blocks until `back` is set."""

        back = threading.Event()

        def __iter__(self):
            yield from super().__iter__()
            self.back.wait(60)

        def close(self):
            pass

    peer = LinkFactory(HangingLink(1, ENDS), FakeLink(1, ENDS))
    source = ReconnectingSource(peer, replace(FAST, open_s=0.02))
    source_frames = iter(source)
    next(source_frames)
    reader = threading.Thread(target=lambda: list(source_frames))
    reader.start()
    wait_until(lambda: source.counts[LinkState.REOPENING])
    time.sleep(0.1)  # many tries
    assert (len(link_threads()), peer.tries) == (1, 1)
    HangingLink.back.set()
    reader.join(60)
    assert peer.tries == 2


def test_one_dead_source_never_stops_another():
    dead, alive = (
        ReconnectingSource(LinkFactory(FakeLink(1, WAITS), REFUSED), FAST),
        ReconnectingSource(LinkFactory(FakeLink(200, ENDS)), FAST),
    )
    reader = threading.Thread(target=lambda: list(dead))
    reader.start()
    assert len(list(alive)) == 200
    dead.close()
    reader.join(60)
    assert not reader.is_alive()


def test_a_reader_that_does_not_take_holds_the_link_up():
    link = FakeLink(1000, ENDS)
    source = ReconnectingSource(LinkFactory(link), FAST)
    wait_until(lambda: link.given == 2)
    time.sleep(0.05)
    assert link.given == 2  # one is held, one is blocked in the link
    source.close()


def test_keep_newest_drops_older_frames():
    links = [FakeLink(300), FakeLink(300, ENDS)]
    source = ReconnectingSource(LinkFactory(*links), FAST)
    indices, told = [], []
    source.keep_newest(lambda frame: told.append(id(frame.image)))
    for number, frame in enumerate(source):
        assert number == 0 or id(frame.image) in told  # the first may have arrived before keep_newest
        indices.append(frame.index)
        time.sleep(0.02)
    assert indices == sorted(set(indices))
    assert len(indices) < 600
    assert source.counts[LinkState.LOST] == 1


def test_200_connections_leave_nothing_behind():
    peer = LinkFactory(*[FakeLink(1, BREAKS) for _ in range(200)], FakeLink(1, ENDS))
    source = ReconnectingSource(peer, replace(FAST, backoff_s=0))
    assert len(list(source)) == 201
    assert all(link.closed.is_set() for link in peer.opened)
    assert len(source.events) < 1000


def test_each_event_is_logged_and_told(caplog):
    told = []
    with caplog.at_level(logging.INFO, "rtseg"):
        source = ReconnectingSource(LinkFactory(FakeLink(1), FakeLink(1, ENDS)), FAST, name="probe", on_event=told.append)
        list(source)
    assert told == list(source.events)
    assert [event.at_ns for event in told] == sorted(event.at_ns for event in told)
    assert caplog.messages == [
        "probe is opening",
        "probe is live: 6x4, 1000 fps",
        "probe is lost: the cable is out: plug it in",
        "probe is reopening",
        "probe is live: 6x4, 1000 fps",
        "probe is ended: the peer ended the stream",
    ]
    assert [record.levelname for record in caplog.records if "lost" in record.message] == ["WARNING"]
