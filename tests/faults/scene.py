"""Combines a camera, its server, a proxy and a viewer, on which every fault is played."""

import socket
import threading
import time
from collections import deque
from contextlib import contextmanager

from faults.camera import Camera
from faults.igtl import IgtlCameraServer
from faults.mjpeg import MjpegServer
from faults.mpegts import TsServer, UdpSender
from faults.pictures import number_of
from faults.proxy import TcpProxy, UdpProxy
from faults.rtsp import RtspServer

from rtseg.sources import open_source

KINDS = ("rtsp", "udp", "tcp", "http", "igtl")
_SERVERS = {"rtsp": RtspServer, "tcp": TsServer, "http": MjpegServer, "igtl": IgtlCameraServer}
_PATHS = {"rtsp": "/live", "http": "/video", "igtl": "/Image"}
_CODED = {"http": "jpeg", "igtl": "raw"}


def free_port():
    """Return an unused UDP port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Scene:
    """Streams a camera as `kind` through a proxy; `stop` and `start` act on the server, `conditions` on the network."""

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
        """Return the camera's mean rate in bytes per second."""
        return self.camera.bytes / max(1, self.camera.number) * self.camera.fps

    @property
    def conditions(self):
        return self.proxy.conditions

    def start(self):
        """Start the server again, on the same port."""
        self._peer = UdpSender(self.camera, self.proxy.port) if self.kind == "udp" else self._again()

    def stop(self):
        """Stop the server, as if its process were killed."""
        self._port = getattr(self._peer, "port", None)
        self._peer.close()

    def cut(self):
        """Close every connection; new ones are accepted."""
        if self.kind != "udp":
            self.proxy.drop_connections()

    def close(self):
        self.camera.close()
        self._peer.close()
        self.proxy.close()

    def _again(self):
        return _SERVERS[self.kind](self.camera, self._port)


class Viewer:
    """Reads a source in a thread, and records each picture's (number, arrived_ns, age_ms) in `seen`."""

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
        """Return the newest frame, or None."""
        return self.frames[-1] if self.frames else None

    @property
    def shapes(self):
        """Return the image shapes of the newest frames."""
        return [frame.image.shape for frame in list(self.frames)]

    def ages(self, count):
        """Return the newest `count` ages in milliseconds."""
        return [age for _, _, age in list(self.seen)[-count:]]

    def first_sent_after(self, moment_ns):
        """Return the arrival time in ns of the first picture that was sent after `moment_ns`, or None."""
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
                if sent_ns and sent_ns < arrived_ns:  # else its number was corrupted
                    self.seen.append((number, arrived_ns, (arrived_ns - sent_ns) / 1e6))
        except Exception as error:  # noqa: BLE001
            self.error = error


@contextmanager
def watched(kind, **camera):
    """Yield (scene, source, viewer), and close all of them at the end."""
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
