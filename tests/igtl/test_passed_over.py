"""Test that one message that cannot be used breaks no connection: it is passed over, counted and named on the log."""

import logging
import struct
from itertools import islice

import numpy as np
import pytest
from igtl import peers
from igtl.peers import LoopbackServer, header, image, packed, sending, transform, wrong_crc

from rtseg.errors import SourceError
from rtseg.igtl import HEADER_BYTES
from rtseg.sources import open_source
from rtseg.sources.live.igtl import IgtlLink

NAN = ((float("nan"),) * 4, *peers.MATRIX[1:])
LONG = "Image_Reference_LongerThan20"


def volume(slices: int = 5) -> bytes:
    """Return an IMAGE of several slices."""
    numbers = (1, 1, 3, 2, 1, 8, 6, slices, *(0.2, 0, 0, 0, 0.2, 0, 0, 0, 1), *(0, 0, 0), 0, 0, 0, 8, 6, slices)
    return packed("IMAGE", "Image_Reference", 0, struct.pack(">HBBBB3H12f3H3H", *numbers) + bytes(48 * slices))


def resized(message: bytes, change: int) -> bytes:
    """Return a message that announces more or fewer bytes than follow."""
    size = struct.unpack(">Q", message[42:50])[0] + change
    return message[:42] + struct.pack(">Q", size) + message[50:]


def partly() -> bytes:
    """Return an IMAGE that holds the upper half of a picture."""
    numbers = (1, 1, 3, 2, 1, 8, 6, 1, *(0.2, 0, 0, 0, 0.2, 0, 0, 0, 1), *(0, 0, 0), 0, 0, 0, 8, 3, 1)
    return packed("IMAGE", "Image_Reference", 0, struct.pack(">HBBBB3H12f3H3H", *numbers) + bytes(24))


def sized(width: int) -> bytes:
    """Return an IMAGE whose own header has another width than its pixels."""
    body = image(0)[HEADER_BYTES:]
    return packed("IMAGE", "Image_Reference", 0, body[:6] + struct.pack(">H", width) + body[8:])


BAD = {
    "empty": packed("IMAGE", "Image_Reference", 0, b""),
    "empty of version 2": packed("IMAGE", "Image_Reference", 0, b"", note="x"),
    "volume": volume(),
    "part": partly(),
    "cut": packed("IMAGE", "Image_Reference", 0, image(0)[HEADER_BYTES:-9]),
    "float": image(0, np.ones((6, 8), np.float32)),
    "no place": image(0, matrix=NAN),
    "checksum": wrong_crc(image(0)),
    "longer": resized(image(0), 4),
    "shorter": resized(image(0), -4),
    "much longer": resized(image(0), 50 << 20),
    "absurd": resized(image(0), 1 << 50),
    "too wide": sized(9),
    "far too wide": sized(60000),
    "unknown type": packed("QTDATA", "Tool", 0, bytes(30)),
    "type in small letters": header(kind=b"image", size=12) + bytes(12),
    "version": header(version=77, size=3) + bytes(3),
    "noise": np.random.default_rng(3).integers(0, 255, 500).astype(np.uint8).tobytes(),
    "text": b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
    "transform": packed("TRANSFORM", "Tool", 0, bytes(11)),
    "metadata": header(version=2, size=12, crc=0).replace(b"Image" + bytes(10), b"Image_Reference") + bytes(12),
}


@pytest.mark.parametrize("name", BAD)
def test_one_bad_message_breaks_no_link(name, caplog):
    """Test that of 30 images at most 3 are lost to 5 bad messages each, with one connection."""
    sent = b"".join(image(index) + (BAD[name] if index % 6 == 5 else b"") for index in range(30))
    with LoopbackServer(sending(sent, image(30))) as peer, caplog.at_level(logging.WARNING):
        link = IgtlLink(peer.address("Image_Reference", timeout_s=20))
        stamps = [frame.origin.timestamp_ns for frame in islice(link, 21)]
        frames = 21
        while stamps[-1] != peers.STAMP_NS + 30 * 50_000_000:
            (frame,) = islice(link, 1)
            stamps.append(frame.origin.timestamp_ns)
            frames += 1
        link.close()
        assert peer.connections == 1
    assert 21 <= frames <= 31
    if name != "unknown type":
        assert link.diagnostics().damaged >= 4
        assert "passed over" in caplog.text


def test_the_pictures_that_follow_are_the_right_ones():
    sent = b"".join(image(index) + bad for index, bad in enumerate(BAD.values()))
    with LoopbackServer(sending(sent, image(99), image(100))) as peer:
        link = IgtlLink(peer.address(timeout_s=20))
        for frame in link:
            index = (frame.origin.timestamp_ns - peers.STAMP_NS) // 50_000_000
            np.testing.assert_array_equal(frame.image, peers.grey(index))
            if index >= 99:
                break
        link.close()


def test_a_peer_without_any_picture_is_told_why():
    told = r"sent no image for 0\.5 s, but what cannot be used: an IMAGE has 5 slices"
    with LoopbackServer(sending(volume(), volume())) as peer, pytest.raises(SourceError, match=told):
        IgtlLink(peer.address(timeout_s=0.5))


def test_a_part_of_a_picture_is_told_as_such():
    told = r"an IMAGE holds a part \[8, 3, 1\] of \[8, 6, 1\] pixels: have the sender send whole images"
    with LoopbackServer(sending(partly(), partly())) as peer, pytest.raises(SourceError, match=told):
        IgtlLink(peer.address(timeout_s=0.5))


def test_bytes_have_no_order():
    body = image(1)[HEADER_BYTES:]
    with LoopbackServer(sending(packed("IMAGE", "Image_Reference", 0, body[:4] + b"\0" + body[5:]), transform("X"))) as peer:
        (frame,) = peers.frames_of(peer, 1)
    np.testing.assert_array_equal(frame.image, peers.grey(1))


def test_a_device_of_volumes_hides_no_pictures_of_another():
    sent = volume().replace(b"Image_Reference", b"Volume_Referenc")
    with LoopbackServer(sending(sent, image(1, device="B"), image(2, device="A"), image(3, device="B"))) as peer:
        link = IgtlLink(peer.address())
        assert [frame.origin.device for frame in islice(link, 2)] == ["B", "B"]
        link.close()


def test_a_change_of_depth_is_on_the_very_next_frame():
    def at(mm):
        return ((mm, 0.0, 0.0, 0.0), (0.0, 2 * mm, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0))

    depths = [0.2, 0.2, 0.4, 0.4, 1.0, 0.2]
    with LoopbackServer(sending(*(image(i, matrix=at(mm)) for i, mm in enumerate(depths)))) as peer:
        link = IgtlLink(peer.address())
        frames = list(islice(link, 6))
        link.close()
        scaled = IgtlLink(peer.address(), spacing_mm=(0.3, 0.15))
        users = list(islice(scaled, 6))
        scaled.close()
    assert [frame.spacing_mm for frame in frames] == [pytest.approx((2 * mm, mm)) for mm in depths]
    assert [frame.origin.spacing_mm for frame in frames] == [frame.spacing_mm for frame in frames]
    assert [frame.spacing_mm for frame in users] == [pytest.approx((1.5 * mm, 0.75 * mm)) for mm in depths]


def test_an_unknown_spacing_is_stated_as_none():
    unit = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0))
    sent = [image(0, matrix=unit), image(1), image(2, matrix=unit)]
    with LoopbackServer(sending(*sent)) as peer:
        link = IgtlLink(peer.address())
        assert [frame.spacing_mm for frame in islice(link, 3)] == [None, (0.5, 0.25), None]
        link.close()


def test_a_depth_that_changed_during_an_outage_is_noticed():
    other = ((0.5, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0))
    scripts = iter([[image(0), image(1)], [image(2, matrix=other), image(3, matrix=other)]])

    def talk(connection):
        for message in next(scripts, []):
            connection.sendall(message)

    with LoopbackServer(talk) as peer:
        source = open_source(f"igtl://127.0.0.1:{peer.port}/Image_Reference", spacing_mm=(0.1, 0.1))
        spacings = [frame.spacing_mm for frame in islice(source, 4)]
        source.close()
    assert spacings == [(0.1, 0.1), (0.1, 0.1), (0.2, 0.2), (0.2, 0.2)]


@pytest.mark.parametrize(
    ("requested", "read"),
    [("", LONG + "A"), (LONG[:20], LONG + "A"), (LONG + "A", LONG + "A"), (LONG + "B", LONG + "B"), (LONG[:20] + "x", "")],
)
def test_devices_that_share_20_bytes_are_told_apart(requested, read):
    sent = [image(i, device=LONG + "AB"[i % 2], IGTL_DEVICE_NAME=LONG + "AB"[i % 2]) for i in range(10)]
    with LoopbackServer(sending(*sent)) as peer:
        if not read:
            with pytest.raises(SourceError, match=f"images of '{LONG}B'"):
                IgtlLink(peer.address(requested, timeout_s=0.5))
            return
        link = IgtlLink(peer.address(requested))
        assert [frame.origin.device for frame in islice(link, 5)] == [read] * 5
        link.close()


def test_a_device_whose_name_has_20_bytes_is_not_its_longer_neighbor():
    exact = image(0, device=LONG[:20])
    sent = [exact, image(1, device=LONG, IGTL_DEVICE_NAME=LONG), image(2, device=LONG[:20])]
    with LoopbackServer(sending(*sent)) as peer:
        link = IgtlLink(peer.address(LONG[:20]))
        stamps = [frame.origin.timestamp_ns for frame in islice(link, 2)]
        link.close()
    assert stamps == [peers.STAMP_NS, peers.STAMP_NS + 100_000_000]


@pytest.mark.parametrize("letters", ["MF", "UF", "MN", "UN", "FM", "FU", "NM", "NU", "mfa", "unA", "nonsense", ""])
def test_an_orientation_of_plus_turns_picture_and_matrix(letters):
    """Test that each pixel keeps its place in the world, whatever way the picture is turned."""
    stored = peers.grey(0)
    with LoopbackServer(sending(image(0, stored, UltrasoundImageOrientation=letters), transform("X"))) as peer:
        link = IgtlLink(peer.address())
        (frame,) = islice(link, 1)
        link.close()
    upright = {
        "MF": stored, "UF": stored[:, ::-1], "MN": stored[::-1], "UN": stored[::-1, ::-1],
        "FM": stored.T, "FU": stored.T[:, ::-1], "NM": stored.T[::-1], "NU": stored.T[::-1, ::-1],
    }.get(letters.upper()[:2], stored)  # fmt: skip
    np.testing.assert_array_equal(frame.image, upright)
    matrix, told = np.array(frame.origin.matrix), np.array(peers.MATRIX)
    for value in (stored[0, 0], stored[2, 5], stored[5, 7]):
        (row, column), (row_stored, column_stored) = np.argwhere(frame.image == value)[0], np.argwhere(stored == value)[0]
        np.testing.assert_allclose(matrix @ (column, row, 0, 1), told @ (column_stored, row_stored, 0, 1), atol=1e-5)
    is_lying = upright.shape != stored.shape
    assert frame.spacing_mm == ((0.25, 0.5) if is_lying else (0.5, 0.25))
