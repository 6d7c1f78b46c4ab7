"""Serve pre-encoded ultrasound at 60 frames per second over RTSP for live_age.py, and report each frame's time of sending."""

import json
import queue
import sys
import threading
import time
from collections import defaultdict, deque

import cv2
from faults.camera import H264
from faults.pictures import ROWS, picture
from faults.rtsp import RtspServer

from rtseg.sources import open_source

# ruff: noqa: T201
FPS, SIZE, GOP = 60, (720, 1280), 60
LOOP_S = 20  # images have unique numbers within this time


class EncodedClip:
    """Plays encoded images at their rate and in a loop, from the first one, to each subscriber.

    sent_ns: the times at which the newest subscriber's images were sent, by number, in order.
    """

    def __init__(self, units):
        self.fps, self._units, self._left = FPS, units, {}
        self.sent_ns = defaultdict(deque)

    def stamp(self, number):
        return number / FPS

    def subscribe(self):
        coded, left = queue.Queue(), threading.Event()
        self._left[coded], self.sent_ns = left, defaultdict(deque)
        threading.Thread(target=self._play, args=(coded, left, self.sent_ns), daemon=True).start()
        return coded

    def unsubscribe(self, coded):
        self._left.pop(coded).set()

    def _play(self, coded, left, sent_ns):
        started_ns, count = time.perf_counter_ns(), 0
        while not left.wait(max(0.0, (started_ns + count * 1e9 / FPS - time.perf_counter_ns()) / 1e9)):
            number = count % len(self._units)
            sent_ns[number].append(time.perf_counter_ns())
            coded.put((count, self._units[number], number % GOP == 0))
            count += 1


def pictures(name, count):
    """Yield the clip `name` forwards and backwards, gray (H, W) uint8, each image with its number in the top rows."""
    greys = [frame.image if frame.image.ndim == 2 else frame.image[..., 1] for frame in open_source(f"clip:{name}")]
    large = [cv2.resize(grey, SIZE[::-1], interpolation=cv2.INTER_CUBIC) for grey in greys]
    there_and_back = large + large[-2:0:-1]
    for number in range(count):
        pixels = there_and_back[number % len(there_and_back)].copy()
        pixels[:ROWS] = picture(number, SIZE)[:ROWS]
        yield pixels


def serve():
    """Print the port and the rate in Mbit/s, and for each input line the times at which the images were sent."""
    coder = H264(SIZE, FPS, GOP)
    units = [coded for pixels in pictures("carotid", LOOP_S * FPS) for coded, _ in coder.encode(pixels)]
    recorded = EncodedClip(units)
    server = RtspServer(recorded)
    print(server.port, f"{sum(map(len, units)) * 8e-6 / LOOP_S:.1f}", flush=True)
    for _ in sys.stdin:
        print(json.dumps({number: list(times) for number, times in list(recorded.sent_ns.items())}), flush=True)
    server.close()
