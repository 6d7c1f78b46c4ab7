"""Tests H.264 over RTSP with lost fragments: pictures are lost, but the connection survives and can be closed."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from faults.rtsp import RtspServer
from faults.stepped import GOP, WELL, InPieces, StepCamera, is_as_sent, numbers
from sources.links import link_threads, wait_until

from rtseg.errors import SourceError
from rtseg.sources import open_source
from rtseg.sources.live import ffmpeg_link

pytestmark = pytest.mark.usefixtures("_patient")


class Lossy(InPieces):
    """Sends the pictures in `lost` without their last fragments, as an overloaded relay does."""

    lost, sent = range(0), 0

    def payloads(self, unit):
        number, self.sent = self.sent, self.sent + 1
        whole = super().payloads(unit)
        return whole[:-2] if number in self.lost else whole  # the last fragment may contain only zeros


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
    wait_until(lambda: camera.shoot() or not link_threads())  # the camera continues to send packets


class Garbled(RtspServer):
    """Sends valid parameter sets, and only one bits instead of picture data."""

    def pieces(self, nal):
        return super().pieces(nal if nal[0] & 31 in (7, 8) else nal[:1] + b"\xff" * (len(nal) - 1))


def test_a_stream_without_a_whole_picture_is_a_clear_error(monkeypatch):
    monkeypatch.setattr(ffmpeg_link, "_MAX_UNDECODABLE_NS", 300_000_000)
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
