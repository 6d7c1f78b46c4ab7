"""Tests that MPEG-TS by UDP, TCP, HTTP and HLS goes through the repair: no joined picture is shown as a good one."""

import socket
import threading
from contextlib import closing
from functools import lru_cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from sources.links import link_threads, wait_until
from sources.streams import PACKET, number_of, packets_of, pid_of, read_stream, transport_stream

from rtseg.errors import SourceError
from rtseg.sources import open_source

COUNT, VIDEO = 75, 0x100
KINDS = ("udp", "tcp", "http")


@lru_cache(maxsize=1)
def _packets():
    return tuple(packets_of(transport_stream(COUNT)))


@lru_cache(maxsize=1)
def _clean():
    return tuple(frame.image for frame in read_stream(b"".join(_packets())))


def _places():
    return [place for place, packet in enumerate(_packets()) if pid_of(packet) == VIDEO]


def _without_16(first):
    gone = set(_places()[first : first + 16])
    return b"".join(packet for place, packet in enumerate(_packets()) if place not in gone)


def _doubled(_first):
    return b"".join(packet * (1 + (pid_of(packet) == VIDEO)) for packet in _packets())


def _cut(first):
    at, data = _places()[first] * PACKET + 90, b"".join(_packets())
    return data[:at] + data[at + 40 :]


class Sender:
    """Sends a stream in pieces by one protocol, once a reader is there; the connection stays open until it is closed."""

    def __init__(self, kind, data):
        self._data, self._closed = data, threading.Event()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
        self._socket.bind(("127.0.0.1", 0))
        port = self._socket.getsockname()[1]
        self.url = f"{kind}://127.0.0.1:{port}"
        if kind == "udp":
            self._socket.close()  # the reader binds it
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._socket.connect(("127.0.0.1", port))
        else:
            self._socket.listen()
        self._thread = threading.Thread(target=self._send, args=(kind,), name="test-sender", daemon=True)
        self._thread.start()

    def close(self):
        self._closed.set()
        self._socket.close()
        self._thread.join(30)

    def _send(self, kind):
        if kind == "udp":
            self._closed.wait(0.3)
            return self._write(self._socket)
        while not self._closed.is_set():
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return None
            with peer:
                if kind == "http":
                    peer.recv(2000)
                    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\nConnection: close\r\n\r\n")
                self._write(peer)
                self._closed.wait(2)
        return None

    def _write(self, peer):
        for at in range(0, len(self._data), 7 * PACKET):
            try:
                peer.send(self._data[at : at + 7 * PACKET])
            except OSError:
                return
            if self._closed.wait(0.002):
                return


def _read(kind, data):
    """Return the frames of a live stream, until it falls silent."""
    sender, frames = Sender(kind, data), []
    with closing(sender), closing(open_source(sender.url)) as source:
        for frame in source:
            frames.append(frame)
            if number_of(frame.image) >= COUNT - 4:
                break
        assert source.reconnects == 0
    wait_until(lambda: not link_threads())
    return frames


def _check(frames, least):
    good = [frame for frame in frames if not frame.damage]
    assert len(good) >= least
    for frame in good:
        number = number_of(frame.image)
        assert number < COUNT
        np.testing.assert_array_equal(frame.image, _clean()[number])


CASES = [(kind, _without_16) for kind in KINDS] + [("udp", _doubled), ("tcp", _cut)]


@pytest.mark.parametrize(("kind", "damage"), CASES)
def test_no_damaged_picture_is_shown_as_a_good_one(kind, damage):
    frames = _read(kind, damage(len(_places()) // 2 + 5))
    _check(frames, COUNT // 2)
    assert any(frame.damage for frame in frames) == (damage is not _doubled)


class SilentFiles(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def folder(tmp_path):
    """Return an empty folder and its address on a web server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SilentFiles, directory=tmp_path)) as server:
        serving = threading.Thread(target=server.serve_forever, name="test-web", daemon=True)
        serving.start()
        yield tmp_path, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join(60)
    wait_until(lambda: not link_threads())


def test_a_finished_stream_of_segments_is_repaired_and_ends(folder):
    path, url = folder
    (path / "a.ts").write_bytes(_without_16(len(_places()) // 2 + 5))
    (path / "a.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\na.ts\n#EXT-X-ENDLIST\n")
    with closing(open_source(f"{url}/a.m3u8")) as source:
        frames = list(source)
    _check(frames, COUNT // 2)
    assert any(frame.damage for frame in frames)
    assert source.reconnects == 0


def test_a_recording_on_a_web_server_is_repaired_and_ends(folder):
    path, url = folder
    (path / "a.ts").write_bytes(_doubled(0))
    with closing(open_source(f"{url}/a.ts")) as source:
        frames = list(source)
    assert [number_of(frame.image) for frame in frames] == list(range(COUNT))
    assert not any(frame.damage for frame in frames)
    assert source.reconnects == 0


def test_a_playlist_leads_to_no_file_of_this_machine(folder):
    path, url = folder
    (path / "secret.ts").write_bytes(b"".join(_packets()))
    listed = f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\nfile://{path}/secret.ts\n#EXT-X-ENDLIST\n"
    (path / "a.m3u8").write_text(listed)
    with pytest.raises(SourceError):
        open_source(f"{url}/a.m3u8")


def test_a_recording_whose_server_dies_is_a_lost_link_and_no_end(tmp_path):
    data = b"".join(_packets())

    class Dying(SilentFiles):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) * 2 // 3])

    with ThreadingHTTPServer(("127.0.0.1", 0), Dying) as server:
        serving = threading.Thread(target=server.serve_forever, name="test-web", daemon=True)
        serving.start()
        with closing(open_source(f"http://127.0.0.1:{server.server_port}/a.ts")) as source:
            for number, _ in enumerate(source):
                if number > COUNT:
                    break
            assert source.reconnects
        server.shutdown()
        serving.join(60)
    wait_until(lambda: not link_threads())
