"""Sends a camera's pictures over OpenIGTLink, packed by pyigtl, whose own server would replace the signal handlers."""

import queue

import numpy as np
import pyigtl
from faults.server import ThreadedServer


class IgtlCameraServer(ThreadedServer):
    """Sends `camera`, whose kind is "raw", as IMAGE messages of the device Image."""

    device = "Image"

    def __init__(self, camera, port=0):
        self._camera = camera
        super().__init__(port)

    def serve(self, client):
        coded = self._camera.subscribe()
        try:
            while not self.closed.is_set():
                try:
                    number, pixels, _ = coded.get(timeout=0.2)
                except queue.Empty:
                    continue
                stamp = 1_000_000 + self._camera.stamp(number)
                message = pyigtl.ImageMessage(np.ascontiguousarray(pixels[None]), device_name=self.device, timestamp=stamp)
                client.sendall(message.pack())
        finally:
            self._camera.unsubscribe(coded)
