"""Provides a camera that encodes pictures on demand, and a server that sends them in fragments."""

import queue

import numpy as np
from faults.camera import H264
from faults.pictures import number_of, picture
from faults.rtsp import RtspServer, fragments

SIZE, GOP = (144, 256), 10
WELL = 90  # pictures after which the source has learned how the sender fragments


class StepCamera:
    """Encodes pictures on demand, by `shoot`."""

    fps = 30

    def __init__(self):
        self._coder, self._coded = H264(SIZE, self.fps, GOP), queue.Queue()
        self.sent_ns = {}
        self.number = 0

    def stamp(self, number):
        return number / self.fps

    def subscribe(self):
        return self._coded

    def unsubscribe(self, coded):
        pass

    def shoot(self, count=1):
        for _ in range(count):
            for coded, is_key in self._coder.encode(picture(self.number, SIZE)):
                self.sent_ns[self.number] = 1
                self._coded.put((self.number, coded, is_key))
            self.number += 1


def plainly_ended(nal):
    """Append insignificant zeros to a NAL unit, so that its last fragment of 100 bytes is never nearly full."""
    filled = (len(nal) - 2) % 100 + 1
    return nal + bytes(101 - filled if filled > 80 else 0)


class InPieces(RtspServer):
    """Sends every unit longer than 100 bytes in fragments that are full except the last."""

    def pieces(self, nal):
        nal = plainly_ended(nal)
        return fragments(nal, 100) if len(nal) > 100 else [nal]


def numbers(viewer):
    return [number for number, _, _ in list(viewer.seen)]


def is_as_sent(frame):
    """Return whether a frame shows the complete picture of its number."""
    return np.abs(frame.image.astype(int) - picture(number_of(frame.image), SIZE)).mean() < 3
