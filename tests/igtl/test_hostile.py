"""Attacks the source with peers that break off at every byte, declare too much, are silent, or send no message."""

import gc
import struct
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from igtl import peers
from igtl.peers import LoopbackServer, frames_of, hanging_up, image, packed, sending, transform

from rtseg.errors import SourceError
from rtseg.igtl import HEADER_BYTES
from rtseg.igtl.crc import crc64
from rtseg.igtl.text import Status, write_status, write_string
from rtseg.sources.live.igtl import IgtlAddress, IgtlLink
from rtseg.sources.live.igtl.wire import IgtlConnection

pytestmark = pytest.mark.attack


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (image(pixels=np.ones((6, 8), np.float32)), "grey or RGB of 8 or 16 bits"),
        (image(pixels=np.ones((6, 8, 2), np.uint8)), "pixels of 2 x uint8"),
        (packed("IMAGE", "Image", 0, bytes(80)), "unknown type 0"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(99), "is out of step.*check that it is an OpenIGTLink server"),
        (peers.header(size=1 << 32), "an? IMAGE message announces 4294967296 bytes"),
        (peers.header(kind=b"NDARRAY", size=1 << 40), "a NDARRAY message announces 1099511627776 bytes"),
    ],
)
def test_what_cannot_be_used_is_said(sent, message):
    with LoopbackServer(sending(sent)) as peer, pytest.raises(SourceError, match=message):
        IgtlLink(peer.address())


def test_a_header_that_promises_4_gb_costs_no_memory():
    with LoopbackServer(sending(image(0), peers.header(size=1 << 32))) as peer:
        tracemalloc.start()
        with pytest.raises(SourceError, match="4294967296 bytes"):
            frames_of(peer)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert most < 5_000_000


def test_a_body_that_is_promised_and_does_not_come():
    promise = sending(image(0), peers.header(size=100 << 20))
    with LoopbackServer(promise) as peer, pytest.raises(SourceError, match=r"sent no image for 0\.5 s"):
        frames_of(peer, timeout_s=0.5)


def test_a_peer_that_accepts_and_says_nothing():
    with LoopbackServer(sending()) as peer, pytest.raises(SourceError, match=r"sent no image for 0\.3 s: check that it sends"):
        IgtlLink(peer.address(timeout_s=0.3))


def test_a_peer_that_sends_everything_but_images():
    stop = threading.Event()

    def talk(connection):
        while not stop.wait(0.01):
            connection.sendall(transform("ProbeToTracker"))

    with LoopbackServer(talk) as peer:
        with pytest.raises(SourceError, match=r"sent no image for 0\.5 s"):
            IgtlLink(peer.address(timeout_s=0.5))
        stop.set()


def test_a_wrong_device_is_told_of_the_right_one():
    told = r"sent no image for 0\.3 s, but images of 'Image_Reference': name that device"
    with LoopbackServer(sending(image(0))) as peer, pytest.raises(SourceError, match=told):
        IgtlLink(peer.address("Imag", timeout_s=0.3))


def test_nobody_is_there():
    with LoopbackServer(sending()) as peer:
        gone = peer.address()
    with pytest.raises(SourceError, match=r"cannot be reached .*start its server"):
        IgtlLink(gone)
    with pytest.raises(SourceError, match="cannot be reached"):
        IgtlLink(IgtlAddress("no.such.host.invalid"))


class ChunkedSocket:
    """Replaces a socket: it returns a message in the given pieces, then its end."""

    def __init__(self, *pieces):
        self._pieces = [memoryview(piece) for piece in pieces if piece]

    def settimeout(self, timeout_s):
        assert timeout_s > 0

    def recv_into(self, part):
        if not self._pieces:
            return 0
        count = min(len(part), len(self._pieces[0]))
        part[:count] = self._pieces[0][:count]
        self._pieces[0] = self._pieces[0][count:]
        self._pieces = [piece for piece in self._pieces if piece]
        return count


@pytest.mark.parametrize("message", [image(0), transform("ProbeToTracker", Key="value")], ids=["image", "transform"])
def test_a_message_in_every_two_pieces(message):
    for cut in range(len(message) + 1):
        wire = IgtlConnection(ChunkedSocket(message[:cut], message[cut:]), "the peer", 60)
        header = wire.header()
        assert bytes(wire.body(header)) == message[HEADER_BYTES:]
        wire = IgtlConnection(ChunkedSocket(message[:cut], message[cut:]), "the peer", 60)
        wire.skip(wire.header())
        with pytest.raises(SourceError, match="closed the connection"):
            wire.header()


def test_a_message_byte_by_byte():
    def talk(connection):
        connection.setsockopt(peers.socket.IPPROTO_TCP, peers.socket.TCP_NODELAY, 1)
        for message in (transform("ProbeToTracker"), image(0)):
            for i in range(len(message)):
                connection.sendall(message[i : i + 1])
        peers.wait_for_end(connection)

    with LoopbackServer(talk) as peer:
        (frame,) = frames_of(peer, 1)
    assert np.array_equal(frame.image, peers.grey(0))
    assert frame.origin.transforms == {"ProbeToTracker": peers.MATRIX}


@pytest.mark.parametrize("before", [b"", image(0)], ids=["at once", "after an image"])
def test_a_connection_that_ends_at_every_byte_of_a_header(before):
    cuts = iter(range(HEADER_BYTES))
    with LoopbackServer(lambda connection: connection.sendall(before + image(1)[: next(cuts)])) as peer:
        for _ in range(HEADER_BYTES):
            with pytest.raises(SourceError, match=r"closed the connection|broke off"):
                frames_of(peer)
    assert peer.connections == HEADER_BYTES


def test_a_connection_that_ends_within_a_body():
    message = image(1)
    with LoopbackServer(hanging_up(image(0), message[:-1])) as peer, pytest.raises(SourceError, match="within a IMAGE message"):
        frames_of(peer)


def mutated(rng, message):
    """Return the message with some bytes changed, removed or inserted."""
    data = bytearray(message)
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(len(data)))
        match rng.integers(5):
            case 0:
                data[at] ^= 1 << int(rng.integers(8))
            case 1:
                data[at] = int(rng.choice([0, 1, 127, 128, 255]))
            case 2:
                del data[at : at + int(rng.integers(1, 9))]
            case 3:
                data[at:at] = rng.bytes(int(rng.integers(1, 9)))
            case 4:
                data[at : at + 4] = struct.pack(">I", int(rng.integers(2**32)))[: len(data[at : at + 4])]
        if not data:
            return b""
    return bytes(data)


def repaired(data):
    """Return the mutated message with a header that fits its body, so that its content is parsed too."""
    if len(data) < HEADER_BYTES:
        return data
    body = data[HEADER_BYTES:]
    return data[:42] + struct.pack(">QQ", len(body), crc64(body)) + body


ALL = [
    image(0),
    image(1, peers.grey(1, (4, 5, 3)), Key="value"),
    image(2, peers.grey(2, dtype=np.uint16)),
    transform("ProbeToTracker", TransformStatus="OK"),
    packed("STRING", "Depth", 0, write_string("40 mm")),
    packed("STATUS", "Probe", 0, write_status(Status(1, 0, "OK", "well"))),
]


@pytest.mark.parametrize("mend", [repaired, bytes], ids=["checksums repaired", "as they are"])
def test_5000_mutated_messages_of_each_kind(mend):
    """None blocks, each error is a SourceError, and memory stays flat."""
    rng, batch = np.random.default_rng(3), []

    def talk(connection):
        for message in batch:
            connection.sendall(message)

    with LoopbackServer(talk) as peer:
        ends = []
        for turn in range(125):
            batch[:] = [mend(mutated(rng, ALL[int(i)])) for i in rng.integers(len(ALL), size=40)]
            try:
                frames_of(peer, timeout_s=30)
            except SourceError as error:
                ends.append(str(error))
            if turn == 25:
                gc.collect()
                tracemalloc.start()
        grown, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert len(ends) == 125
    assert len({end.split("}")[0][:80] for end in ends}) > 5
    assert not [end for end in ends if "sent no image" in end]
    assert grown < 1_000_000


def test_200_connections_leave_nothing_behind():
    def handles():
        return len(list(Path("/proc/self/fd").iterdir()))

    with LoopbackServer(sending(image(0), image(1))) as peer:
        frames_of(peer, 1)
        before, threads = handles(), threading.active_count()
        for _ in range(200):
            frames_of(peer, 1)
        peers.eventually(lambda: handles() <= before + 1)
        assert threading.active_count() <= threads
    assert peer.connections == 201
