"""Simulates network conditions by proxies between a source and its peer."""

import contextlib
import queue
import random
import socket
import threading
import time

from faults.server import ThreadedServer


class NetworkConditions:
    """Holds the current state of the network; every field may be set at any time.

    delay_s: the delay towards the source. rate: bytes per second, 0 for no limit. corrupt: the share of chunks in which one
    byte is changed. silent: drop or hold all data without closing connections. random: selects the corrupted chunks.
    """

    def __init__(self):
        self.clear()
        self.random = random.Random(7)

    def clear(self):
        self.delay_s, self.rate, self.corrupt, self.silent = 0.0, 0.0, 0.0, False

    def corrupted(self, chunk):
        if self.random.random() >= self.corrupt:
            return chunk
        at = self.random.randrange(len(chunk))
        return chunk[:at] + bytes([chunk[at] ^ 0x55]) + chunk[at + 1 :]


class TcpProxy(ThreadedServer):
    """Forwards connections to `peer_port` under the network conditions."""

    def __init__(self, peer_port, port=0):
        self.conditions, self._peer_port = NetworkConditions(), peer_port
        super().__init__(port)

    def serve(self, client):
        with socket.create_connection(("127.0.0.1", self._peer_port), 30) as peer:
            peer.settimeout(None)
            up = threading.Thread(target=self._pass_up, args=(client, peer), name="test-proxy", daemon=True)
            up.start()
            try:
                self._pass_down(peer, client)
            finally:
                for one in (peer, client):
                    with contextlib.suppress(OSError):
                        one.shutdown(socket.SHUT_RDWR)
                up.join(30)

    def _pass_up(self, client, peer):
        with contextlib.suppress(OSError):
            while request := client.recv(4096):
                peer.sendall(request)
        with contextlib.suppress(OSError):
            peer.shutdown(socket.SHUT_RDWR)

    def _pass_down(self, peer, client):
        """Read in this thread and write in another, so that a delay does not limit the rate."""
        waiting = queue.Queue(256)
        writer = threading.Thread(target=self._write, args=(waiting, client, peer), name="test-proxy", daemon=True)
        writer.start()
        try:
            while chunk := peer.recv(4096):
                waiting.put((time.perf_counter() + self.conditions.delay_s, chunk))
        finally:
            waiting.put((0, b""))
            writer.join(30)

    def _write(self, waiting, client, peer):
        dead = False
        while (item := waiting.get())[1]:
            due, chunk = item
            while not dead and not self.closed.is_set() and (self.conditions.silent or time.perf_counter() < due):
                time.sleep(0.002)
            try:
                if not dead:
                    client.sendall(self.conditions.corrupted(chunk))
            except OSError:
                dead = True
                with contextlib.suppress(OSError):
                    peer.shutdown(socket.SHUT_RDWR)
            if self.conditions.rate and not dead:
                time.sleep(len(chunk) / self.conditions.rate)


class UdpProxy:
    """Forwards datagrams to `to_port` under the network conditions; silence and a rate limit drop them."""

    def __init__(self, to_port):
        self.conditions, self._to = NetworkConditions(), ("127.0.0.1", to_port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._room, self._asked = 0.0, time.perf_counter()
        self.port = self._socket.getsockname()[1]
        self.closed = threading.Event()
        self._thread = threading.Thread(target=self._pass, name="test-proxy", daemon=True)
        self._thread.start()

    def close(self):
        self.closed.set()
        self._thread.join(30)
        self._socket.close()

    def _has_room(self, count):
        """Return whether the rate limit admits this many bytes now: a token bucket of a tenth of a second, at least 1400 B."""
        rate, now = self.conditions.rate, time.perf_counter()
        self._room = min(self._room + (now - self._asked) * rate, max(1400, rate / 10))
        self._asked = now
        if rate and self._room < count:
            return False
        self._room -= count if rate else 0
        return True

    def _pass(self):
        waiting = []
        while not self.closed.is_set():
            with contextlib.suppress(TimeoutError, ConnectionError):
                self._socket.settimeout(0.002 if waiting else 0.1)
                chunk = self._socket.recv(2048)
                if not self.conditions.silent and self._has_room(len(chunk)):
                    waiting.append((time.perf_counter() + self.conditions.delay_s, self.conditions.corrupted(chunk)))
            while waiting and waiting[0][0] <= time.perf_counter():
                with contextlib.suppress(ConnectionError):
                    self._socket.sendto(waiting.pop(0)[1], self._to)
