"""Tests that a server that dies in the middle of a film is a lost link, and that a film that was played has ended."""

import re
import threading
import time
from itertools import islice
from types import SimpleNamespace

import pytest
from faults.camera import H264
from faults.pictures import picture
from faults.rtsp import RtspServer, rtp_packets
from faults.server import ThreadedServer
from sources.links import link_threads, wait_until
from sources.streams import transport_stream

from rtseg.connection import LinkState
from rtseg.sources import open_source

FPS, SECONDS = 25, 3.0
PICTURES = int(FPS * SECONDS)


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    wait_until(lambda: not link_threads())


class RtspFilm(RtspServer):
    """Plays one film of three seconds; hangs up after as many pictures as `plays` says, one number for each client."""

    def __init__(self, *plays, has_end=True, first_s=0.0):
        self._plays, self._has_end, self._first_s = list(plays), has_end, first_s
        coder = H264((144, 256), FPS, 15)
        self._units = [unit for number in range(PICTURES) for unit in coder.encode(picture(number, (144, 256)))]
        super().__init__(SimpleNamespace(fps=FPS))

    def _description(self):
        return super()._description() + (f"a=range:npt=0-{SECONDS}\r\n" if self._has_end else "")

    def _play(self, client):
        sequence = 0
        for number, (unit, _) in enumerate(self._units[: self._plays.pop(0) if self._plays else 0]):
            packets = list(rtp_packets(self.payloads(unit), sequence, round((self._first_s + number / FPS) * 90_000)))
            sequence += len(packets)
            client.sendall(b"".join(b"$\0" + len(packet).to_bytes(2, "big") + packet for packet in packets))
            time.sleep(0.3 / FPS)


class WebFilm(ThreadedServer):
    """Sends `film` over HTTP with its whole length; hangs up after the share that `plays` says, one number for each client."""

    def __init__(self, film, *plays, has_length=True):
        self._film, self._plays, self._has_length = film, list(plays), has_length
        super().__init__()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/film"

    def serve(self, client):
        with client.makefile("rb") as request:
            fields = b"".join(iter(request.readline, b"\r\n"))
        first = int((re.search(rb"(?i)range: bytes=(\d+)", fields) or [0, 0])[1])
        length = b"Content-Length: %d\r\n" % (len(self._film) - first) if self._has_length else b""
        share = self._plays.pop(0) if len(self._plays) > 1 else self._plays[0]
        status = b"206 Partial Content\r\nContent-Range: bytes %d-%d/%d" % (first, len(self._film) - 1, len(self._film))
        client.sendall(b"HTTP/1.1 " + (status if first else b"200 OK") + b"\r\nContent-Type: video/mp4\r\n" + length + b"\r\n")
        sent = self._film[first : int(share * len(self._film))]
        for at in range(0, len(sent), 4096):
            client.sendall(sent[at : at + 4096])
            time.sleep(0.005)


def _states_until(source, state):
    """Read a source until it enters a state, and return its frames and states."""
    frames = []
    reader = threading.Thread(target=lambda: frames.extend(source))
    reader.start()
    wait_until(lambda: source.counts[state])
    source.close()
    reader.join()
    return frames, [event.state for event in source.events]


@pytest.mark.parametrize("first_s", [0.0, 5000.0])
def test_an_rtsp_film_that_was_played_has_ended(first_s):
    server = RtspFilm(PICTURES, first_s=first_s)
    source = open_source(server.url)
    frames = list(source)
    assert [frame.index for frame in frames] == list(range(PICTURES))
    assert source.state is LinkState.ENDED
    assert source.reconnects == 0
    assert server.accepted == 1
    server.close()


@pytest.mark.parametrize("has_end", [True, False])
def test_an_rtsp_server_that_dies_in_mid_play_is_a_lost_link(has_end):
    server = RtspFilm(PICTURES // 3, PICTURES, has_end=has_end)
    source = open_source(server.url)
    frames = list(islice(source, PICTURES // 3 + 20))
    states = [event.state for event in source.events]
    source.close()
    server.close()
    assert states == [LinkState.OPENING, LinkState.LIVE, LinkState.LOST, LinkState.REOPENING, LinkState.LIVE]
    assert len(frames) == PICTURES // 3 + 20
    lost = next(event.reason for event in source.events if event.state is LinkState.LOST)
    assert (" s of 3.0 s were received" in lost) == has_end


@pytest.mark.parametrize("has_length", [True, False])
@pytest.mark.parametrize("form", ["matroska", "flv"])
def test_a_web_film_that_was_played_has_ended(form, has_length):
    server = WebFilm(transport_stream(PICTURES, form=form), 1.0, has_length=has_length)
    source = open_source(server.url)
    frames = list(source)
    server.close()
    assert len(frames) == PICTURES
    assert source.state is LinkState.ENDED
    assert source.reconnects == 0


@pytest.mark.parametrize("has_length", [True, False])
@pytest.mark.parametrize("form", ["matroska", "flv"])
def test_a_web_server_that_dies_in_mid_play_is_a_lost_link(form, has_length):
    server = WebFilm(transport_stream(PICTURES, form=form), 0.5, has_length=has_length)
    source = open_source(server.url)
    frames, states = _states_until(source, LinkState.REOPENING)
    server.close()
    assert states[:4] == [LinkState.OPENING, LinkState.LIVE, LinkState.LOST, LinkState.REOPENING]
    assert 10 < len(frames) < PICTURES - 10
