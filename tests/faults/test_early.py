"""H.264 over RTSP: each picture comes when it was sent, and not when the next one is; whatever the sender does."""

import os
import queue
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from faults.camera import H264, Camera
from faults.pictures import number_of, picture
from faults.rtsp import RtspServer, fragments
from faults.scene import Viewer
from sources.links import link_threads, wait_until

from rtseg.errors import SourceError
from rtseg.sources import network, open_source, stream
from rtseg.sources.reconnect import LinkLimits

SIZE, GOP = (144, 256), 10
WELL = 90  # pictures after which every way of sending is known


class StepCamera:
    """Codes a picture when it is told to."""

    fps = 30

    def __init__(self):
        self._coder, self._coded = H264(SIZE, self.fps, GOP), queue.Queue()
        self.sent_ns = {}
        self.number = 0

    def stamp(self, number):
        return number / self.fps

    def subscribe(self):
        return self._coded

    def unsubscribe(self, coded):
        pass

    def shoot(self, count=1):
        for _ in range(count):
            for coded, is_key in self._coder.encode(picture(self.number, SIZE)):
                self.sent_ns[self.number] = 1
                self._coded.put((self.number, coded, is_key))
            self.number += 1


def plainly_ended(nal):
    """The unit with zeros behind it, which mean nothing, so that its last fragment of 100 bytes is never nearly full."""
    filled = (len(nal) - 2) % 100 + 1
    return nal + bytes(101 - filled if filled > 80 else 0)


class InPieces(RtspServer):
    """Every unit longer than a hundred bytes in fragments, full but for the last."""

    def pieces(self, nal):
        nal = plainly_ended(nal)
        return fragments(nal, 100) if len(nal) > 100 else [nal]


class FirstOneLess(RtspServer):
    """The first fragment is one byte shorter, as live555 sends it."""

    def pieces(self, nal):
        nal = plainly_ended(nal)
        return fragments(nal, 100, first=99) if len(nal) > 100 else [nal]


class Evenly(RtspServer):
    """Fragments of one unit are of one size, as WebRTC's senders make them: none is shorter, and yet one is the last."""

    def pieces(self, nal):
        return fragments(nal, -(-len(nal) // -(-len(nal) // 100))) if len(nal) > 100 else [nal]


class EvenlyLater(InPieces):
    """Full fragments until it is trusted, then even ones."""

    later = False

    def pieces(self, nal):
        return Evenly.pieces(self, nal) if self.later else super().pieces(nal)


@pytest.fixture(autouse=True)
def _patient(monkeypatch):
    """However slow this machine is, no connection is given up."""
    patient = replace(network.PROTOCOLS["rtsp"], read_s=60, open_s=60, limits=LinkLimits(60, stalled_s=60, lost_s=120))
    monkeypatch.setattr(network, "PROTOCOLS", {"rtsp": patient})


@pytest.fixture
def watch():
    """watch(server's class) -> a camera, its server, and one who watches what is sent from now on."""
    open_things = []

    def begin(kind):
        camera = StepCamera()
        server = kind(camera)
        open_things.append(server)
        camera.shoot(30)
        viewer = Viewer(open_source(server.url), camera)
        open_things.append(viewer)
        return camera, server, viewer

    yield begin
    for one in reversed(open_things):
        one.close()


def numbers(viewer):
    return [number for number, _, _ in list(viewer.seen)]


def is_as_sent(frame):
    """Whether a frame shows the picture whose number it bears, whole."""
    return np.abs(frame.image.astype(int) - picture(number_of(frame.image), SIZE)).mean() < 3


@pytest.fixture(params=["all cores", "one core"])
def _cores(request):
    """FFmpeg's decoder is another one where it has one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, before if request.param == "all cores" else {min(before)})
    yield
    os.sched_setaffinity(0, before)


@pytest.mark.usefixtures("_cores")
@pytest.mark.parametrize("kind", [RtspServer, InPieces, FirstOneLess])
def test_a_picture_does_not_wait_for_the_next(kind, watch):
    camera, _, viewer = watch(kind)
    camera.shoot(WELL)
    wait_until(lambda: camera.number - 2 in numbers(viewer))
    for _ in range(25):  # the next is not sent until this one is there
        camera.shoot()
        wait_until(lambda: numbers(viewer)[-1] == camera.number - 1)
    assert numbers(viewer) == list(range(numbers(viewer)[0], camera.number))
    assert all(is_as_sent(frame) for frame in viewer.frames)


def test_where_no_piece_is_shorter_each_picture_is_whole_but_later(watch):
    camera, _, viewer = watch(Evenly)
    camera.shoot(WELL)
    wait_until(lambda: camera.number - 2 in numbers(viewer))
    assert numbers(viewer) == list(range(numbers(viewer)[0], camera.number - 1))
    assert all(is_as_sent(frame) for frame in viewer.frames)


def test_a_sender_who_changes_costs_pictures_and_shows_no_broken_one(watch):
    camera, server, viewer = watch(EvenlyLater)
    camera.shoot(WELL)
    wait_until(lambda: camera.number - 2 in numbers(viewer))
    server.later, changed = True, camera.number
    camera.shoot(2 * GOP)
    wait_until(lambda: camera.number - 2 in numbers(viewer))
    missing = set(range(changed, camera.number - 1)) - set(numbers(viewer))
    assert 0 < len(missing) <= GOP + 1
    assert all(is_as_sent(frame) for frame in viewer.frames)
    assert viewer.error is None


class Lossy(InPieces):
    """Sends the pictures in `lost` without their ends, as a relay does that had no room for them."""

    lost, sent = range(0), 0

    def payloads(self, unit):
        number, self.sent = self.sent, self.sent + 1
        whole = super().payloads(unit)
        return whole[:-2] if number in self.lost else whole  # the last piece may be nothing but zeros


@pytest.mark.usefixtures("_cores")
@pytest.mark.parametrize("count", [1, 5, GOP + 2])
def test_pictures_without_their_ends_cost_pictures_and_no_connection(count, watch):
    camera, server, viewer = watch(Lossy)
    camera.shoot(WELL)
    wait_until(lambda: numbers(viewer) and numbers(viewer)[-1] >= camera.number - 2)
    server.lost = range(camera.number, camera.number + count)
    camera.shoot(count + 2 * GOP)
    wait_until(lambda: numbers(viewer)[-1] == camera.number - 1)
    assert set(server.lost).isdisjoint(numbers(viewer))
    assert max(np.diff(numbers(viewer))) <= count + GOP
    assert viewer.source.reconnects == 0
    assert all(is_as_sent(frame) for frame in viewer.frames)


def test_a_stream_that_gives_packets_and_no_picture_can_be_closed(watch):
    camera, server, viewer = watch(Lossy)
    camera.shoot(WELL)
    wait_until(lambda: numbers(viewer) and numbers(viewer)[-1] >= camera.number - 2)
    server.lost = range(camera.number, 100_000)
    camera.shoot(GOP)
    viewer.source.close()
    for _ in range(100):
        camera.shoot()  # packets come as from a camera that runs
        time.sleep(0.01)
    assert not link_threads()


class Garbled(RtspServer):
    """Sends the parameters as they are, and in place of pictures nothing but ones."""

    def pieces(self, nal):
        return super().pieces(nal if nal[0] & 31 in (7, 8) else nal[:1] + b"\xff" * (len(nal) - 1))


def test_a_stream_without_a_whole_picture_is_a_clear_error(monkeypatch):
    monkeypatch.setattr(stream, "_BLIND_NS", 300_000_000)
    camera = StepCamera()
    server = Garbled(camera)
    with ThreadPoolExecutor(1) as pool:
        opening = pool.submit(open_source, server.url)
        while not opening.done():
            camera.shoot()
            time.sleep(0.01)
    with pytest.raises(SourceError, match="no picture can be decoded"):
        opening.result()
    server.close()
    wait_until(lambda: not link_threads())


class Vp8Server(RtspServer):
    """VP8 in RTP (RFC 7741): one byte says where a picture begins."""

    coding = "VP8"

    def payloads(self, unit):
        pieces = [unit[at : at + 1000] for at in range(0, len(unit), 1000)]
        return [bytes([0x10 if place == 0 else 0]) + piece for place, piece in enumerate(pieces)]


def test_another_coding_is_read_by_ffmpegs_parser():
    camera = Camera("vp8", size=SIZE)
    server = Vp8Server(camera)
    viewer = Viewer(open_source(server.url), camera)
    wait_until(lambda: len(viewer.seen) > 20)
    assert server.accepted == 2  # the first connection told what it is
    assert "vp8" in viewer.source.link.format
    for one in (viewer, server, camera):
        one.close()
    assert all(is_as_sent(frame) for frame in viewer.frames)


def test_what_is_lost_on_the_way_is_for_ffmpegs_parser(monkeypatch):
    asked = []
    monkeypatch.setattr(network, "_connect", lambda *given: asked.append(given[2]))
    for fragment in ("#rtsp_transport=udp", "#fflags=nobuffer"):
        with pytest.raises(AttributeError):  # there is no container
            open_source(f"rtsp://127.0.0.1/live{fragment}")
    assert [options.get("fflags") for options in asked] == [None, "nobuffer"]
