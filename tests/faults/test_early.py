"""Tests H.264 over RTSP: each picture arrives when it is sent, not when the next one is, for every way of fragmentation."""

import pytest
from faults.camera import Camera
from faults.rtsp import RtspServer, fragments
from faults.scene import Viewer
from faults.stepped import GOP, SIZE, WELL, InPieces, is_as_sent, numbers, plainly_ended
from sources.links import wait_until

from rtseg.sources import open_source
from rtseg.sources.live import network_stream

pytestmark = pytest.mark.usefixtures("_patient")


class FirstOneLess(RtspServer):
    """Sends a first fragment that is one byte shorter, as live555 does."""

    def pieces(self, nal):
        nal = plainly_ended(nal)
        return fragments(nal, 100, first=99) if len(nal) > 100 else [nal]


class Evenly(RtspServer):
    """Sends all fragments of a unit in one size, as WebRTC senders do, so that the last one is not shorter."""

    def pieces(self, nal):
        return fragments(nal, -(-len(nal) // -(-len(nal) // 100))) if len(nal) > 100 else [nal]


class EvenlyLater(InPieces):
    """Sends full fragments at first, and fragments of one size once `later` is set."""

    later = False

    def pieces(self, nal):
        return Evenly.pieces(self, nal) if self.later else super().pieces(nal)


@pytest.mark.usefixtures("_cores")
@pytest.mark.parametrize("kind", [RtspServer, InPieces, FirstOneLess])
def test_a_picture_does_not_wait_for_the_next(kind, watch):
    camera, _, viewer = watch(kind)
    camera.shoot(WELL)
    wait_until(lambda: camera.number - 2 in numbers(viewer))
    for _ in range(25):  # the next picture is sent only after this one has arrived
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


class Vp8Server(RtspServer):
    """Sends VP8 in RTP (RFC 7741), where one byte marks the start of a picture."""

    coding = "VP8"

    def payloads(self, unit):
        pieces = [unit[at : at + 1000] for at in range(0, len(unit), 1000)]
        return [bytes([0x10 if place == 0 else 0]) + piece for place, piece in enumerate(pieces)]


def test_another_coding_is_read_by_ffmpegs_parser():
    camera = Camera("vp8", size=SIZE)
    server = Vp8Server(camera)
    viewer = Viewer(open_source(server.url), camera)
    wait_until(lambda: len(viewer.seen) > 20)
    assert server.accepted == 2  # the first connection only detects the codec
    assert "vp8" in viewer.source.link.format
    for one in (viewer, server, camera):
        one.close()
    assert all(is_as_sent(frame) for frame in viewer.frames)


def test_what_is_lost_on_the_way_is_for_ffmpegs_parser(monkeypatch):
    asked = []
    monkeypatch.setattr(network_stream, "_connect", lambda *given: asked.append(given[2]))
    for fragment in ("#rtsp_transport=udp", "#fflags=nobuffer"):
        with pytest.raises(AttributeError):  # there is no container
            open_source(f"rtsp://127.0.0.1/live{fragment}")
    assert [options.get("fflags") for options in asked] == [None, "nobuffer"]
