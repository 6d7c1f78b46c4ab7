"""Read one input as a user of rtseg does."""

import socket
import threading
from contextlib import closing
from pathlib import Path

import numpy as np
import results
from attack.planted import plant
from faults.server import ThreadedServer
from igtl.peers import LoopbackServer, MessageReader, eventually

from rtseg.connection import LinkState
from rtseg.engines.load import load_engine
from rtseg.errors import RtsegError, SourceError
from rtseg.sinks.igtl.sink import IgtlSink
from rtseg.sources import open_source
from rtseg.sources.live.igtl import IgtlLink

FRAMES_MOST = 40
_LIVE_FRAMES = 3
_LIVE_S = 1.5  # time limit of a live source


def read(reader: str, path: Path, number: int) -> int:
    """Return the number of frames, messages or inferences. Raises RtsegError for a refusal; other errors are faults."""
    plant(reader, number)
    match reader:
        case "onnx":
            count = _infer(path, ("openvino", "onnx")[number % 2])
        case "igtl-source":
            count = _receive(path.read_bytes())
        case "igtl-sink":
            count = _say(path.read_bytes())
        case "mjpeg":
            count = _watch(path.read_bytes())
        case "replay":
            count = _play(f"replay:{path}")
        case _:
            count = _play(str(path))
    return count


def _play(uri: str) -> int:
    count = 0
    with closing(open_source(uri)) as source:
        try:
            for frame in source:
                assert frame.image.dtype == np.uint8
                count += 1
                if count >= FRAMES_MOST:
                    break
        except RtsegError:
            if not count:
                raise
    return count


def _infer(path: Path, engine: str) -> int:
    with closing(load_engine(path, engine, threads=1)) as loaded:
        spec = loaded.spec
        loaded.infer(np.zeros((1, spec.channels, *spec.size), np.float32), loaded.initial_state())
    return 1


def _receive(data: bytes) -> int:
    def talk(connection: socket.socket) -> None:
        connection.sendall(data)

    count = 0
    with LoopbackServer(talk) as peer, closing(IgtlLink(peer.address(timeout_s=2))) as link:
        try:
            for _ in link:
                count += 1
        except SourceError:
            if not count:
                raise
    return count


def _say(data: bytes) -> int:
    """Send data from a hostile client, and return 1 if another client is served meanwhile."""
    sink = IgtlSink(":0")
    sink.open(results.stream(live=True))
    with closing(sink):
        port = int(sink.address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as rude, MessageReader(port) as polite:
            rude.sendall(data)
            eventually(lambda: sink.clients == 2, patience_s=15)
            sink.write(results.result())
            return int(bool(polite.message()))


class _PartsServer(ThreadedServer):
    """Sends the same parts to every client, and closes the connection."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        super().__init__(0)

    def serve(self, client: socket.socket) -> None:
        request = client.makefile("rb")
        while request.readline().strip():
            pass
        head = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\nConnection: close\r\n\r\n"
        client.sendall(head + self._data)


def _watch(data: bytes) -> int:
    server, count = _PartsServer(data), 0
    try:
        source = open_source(f"http://127.0.0.1:{server.port}/video")
        timer = threading.Timer(_LIVE_S, source.close)
        timer.start()
        try:
            for _ in source:
                count += 1
                if count >= _LIVE_FRAMES or source.counts[LinkState.REOPENING] > 1:
                    break
        except SourceError:
            if not count:
                raise
        finally:
            timer.cancel()
            timer.join()
            source.close()
    finally:
        server.close()
    return count
