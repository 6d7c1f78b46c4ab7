"""Provides peers on loopback: a scripted server, pyigtl's server and client, and a client that reads whole messages."""

import signal
import socket
import struct
import threading
import time
from contextlib import contextmanager
from itertools import islice

import numpy as np
import pyigtl

from rtseg.igtl import HEADER_BYTES, Message, pack, read_header, unpack
from rtseg.igtl.image import IgtlImage, write_image
from rtseg.igtl.transform import write_transform
from rtseg.sources.live.igtl import IgtlAddress, IgtlLink

PATIENCE_S = 60.0
STAMP_NS = 1_700_000_000_123_456_789
MATRIX = ((0.25, 0.0, 0.0, 10.0), (0.0, 0.5, 0.0, -20.0), (0.0, 0.0, 1.0, 30.5), (0.0, 0.0, 0.0, 1.0))


class LoopbackServer:
    """Serves on loopback: it passes each connection to `talk` in a thread, and closes it afterwards."""

    def __init__(self, talk):
        self._talk, self._listener, self.errors, self.connections = talk, socket.create_server(("127.0.0.1", 0)), [], 0
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name="peer", daemon=True)
        self._thread.start()

    def address(self, device="", **options):
        return IgtlAddress("127.0.0.1", self.port, device, **options)

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                try:
                    self._talk(connection)
                except OSError as error:
                    self.errors.append(error)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)  # closing a listener does not wake `accept` on Linux
        self._listener.close()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()


def sending(*pieces):
    """Return a talk that sends all pieces and then blocks until the client closes."""

    def talk(connection):
        for piece in pieces:
            connection.sendall(piece)
        wait_for_end(connection)

    return talk


def hanging_up(*pieces):
    """Return a talk that sends all pieces and closes."""
    return lambda connection: [connection.sendall(piece) for piece in pieces]


def wait_for_end(connection):
    connection.settimeout(PATIENCE_S)
    while connection.recv(1 << 16):
        pass


def grey(index=0, shape=(6, 8), dtype=np.uint8):
    """Return pixels whose values depend on index and position."""
    return (np.arange(np.prod(shape)).reshape(shape) * 3 + index).astype(dtype)


def packed(kind, device, stamp_ns, content, *more, **metadata):
    """Return a message in bytes."""
    return b"".join(pack(Message(kind, device, stamp_ns, content, metadata), *more))


def image(index=0, pixels=None, device="Image_Reference", matrix=MATRIX, world="RAS", stamp_ns=None, **metadata):
    """Return an IMAGE message in bytes; successive indices are 50 ms apart."""
    pixels = grey(index) if pixels is None else pixels
    stamp_ns = STAMP_NS + index * 50_000_000 if stamp_ns is None else stamp_ns
    return packed("IMAGE", device, stamp_ns, *write_image(IgtlImage(pixels, matrix, world)), **metadata)


def transform(name, index=0, matrix=MATRIX, **metadata):
    return packed("TRANSFORM", name, STAMP_NS + index * 50_000_000, write_transform(matrix), **metadata)


def wrong_crc(message):
    return message[:50] + bytes([message[50] ^ 1]) + message[51:]


def header(kind=b"IMAGE", size=0, version=1, crc=0):
    return struct.pack(">H12s20sIIQQ", version, kind, b"Image", 0, 0, size, crc)


def frames_of(peer, count=None, **address):
    """Return the first `count` frames of a link (None: all), and close it."""
    link = IgtlLink(peer.address(**address))
    try:
        return list(islice(link, count))
    finally:
        link.close()


def eventually(condition, what="", patience_s=PATIENCE_S):
    """Wait until `condition()` is true, and return its value."""
    until = time.monotonic() + patience_s
    while not (found := condition()):
        assert time.monotonic() < until, f"waited in vain {what}"
        time.sleep(0.005)
    return found


@contextmanager
def pyigtl_server():
    """Yield pyigtl's server on a free port; restore the signal handlers that it replaces."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    server = pyigtl.OpenIGTLinkServer(port=0)
    try:
        yield server
    finally:
        server.stop()
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def pyigtl_client(port):
    client = pyigtl.OpenIGTLinkClient(port=port)
    try:
        yield client
    finally:
        client.stop()


class MessageReader:
    """Reads whole messages as a client."""

    def __init__(self, port):
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S)

    def message(self):
        head = read_header(self._exactly(HEADER_BYTES))
        return unpack(head, memoryview(self._exactly(head.body_bytes)))

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            piece = self._socket.recv(count - len(data))
            assert piece, "the server hung up"
            data += piece
        return data

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()
