"""Measure how many frames a machine segments in one second, with one session on each core."""

from collections.abc import Sequence
from threading import Thread
from time import perf_counter

import numpy as np

from rtseg.engines.base import Engine
from rtseg.frame import Frame, StreamInfo
from rtseg.session.sector import WholeFrame
from rtseg.session.session import Session

SECONDS = 0.5  # of the measurement
HEIGHT, WIDTH = 480, 640  # of its pictures
_PICTURES = 4


def measure_frame_rate(engines: Sequence[Engine], seconds: float = SECONDS) -> float:
    """Return the frames of 640x480 that one model segments in a second on all cores together, without sinks.

    engines: of one model, as many as run side by side; each gets a session for the measurement.
    """
    counts = [0] * len(engines)
    sessions = [Session(engine, locator=WholeFrame()) for engine in engines]
    pictures = np.random.default_rng(0).integers(0, 255, (_PICTURES, HEIGHT, WIDTH), np.uint8)
    for session in sessions:
        session.warm_up(StreamInfo(HEIGHT, WIDTH, 25.0))
    ends = perf_counter() + seconds

    def work(place: int) -> None:
        while perf_counter() < ends or not counts[place]:
            index = counts[place]
            sessions[place].step(Frame(pictures[index % _PICTURES], index, 0))
            counts[place] += 1
        sessions[place].close()

    began = perf_counter()
    threads = [Thread(target=work, args=(place,), name="rtseg-capacity") for place in range(len(engines))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (perf_counter() - began)
