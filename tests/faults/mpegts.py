"""Sends a camera's H.264 as an MPEG transport stream to a UDP port or to TCP clients."""

import queue
import socket
import threading
from fractions import Fraction

import av
from faults.server import ThreadedServer


class UdpSender:
    """Sends `camera` to a port of 127.0.0.1 until closed."""

    def __init__(self, camera, port):
        self._camera, self._to = camera, ("127.0.0.1", port)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="test-sender", daemon=True)
        self._thread.start()

    def close(self):
        self._closed.set()
        self._thread.join(30)

    def _run(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            mux(self._camera, _Writer(lambda packets: out.sendto(packets, self._to)), self._closed)


class TsServer(ThreadedServer):
    """Sends `camera` to every TCP client."""

    def __init__(self, camera, port=0):
        self._camera = camera
        super().__init__(port)

    @property
    def url(self):
        return f"tcp://127.0.0.1:{self.port}"

    def serve(self, client):
        mux(self._camera, _Writer(client.sendall), self.closed)


class _Writer:
    """Splits PyAV's output into datagrams of seven transport packets."""

    def __init__(self, send):
        self._send, self._held, self.broken = send, b"", False

    def write(self, data):
        self._held += data
        while len(self._held) >= 1316:
            self._pass(1316)
        return len(data)

    def flush(self):
        while self._held:
            self._pass(min(1316, len(self._held)))

    def _pass(self, count):
        piece, self._held = self._held[:count], self._held[count:]
        try:
            if not self.broken:
                self._send(piece)
        except OSError:
            self.broken = True


def mux(camera, writer, closed):
    """Write the camera's pictures from the next key frame on; start a new stream where their timestamps go back."""
    coded = camera.subscribe()
    try:
        while not closed.is_set() and not writer.broken:
            _mux_forwards(camera, coded, writer, closed)
    finally:
        camera.unsubscribe(coded)


def _mux_forwards(camera, coded, writer, closed):
    last, started = -1.0, False
    with av.open(writer, "w", format="mpegts", options={"flush_packets": "1", "pat_period": "0.2"}) as container:
        stream = container.add_stream("libx264", rate=camera.fps)
        stream.height, stream.width, stream.pix_fmt = *camera.size, "yuv420p"
        while not closed.is_set() and not writer.broken:
            try:
                number, unit, is_key = coded.get(timeout=0.2)
            except queue.Empty:
                continue
            seconds, started = camera.stamp(number), started or is_key
            if seconds <= last:
                return
            if started:
                container.mux(_packet(unit, seconds, is_key, stream))
                writer.flush()
                last = seconds


def _packet(unit, seconds, is_key, stream):
    packet = av.Packet(unit)
    packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 90_000), is_key
    packet.pts = packet.dts = round(seconds * 90_000)
    return packet
