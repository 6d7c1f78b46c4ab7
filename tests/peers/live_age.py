"""How old is the overlay? One RTSP stream, one network, four ways to read, in turns.

python tests/peers/live_age.py docs/benchmarks/live-age [--seconds 20] [--rounds 3] [--model carotid-int8]
"""

import argparse
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import closing
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent.parent))

import cv2
import numpy as np
from faults.camera import _H264
from faults.pictures import number_of, picture
from faults.rtsp import RtspServer

from rtseg.engines.load import load_engine
from rtseg.frame import Frame, StreamInfo
from rtseg.machine import describe
from rtseg.overlay import Overlay
from rtseg.pipeline import Pipeline
from rtseg.result import Result
from rtseg.sector import WholeFrame
from rtseg.session import Session
from rtseg.sinks.draw import DrawSink
from rtseg.sources import open_source
from rtseg.trace import LatencyTrace

# ruff: noqa: T201
FPS, SIZE, GOP = 60, (720, 1280), 60
SETTLED_S = 3.0  # after the first overlay: until then each way still reads what waited while it started
BUFFER = 30  # pictures, as ultralytics keeps them


class Recorded:
    """Coded pictures, played from the first one at their pace to each who subscribes."""

    def __init__(self, units):
        self.fps, self._units, self.sent_ns = FPS, units, {}
        self._left = threading.Event()

    def stamp(self, number):
        return number / FPS

    def subscribe(self):
        coded = queue.Queue()
        self._left.clear()
        threading.Thread(target=self._play, args=(coded,), daemon=True).start()
        return coded

    def unsubscribe(self, coded):
        self._left.set()

    def _play(self, coded):
        started_ns, self.sent_ns = time.perf_counter_ns(), {}
        for number, unit in enumerate(self._units):
            if self._left.wait(max(0.0, (started_ns + number * 1e9 / FPS - time.perf_counter_ns()) / 1e9)):
                return
            self.sent_ns[number] = time.perf_counter_ns()
            coded.put((number, unit, number % GOP == 0))


def serve(seconds):
    """The server's process: says its port, and for each line it gets when the pictures of the newest PLAY were sent."""
    coder = _H264(SIZE, FPS, GOP)
    units = [coded for number in range(round(seconds * FPS)) for coded, _ in coder.encode(picture(number, SIZE))]
    recorded = Recorded(units)
    server = RtspServer(recorded)
    print(server.port, flush=True)
    for _ in sys.stdin:
        print(json.dumps(dict(recorded.sent_ns)), flush=True)
    server.close()


class Work:
    """What each way does with a picture, the same for all: the network and the overlay."""

    def __init__(self, engine):
        self._session, self._sink, self._count = Session(engine, locator=WholeFrame()), DrawSink(Overlay()), 0
        info = StreamInfo(*SIZE, FPS, live=True)
        self._session.warm_up(info)
        self._sink.open(info)

    def __call__(self, image):
        frame = Frame(image, self._count, time.perf_counter_ns())
        self._count += 1
        trace = LatencyTrace(frame.captured_ns)
        self._sink.write(Result(frame, self._session.step(frame, trace), trace))


def rtseg_way(url, engine, _work):
    with closing(open_source(url)) as source:
        session = Session(engine, locator=WholeFrame())
        for result in Pipeline(source, session, DrawSink(Overlay()), keep_surroundings=True):
            yield result.frame.image


def opencv_way(url, _engine, work):
    """Read, work, show: as in every tutorial."""
    capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG)
    while True:
        there, bgr = capture.read()
        if not there:
            return
        grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
        work(grey)
        yield grey


def threaded_way(buffered):
    """A thread that reads all the time, as ultralytics has it: it keeps the newest picture, or up to thirty in a row."""

    def way(url, _engine, work):
        capture, pictures, running = cv2.VideoCapture(url, cv2.CAP_FFMPEG), deque(), [True]
        fps = capture.get(cv2.CAP_PROP_FPS) or 30

        def update():
            while running[0] and capture.isOpened():
                if len(pictures) >= BUFFER:
                    time.sleep(0.01)
                    continue
                capture.grab()
                there, bgr = capture.retrieve()
                if there and not buffered:
                    pictures.clear()
                if there:
                    pictures.append(bgr)

        thread = threading.Thread(target=update, daemon=True)
        thread.start()
        try:
            while thread.is_alive():
                while not pictures:
                    time.sleep(1 / fps)
                grey = cv2.cvtColor(pictures.popleft() if buffered else pictures.pop(), cv2.COLOR_BGR2GRAY)
                work(grey)
                yield grey
        finally:
            running[0] = False
            thread.join(10)

    return way


WAYS = {
    "rtseg": rtseg_way,
    "OpenCV, one loop": opencv_way,
    "thread, newest picture": threaded_way(False),
    "thread, thirty buffered": threaded_way(True),
}


def view(name, url, model, seconds):
    """A viewer's process: the moment and the number of each overlay that is done, as JSON."""
    with closing(load_engine(model)) as engine:
        done, work = [], Work(engine)
        first = None
        for image in WAYS[name](url, engine, work):
            now = time.perf_counter_ns()
            done.append((now, number_of(image)))
            first = first or now
            if now - first > (seconds + SETTLED_S) * 1e9:
                break
    print(json.dumps([item for item in done if item[0] - done[0][0] > SETTLED_S * 1e9]), flush=True)
    os._exit(0)  # OpenCV's reader may hang in a read when the stream is over


def ages(server, name, url, model, seconds):
    """The ages of one run's overlays in milliseconds, and how many came a second."""
    command = [sys.executable, __file__, "--view", name, "--url", url, "--model", model, "--seconds", str(seconds)]
    environment = os.environ | {"OPENCV_FFMPEG_CAPTURE_OPTIONS": "rtsp_transport;tcp", "OPENCV_LOG_LEVEL": "ERROR"}
    viewer = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
    done = json.loads(viewer.communicate(timeout=300)[0].strip().splitlines()[-1])
    server.stdin.write("sent\n")
    server.stdin.flush()
    sent_ns = json.loads(server.stdout.readline())
    span_s = (done[-1][0] - done[0][0]) / 1e9
    return [(now - sent_ns[str(number)]) / 1e6 for now, number in done], (len(done) - 1) / span_s


def measure(given):
    command = [sys.executable, __file__, "--serve", "--seconds", str(given.seconds + 20)]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    url = f"rtsp://127.0.0.1:{int(server.stdout.readline())}/live"
    runs = {name: [] for name in WAYS}
    for turn in range(given.rounds):
        for name in WAYS:
            found, rate = ages(server, name, url, given.model, given.seconds)
            figures = [float(np.percentile(found, percent)) for percent in (50, 99)]
            runs[name].append({"p50_ms": figures[0], "p99_ms": figures[1], "max_ms": max(found), "overlays_per_s": rate})
            print(f"{turn + 1}: {name}: p50 {figures[0]:.0f} p99 {figures[1]:.0f} ms, {rate:.1f} a second", flush=True)
    server.communicate("")
    return runs


def report(runs, given):
    own = {key: median(run[key] for run in runs["rtseg"]) for key in ("p50_ms", "p99_ms")}
    rows = []
    for name, several in runs.items():
        figures = {key: median(run[key] for run in several) for key in several[0]}
        ratios = f"{figures['p50_ms'] / own['p50_ms']:.1f}, {figures['p99_ms'] / own['p99_ms']:.1f}"
        rows.append(
            f"| {name} | {figures['p50_ms']:.0f} | {figures['p99_ms']:.0f} | {figures['overlays_per_s']:.1f} | {ratios} |"
        )
    return f"""# How old is the overlay?

`python tests/peers/live_age.py docs/benchmarks/live-age --seconds {given.seconds:g} --rounds {given.rounds}` on
{describe().get("processor")}, {time.strftime("%Y-%m-%d")}; other programs ran on the machine: compare within the table.

RTSP over TCP on loopback, {SIZE[1]}x{SIZE[0]} at {FPS} frames a second, H.264, coded beforehand and sent at its pace by another
process. Each way runs the network `{given.model}` and draws the same overlay; only the reading differs. Age: from the moment
the server sent a picture to its finished overlay, over {given.seconds:g} s after {SETTLED_S:g} s to settle; medians of
{given.rounds} runs in turns.

| way to read | p50, ms | p99, ms | overlays a second | times as old as rtseg's, p50 and p99 |
| --- | --- | --- | --- | --- |
{chr(10).join(rows)}

OpenCV, one loop: `VideoCapture.read` and the work in turns. The threads are built as ultralytics' stream loader is: a thread
that reads all the time, and keeps the newest picture (its default) or up to {BUFFER} (`stream_buffer=True`).
"""


def main():
    options = argparse.ArgumentParser()
    options.add_argument("out", nargs="?", type=Path)
    options.add_argument("--seconds", type=float, default=20)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--model", default="carotid-int8")
    options.add_argument("--serve", action="store_true")
    options.add_argument("--view", default="")
    options.add_argument("--url", default="")
    given = options.parse_args()
    if given.serve:
        serve(given.seconds)
    elif given.view:
        view(given.view, given.url, given.model, given.seconds)
    else:
        runs = measure(given)
        given.out.with_suffix(".json").write_text(json.dumps({"machine": describe(), "runs": runs}, indent=2) + "\n")
        given.out.with_suffix(".md").write_text(report(runs, given))


if __name__ == "__main__":
    main()
