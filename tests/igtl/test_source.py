"""Tests the source against peers that send every kind of message, in any pieces."""

import logging
import threading
from itertools import islice

import numpy as np
import pyigtl
import pytest
from igtl import peers
from igtl.peers import LoopbackServer, frames_of, hanging_up, image, packed, sending, transform

from rtseg.errors import SourceError
from rtseg.igtl.image import LPS
from rtseg.igtl.text import Status, write_status, write_string
from rtseg.sources import open_source
from rtseg.sources.live.igtl import IgtlAddress, IgtlLink
from rtseg.sources.live.igtl.wire import IgtlConnection


def test_a_frame_has_what_its_message_said():
    with LoopbackServer(sending(transform("ProbeToTracker"), image(0), image(1))) as peer:
        link = IgtlLink(peer.address("Image_Reference"))
        first, second = islice(link, 2)
        link.close()
    assert np.array_equal(first.image, peers.grey(0))
    assert np.array_equal(second.image, peers.grey(1))
    assert (first.index, second.index) == (0, 1)
    origin = first.origin
    assert (origin.device, origin.timestamp_ns, origin.spacing_mm) == ("Image_Reference", peers.STAMP_NS, (0.5, 0.25))
    assert (origin.matrix, origin.world) == (peers.MATRIX, "RAS")
    assert origin.transforms == {"ProbeToTracker": peers.MATRIX}
    assert first.origin.corrected_ns <= first.captured_ns
    assert (link.info.height, link.info.width, link.info.live, link.info.spacing_mm) == (6, 8, True, (0.5, 0.25))
    assert link.info.fps == pytest.approx(20)


def test_the_users_own_words_win():
    with LoopbackServer(sending(image(0), image(1))) as peer:
        link = IgtlLink(peer.address(), fps=12.5, spacing_mm=(0.1, 0.2))
        (frame,) = islice(link, 1)
        link.close()
    assert (link.info.fps, link.info.spacing_mm, frame.origin.spacing_mm) == (12.5, (0.1, 0.2), (0.1, 0.2))


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16])
@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize("shape", [(6, 8), (6, 8, 3)], ids=["grey", "rgb"])
def test_every_pixel_type(dtype, order, shape):
    pixels = peers.grey(0, shape, dtype).astype(np.dtype(dtype).newbyteorder(order))
    with LoopbackServer(sending(image(0, pixels), image(1, pixels))) as peer:
        (frame,) = frames_of(peer, 1, white=100)
    expected = np.clip(pixels.astype(int) * 256 // 101, 0, 255)
    assert frame.image.shape == shape
    assert np.array_equal(frame.image, expected)


def test_rgb_is_grey_until_it_has_colour():
    colourless, coloured = np.repeat(peers.grey()[..., None], 3, axis=2), np.zeros((6, 8, 3), np.uint8)
    coloured[2, 3] = 200, 10, 10
    with LoopbackServer(sending(*(image(i, pixels) for i, pixels in enumerate([colourless, coloured, colourless])))) as peer:
        shapes = [frame.image.shape for frame in frames_of(peer, 3)]
    assert shapes == [(6, 8), (6, 8, 3), (6, 8, 3)]


def test_the_first_device_that_sends_an_image_is_taken():
    with LoopbackServer(sending(image(0, device="B"), image(0, device="A"), image(1, device="B"))) as peer:
        link = IgtlLink(peer.address())
        devices = [frame.origin.device for frame in islice(link, 2)]
        link.close()
    assert devices == ["B", "B"]
    assert link.received["images of other devices"] == 1


@pytest.mark.parametrize("name", ["B", "AVeryLongNameOfADevice_Reference"])
def test_the_named_device_is_taken(name):
    with LoopbackServer(sending(image(0, device="A"), image(1, device=name), image(2, device=name))) as peer:
        (frame,) = frames_of(peer, 1, device=name)
    assert frame.origin.device == name[:20]
    assert np.array_equal(frame.image, peers.grey(1))


def test_transforms_behind_their_image_are_awaited(monkeypatch):
    """PLUS sends an image and then the transforms of the same moment; each frame gets its own after the first."""
    monkeypatch.setattr("rtseg.sources.live.igtl.link._TRANSFORM_WAIT_S", peers.PATIENCE_S)
    matrices = [((1.0, 0.0, 0.0, float(i)), *peers.MATRIX[1:]) for i in range(8)]
    sent = [(image(i), transform("ImageToReference", i, matrices[i])) for i in range(8)]
    with LoopbackServer(sending(*(piece for pair in sent for piece in pair))) as peer:
        frames = frames_of(peer, 8)
    assert [frame.origin.transforms.get("ImageToReference") for frame in frames[1:]] == matrices[1:]


def test_a_tool_that_is_out_of_sight_is_waited_for_once(monkeypatch):
    waits, ready = [], IgtlConnection.ready
    monkeypatch.setattr(IgtlConnection, "ready", lambda wire, timeout_s: [waits.append(timeout_s), ready(wire, timeout_s)][1])
    monkeypatch.setattr("rtseg.sources.live.igtl.link._RATE_WAIT_S", peers.PATIENCE_S)
    followed = [image(0), transform("ProbeToTracker", 0), image(1), transform("ProbeToTracker", 1)]
    with LoopbackServer(sending(*followed, *(image(i) for i in range(2, 60)))) as peer:
        frames = frames_of(peer, 60)
    assert [frame.index for frame in frames] == list(range(60))
    assert 0 < len(waits) < 10


def test_an_invalid_transform_is_not_a_place():
    lost = transform("ProbeToTracker", TransformStatus="OUT_OF_VIEW")
    with LoopbackServer(sending(lost, transform("StylusToTracker", TransformStatus="OK"), image(0))) as peer:
        (frame,) = frames_of(peer, 1)
    assert set(frame.origin.transforms) == {"StylusToTracker"}


def test_an_old_transform_is_forgotten(monkeypatch):
    monkeypatch.setattr("rtseg.sources.live.igtl.inbox._MAX_AGE_NS", 0)
    with LoopbackServer(sending(transform("ProbeToTracker"), image(0))) as peer:
        (frame,) = frames_of(peer, 1)
    assert frame.origin.transforms == {}


def test_a_long_name_of_plus_is_whole():
    with LoopbackServer(
        sending(transform("ReconstructedVolumeT", IGTL_DEVICE_NAME="ReconstructedVolumeToReference"), image(0))
    ) as peer:
        (frame,) = frames_of(peer, 1)
    assert set(frame.origin.transforms) == {"ReconstructedVolumeToReference"}


def test_texts_and_status_are_kept_and_the_rest_is_counted(caplog):
    others = [
        packed("STRING", "Depth", 0, write_string("40 mm")),
        packed("STATUS", "Probe", 0, write_status(Status(13, 0, "NOT READY", "warming up"))),
        packed("STATUS", "Probe", 0, write_status(Status(13, 0, "NOT READY", "warming up"))),
        packed("NDARRAY", "Array", 0, bytes(100_000)),
        packed("TDATA", "Tools", 0, b""),
        packed("TRANSFORM", "Short", 0, bytes(3)),
    ]
    with LoopbackServer(sending(*others, image(0))) as peer, caplog.at_level(logging.WARNING):
        link = IgtlLink(peer.address())
        link.close()
    assert link.inbox.strings == {"Depth": "40 mm"}
    assert link.inbox.status == Status(13, 0, "NOT READY", "warming up")
    assert link.received == {"STRING": 1, "STATUS": 2, "NDARRAY": 1, "TDATA": 1, "TRANSFORM": 1, "unreadable": 1, "IMAGE": 1}
    status, passed_over = (record.getMessage() for record in caplog.records)
    assert status == "the peer says of itself: status 13 NOT READY warming up"
    assert passed_over.endswith("a message TRANSFORM: a TRANSFORM has 3 bytes instead of 48")


def test_a_peer_with_endless_names_does_not_fill_the_memory():
    texts = [packed("STRING", f"Text{i}", 0, write_string("x")) for i in range(300)]
    kinds = [packed(f"KIND{i}", "", 0, b"") for i in range(300)]
    with LoopbackServer(sending(*texts, *kinds, image(0))) as peer:
        link = IgtlLink(peer.address())
        link.close()
    assert len(link.inbox.strings) == 64
    assert len(link.received) <= 64


def test_a_corrupt_message_is_passed_over():
    with LoopbackServer(sending(image(0), peers.wrong_crc(image(1)), image(2))) as peer:
        link = IgtlLink(peer.address())
        stamps = [frame.origin.timestamp_ns for frame in islice(link, 2)]
        link.close()
    assert stamps == [peers.STAMP_NS, peers.STAMP_NS + 100_000_000]
    assert link.received["corrupt"] == 1


def test_a_sender_without_checksums_is_named_and_can_be_believed():
    unchecked = [image(i)[:50] + bytes(8) + image(i)[58:] for i in range(30)]
    with LoopbackServer(sending(*unchecked)) as peer:
        with pytest.raises(SourceError, match=r"20 messages in a row whose checksum is wrong.*crc=off"):
            IgtlLink(peer.address())
        assert len(frames_of(peer, 5, crc=False)) == 5


def test_another_size_in_the_middle():
    small, large = peers.grey(0), peers.grey(1, (30, 40, 3))
    with LoopbackServer(sending(image(0, small), image(1, large), image(2, small))) as peer:
        frames = frames_of(peer, 3)
    assert [frame.image.shape for frame in frames] == [(6, 8), (30, 40, 3), (6, 8)]


def test_timestamps_that_go_backwards_or_stand_still():
    second = 1_000_000_000
    stamps = [5 * second, 5 * second, 2 * second, 900 * second, 1, 3 * second]
    with LoopbackServer(sending(*(image(0, stamp_ns=stamp) for stamp in stamps))) as peer:
        frames = frames_of(peer, 6)
    assert [frame.origin.timestamp_ns for frame in frames] == stamps
    assert [frame.index for frame in frames] == list(range(6))
    assert all(0 <= frame.captured_ns - frame.origin.corrected_ns <= second for frame in frames)


def test_a_frame_without_a_timestamp():
    with LoopbackServer(sending(image(0, stamp_ns=0))) as peer:
        (frame,) = frames_of(peer, 1)
    assert (frame.origin.timestamp_ns, frame.origin.corrected_ns) == (None, None)


def test_closing_ends_an_iteration_that_waits():
    with LoopbackServer(sending(image(0), image(1))) as peer:
        link = IgtlLink(peer.address(timeout_s=60))
        given = []
        thread = threading.Thread(target=lambda: given.extend(link))
        thread.start()
        peers.eventually(lambda: len(given) == 2)
        link.close()
        link.close()
        thread.join(peers.PATIENCE_S)
        assert not thread.is_alive()


def test_the_source_comes_back_with_its_peer():
    """The peer closes after two images, and the next connection continues with a later index."""
    with LoopbackServer(hanging_up(image(0), image(1))) as peer:
        source = open_source(f"igtl://127.0.0.1:{peer.port}/Image_Reference?timeout=30")
        frames = list(islice(source, 6))
        source.close()
    indices = [frame.index for frame in frames]
    assert indices == sorted(set(indices))
    assert peer.connections >= 3
    assert source.info.live


def test_pyigtls_own_server():
    with peers.pyigtl_server() as server:
        address = IgtlAddress("127.0.0.1", server.server_address[1])
        stop = threading.Event()

        def serve():
            for i in range(10_000):
                pixels, stamp = peers.grey(i % 50)[None], 1_700_000_000 + i / 16
                pose = pyigtl.TransformMessage(peers.MATRIX, stamp, "ProbeToTracker")
                picture = pyigtl.ImageMessage(pixels, peers.MATRIX, timestamp=stamp, device_name="Image_Image")
                for message in (pose, picture):
                    server.send_message(message, wait=False)
                if stop.wait(0.01):
                    return

        sender = threading.Thread(target=serve)
        sender.start()
        try:
            link = IgtlLink(address)
            frames = list(islice(link, 10))
            link.close()
        finally:
            stop.set()
            sender.join()
    for frame in frames:
        i = (frame.origin.timestamp_ns - 1_700_000_000 * 10**9) // 62_500_000
        assert np.array_equal(frame.image, peers.grey(i % 50))
        assert np.allclose(frame.origin.matrix, peers.MATRIX)
        assert frame.origin.world == LPS
        assert frame.origin.device == "Image_Image"
