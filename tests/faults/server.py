"""Implements the base of the test servers: a loopback socket, one thread per client, and an orderly end."""

import contextlib
import socket
import threading


class ThreadedServer:
    """Serves each client on 127.0.0.1 in a thread; `drop_connections` closes all connections, `close` also the server."""

    def __init__(self, port=0):
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port = self._socket.getsockname()[1]
        self._clients, self._threads, self._lock = set(), [], threading.Lock()
        self.closed = threading.Event()
        self.accepted = 0
        self._listener = threading.Thread(target=self._listen, name="test-server", daemon=True)
        self._listener.start()

    def serve(self, client):
        raise NotImplementedError

    def drop_connections(self):
        with self._lock:
            for client in self._clients:
                with contextlib.suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.closed.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._listener.join(30)
        self.drop_connections()
        for thread in self._threads:
            thread.join(30)

    def _listen(self):
        while not self.closed.is_set():
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.accepted += 1
            thread = threading.Thread(target=self._serve, args=(client,), name="test-client", daemon=True)
            self._threads = [*(one for one in self._threads if one.is_alive()), thread]
            thread.start()

    def _serve(self, client):
        with self._lock:
            self._clients.add(client)
        try:
            if not self.closed.is_set():
                self.serve(client)
        except OSError:
            pass  # a client may disconnect at any time
        finally:
            with self._lock:
                self._clients.discard(client)
            client.close()


class SilentServer(ThreadedServer):
    """Accepts connections and sends nothing."""

    def serve(self, client):
        self.closed.wait(60)
