"""Tests transport streams in RTP by UDP: read as they are, and lost packets mark the pictures that depend on them."""

import socket
import struct
import threading
from contextlib import closing

import av
import numpy as np
import pytest
from sources.links import link_threads, wait_until
from sources.streams import PACKET, number_of, packets_of, read_stream, transport_stream

from rtseg.sources import open_source
from rtseg.sources.live.ffmpeg_link import LinkSettings, StreamLink
from rtseg.sources.live.rtp_payload import RtpBytes, rtp_payload
from rtseg.sources.transport_reader import RepairedReader

COUNT, EACH = 75, 7


def rtp(number, data, *, sources=0, extension=b"", padding=0):
    """Return an RTP packet (RFC 3550, 5.1)."""
    flags = 0x80 | (0x20 if padding else 0) | (0x10 if extension else 0) | sources
    head = struct.pack(">BBHII", flags, 33, number & 0xFFFF, 3600 * number & 0xFFFFFFFF, 1) + bytes(4 * sources)
    head += struct.pack(">HH", 1, len(extension) // 4) + extension if extension else b""
    return head + data + (bytes(padding - 1) + bytes([padding]) if padding else b"")


def datagrams(first=0, **form):
    packets = packets_of(transport_stream(COUNT))
    pieces = (b"".join(packets[at : at + EACH]) for at in range(0, len(packets), EACH))
    return [rtp(first + number, piece, **form) for number, piece in enumerate(pieces)]


class Datagrams:
    """Gives one datagram a read."""

    def __init__(self, given):
        self._given = iter(given)

    def read(self, _size):
        return next(self._given, b"")

    def close(self):
        pass


def read(given):
    """Return the frames of a stream that comes in datagrams."""
    source = RtpBytes(Datagrams(given))
    link = StreamLink(lambda: av.open(RepairedReader(source.read), "r"), LinkSettings("stream", ends=True))
    with closing(link):
        return list(link)


@pytest.mark.parametrize("form", [{}, {"sources": 2}, {"extension": b"12345678"}, {"padding": 8}], ids=str)
def test_every_picture_is_read_and_none_is_marked(form):
    frames = read(datagrams(first=65_500, **form))
    assert [number_of(frame.image) for frame in frames] == list(range(COUNT))
    assert not any(frame.damage for frame in frames)


@pytest.mark.parametrize("lost", [1, 16, 32])
def test_lost_packets_are_seen_even_where_the_counters_of_the_stream_fit(lost):
    whole, given = [frame.image for frame in read_stream(transport_stream(COUNT))], datagrams()
    for begin in range(20, 60, 8):
        frames = read(given[:begin] + given[begin + lost :])
        good = [frame for frame in frames if not frame.damage]
        assert len(good) >= COUNT // 3
        assert len(good) < COUNT
        for frame in good:
            np.testing.assert_array_equal(frame.image, whole[number_of(frame.image)])


OTHERS = [b"", b"\x80" * 12, bytes(200), b"\x47" + bytes(PACKET * 7 - 1), rtp(0, bytes(PACKET)), rtp(0, b"\x47" * 100)]


@pytest.mark.parametrize("data", OTHERS, ids=len)
def test_what_is_no_transport_stream_in_rtp_passes_unchanged(data):
    assert rtp_payload(data) is None
    assert RtpBytes(Datagrams([data])).read(9999) == data


def test_it_is_read_by_udp():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    closed = threading.Event()

    def send():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for datagram in datagrams() * 20:
                sender.sendto(datagram, ("127.0.0.1", port))
                if closed.wait(0.002):
                    return

    sending = threading.Thread(target=send, name="test-sender", daemon=True)
    sending.start()
    with closing(open_source(f"udp://127.0.0.1:{port}")) as source:
        frames = [frame for frame, _ in zip(source, range(30), strict=False)]
    closed.set()
    sending.join(30)
    assert sum(not frame.damage for frame in frames) >= 20
    wait_until(lambda: not link_threads())
