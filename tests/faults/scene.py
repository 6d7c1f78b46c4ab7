"""A camera, its server, the network between, and one who watches: what every fault is played on."""

import socket
import threading
import time
from collections import deque
from contextlib import contextmanager

from faults.camera import Camera
from faults.igtl import IgtlServer
from faults.mjpeg import MjpegServer
from faults.mpegts import TsServer, UdpSender
from faults.pictures import number_of
from faults.proxy import TcpProxy, UdpProxy
from faults.rtsp import RtspServer

from rtseg.sources import open_source

KINDS = ("rtsp", "udp", "tcp", "http", "igtl")
_SERVERS = {"rtsp": RtspServer, "tcp": TsServer, "http": MjpegServer, "igtl": IgtlServer}
_PATHS = {"rtsp": "/live", "http": "/video", "igtl": "/Image"}
_CODED = {"http": "jpeg", "igtl": "raw"}


def free_port():
    """A UDP port that nobody uses now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Scene:
    """A stream of `kind` behind a proxy; `stop` and `start` are the peer's, `weather` the network's."""

    def __init__(self, kind, **camera):
        self.kind = kind
        self.camera = Camera(_CODED.get(kind, "h264"), **camera)
        self._peer = None
        if kind == "udp":
            port = free_port()
            self.proxy, self.url = UdpProxy(port), f"udp://127.0.0.1:{port}"
            self.start()
        else:
            self._peer = _SERVERS[kind](self.camera)
            self.proxy = TcpProxy(self._peer.port)
            self.url = f"{kind}://127.0.0.1:{self.proxy.port}{_PATHS.get(kind, '')}"

    @property
    def rate(self):
        """Bytes a second that the camera gives."""
        return self.camera.bytes / max(1, self.camera.number) * self.camera.fps

    @property
    def weather(self):
        return self.proxy.weather

    def start(self):
        """Start the peer again, where it was."""
        self._peer = UdpSender(self.camera, self.proxy.port) if self.kind == "udp" else self._again()

    def stop(self):
        """End the peer, as when its program is killed."""
        self._port = getattr(self._peer, "port", None)
        self._peer.close()

    def cut(self):
        """Break every connection, and let new ones come."""
        if self.kind != "udp":
            self.proxy.kick()

    def close(self):
        self.camera.close()
        self._peer.close()
        self.proxy.close()

    def _again(self):
        return _SERVERS[self.kind](self.camera, self._port)


class Viewer:
    """Reads a source in a thread, and notes which picture came when, and how old it was: (number, arrived_ns, age_ms)."""

    def __init__(self, source, camera):
        self.source, self.camera = source, camera
        self.seen = deque(maxlen=3000)
        self.indices = deque(maxlen=3000)
        self.frames = deque(maxlen=60)
        self.error = None
        self._thread = threading.Thread(target=self._run, name="test-viewer", daemon=True)
        self._thread.start()

    def close(self):
        self.source.close()
        self._thread.join(30)
        assert not self._thread.is_alive()

    @property
    def newest(self):
        """The newest frame, or None."""
        return self.frames[-1] if self.frames else None

    @property
    def shapes(self):
        """The sizes of the newest frames."""
        return [frame.image.shape for frame in list(self.frames)]

    def ages(self, count):
        """The newest ages in milliseconds."""
        return [age for _, _, age in list(self.seen)[-count:]]

    def first_sent_after(self, moment_ns):
        """When the first picture that was sent after `moment_ns` arrived, or None."""
        for _, arrived_ns, age_ms in list(self.seen):
            if arrived_ns - age_ms * 1e6 > moment_ns:
                return arrived_ns
        return None

    def _run(self):
        try:
            for frame in self.source:
                arrived_ns, number = time.perf_counter_ns(), number_of(frame.image)
                sent_ns = self.camera.sent_ns.get(number)
                self.indices.append(frame.index)
                self.frames.append(frame)
                if sent_ns and sent_ns < arrived_ns:  # else its number was spoiled on the way
                    self.seen.append((number, arrived_ns, (arrived_ns - sent_ns) / 1e6))
        except Exception as error:  # noqa: BLE001
            self.error = error


@contextmanager
def watched(kind, **camera):
    """A scene with somebody who watches it, and nothing left of them afterwards."""
    scene = Scene(kind, **camera)
    try:
        source = open_source(scene.url)
        viewer = Viewer(source, scene.camera)
        try:
            yield scene, source, viewer
        finally:
            viewer.close()
    finally:
        scene.close()
