"""Serves a camera's JPEG pictures over HTTP as multipart/x-mixed-replace, as web cameras do."""

import queue

from faults.server import ThreadedServer

_BOUNDARY = "frame"


class MjpegServer(ThreadedServer):
    """Sends `camera` to every client, for any path."""

    def __init__(self, camera, port=0):
        self._camera = camera
        super().__init__(port)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/video"

    def serve(self, client):
        request = client.makefile("rb")
        while request.readline().strip():
            pass
        client.sendall(
            f"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary={_BOUNDARY}\r\n"
            "Cache-Control: no-cache\r\nConnection: close\r\n\r\n".encode()
        )
        coded = self._camera.subscribe()
        try:
            while not self.closed.is_set():
                try:
                    _, jpeg, _ = coded.get(timeout=0.2)
                except queue.Empty:
                    continue
                head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                client.sendall(head.encode() + jpeg + b"\r\n")
        finally:
            self._camera.unsubscribe(coded)
