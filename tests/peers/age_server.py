"""The other end of live_age.py: ultrasound at 60 frames a second over RTSP, coded beforehand, with the moment each was sent."""

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
LOOP_S = 20  # pictures are told apart by their number within this time


class Recorded:
    """Coded pictures, played from the first one at their pace, over and over, to each who subscribes.

    sent_ns: when each of the newest player's pictures was sent, by number, the last time last.
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
    """The clip `name` to and fro, grey (H, W), each picture with its number on top."""
    greys = [frame.image if frame.image.ndim == 2 else frame.image[..., 1] for frame in open_source(f"clip:{name}")]
    large = [cv2.resize(grey, SIZE[::-1], interpolation=cv2.INTER_CUBIC) for grey in greys]
    there_and_back = large + large[-2:0:-1]
    for number in range(count):
        pixels = there_and_back[number % len(there_and_back)].copy()
        pixels[:ROWS] = picture(number, SIZE)[:ROWS]
        yield pixels


def serve():
    """Say the port and the megabits a second, and for each line that comes when the newest player's pictures were sent."""
    coder = H264(SIZE, FPS, GOP)
    units = [coded for pixels in pictures("carotid", LOOP_S * FPS) for coded, _ in coder.encode(pixels)]
    recorded = Recorded(units)
    server = RtspServer(recorded)
    print(server.port, f"{sum(map(len, units)) * 8e-6 / LOOP_S:.1f}", flush=True)
    for _ in sys.stdin:
        print(json.dumps({number: list(times) for number, times in list(recorded.sent_ns.items())}), flush=True)
    server.close()
