"""Measure the age of the overlay: one RTSP stream, one network, five ways to read it, in turns.

python tests/peers/live_age.py docs/benchmarks/live-age [--seconds 20] [--rounds 3] [--model carotid-int8]
"""

import argparse
import json
import os
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
from faults.pictures import number_of
from peers.age_server import FPS, SIZE, serve

from rtseg.engines.load import load_engine
from rtseg.frame import Frame, StreamInfo
from rtseg.overlay import Overlay
from rtseg.pipeline import Pipeline
from rtseg.result import Result
from rtseg.session.sector import WholeFrame
from rtseg.session.session import Session
from rtseg.sinks.preview import DrawSink
from rtseg.sources import open_source
from rtseg.system.machine import describe_machine
from rtseg.trace import LatencyTrace

# ruff: noqa: T201
SETTLED_S = 3.0  # after the first overlay, until the frames buffered during the start have been read
BUFFER = 30  # images, as in ultralytics


class SegmentAndDraw:
    """Segments an image and draws its overlay, the same for all ways of reading."""

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


def opencv_way(threads):
    """Return a loop that reads and processes by turns, as in tutorials; threads: of the decoder, None for OpenCV's default."""

    def way(url, _engine, work):
        capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, threads] if threads else [])
        while True:
            there, bgr = capture.read()
            if not there:
                return
            grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
            work(grey)
            yield grey

    return way


def threaded_way(buffered):
    """Return a loop with a reader thread, as in ultralytics, which keeps the newest image or buffers up to thirty."""

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
    "OpenCV, one loop": opencv_way(None),
    "OpenCV, told to be quick": opencv_way(1),
    "thread, newest picture": threaded_way(False),
    "thread, thirty buffered": threaded_way(True),
}
OPTIONS = {"OpenCV, told to be quick": "|fflags;nobuffer|flags;low_delay"}  # as commonly advised


def view(name, url, model, seconds):
    """Run one way in a process of its own; print the time and the number of each finished overlay as JSON."""
    with closing(load_engine(model)) as engine:
        done, work = [], SegmentAndDraw(engine)
        first = None
        for image in WAYS[name](url, engine, work):
            now = time.perf_counter_ns()
            done.append((now, number_of(image)))
            first = first or now
            if now - first > (seconds + SETTLED_S) * 1e9:
                break
    print(json.dumps([item for item in done if item[0] - done[0][0] > SETTLED_S * 1e9]), flush=True)
    os._exit(0)  # OpenCV may hang in a read at the end of the stream


def ages(server, name, url, given):
    """Run one way; return the ages of its overlays in milliseconds, and the overlays per second."""
    command = [sys.executable, __file__, "--view", name, "--url", url, "--model", given.model, "--seconds", str(given.seconds)]
    options = "rtsp_transport;tcp" + OPTIONS.get(name, "")
    environment = os.environ | {"OPENCV_FFMPEG_CAPTURE_OPTIONS": options, "OPENCV_LOG_LEVEL": "ERROR"}
    viewer = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
    done = json.loads(viewer.communicate(timeout=300)[0].strip().splitlines()[-1])
    server.stdin.write("sent\n")
    server.stdin.flush()
    sent_ns = json.loads(server.stdout.readline())
    span_s = (done[-1][0] - done[0][0]) / 1e9
    found = [_age_ms(now, sent_ns.get(str(number), [])) for now, number in done]
    return [age for age in found if age is not None], (len(done) - 1) / span_s


def _age_ms(now, times):
    """Return the milliseconds since the last of `times` before `now`; None for a corrupted number, which was never sent."""
    return min(((now - time_ns) / 1e6 for time_ns in times if time_ns < now), default=None)


def measure(given):
    load = os.getloadavg()[0]
    command = [sys.executable, __file__, "--serve"]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    port, rate = server.stdout.readline().split()
    url = f"rtsp://127.0.0.1:{port}/live"
    runs = {name: [] for name in WAYS}
    for turn in range(given.rounds):
        for name in WAYS:
            found, overlays = ages(server, name, url, given)
            figures = [float(np.percentile(found, percent)) for percent in (50, 99)]
            runs[name].append({"p50_ms": figures[0], "p99_ms": figures[1], "max_ms": max(found), "overlays_per_s": overlays})
            print(f"{turn + 1}: {name}: p50 {figures[0]:.0f} p99 {figures[1]:.0f} ms, {overlays:.1f} a second", flush=True)
    server.communicate("")
    return {"load": load, "mbit_per_s": float(rate), "runs": runs}


def report(measured, given):
    runs, processor = measured["runs"], describe_machine().get("processor")
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
{processor}, {os.cpu_count()} cores, {time.strftime("%Y-%m-%d")}, load {measured["load"]:.1f} before it began.

RTSP over TCP on loopback, a carotid at {SIZE[1]}x{SIZE[0]} and {FPS} frames a second, H.264 of {measured["mbit_per_s"]:g}
Mbit/s, coded beforehand and sent at its pace by another process on the same cores. Each way runs the network `{given.model}`
and draws the same overlay; only the reading differs. Age: from the moment the server sent a picture to its finished overlay,
over {given.seconds:g} s after {SETTLED_S:g} s to settle; medians of {given.rounds} runs in turns.

| way to read | p50, ms | p99, ms | overlays a second | times as old as rtseg's, p50 and p99 |
| --- | --- | --- | --- | --- |
{chr(10).join(rows)}

OpenCV, one loop: `VideoCapture.read` and the work in turns; told to be quick: with `fflags=nobuffer`, `flags=low_delay` and one
decoding thread. The threads are built as ultralytics' stream loader is: a thread
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
        serve()
    elif given.view:
        view(given.view, given.url, given.model, given.seconds)
    else:
        measured = measure(given)
        given.out.with_suffix(".json").write_text(json.dumps({"machine": describe_machine()} | measured, indent=2) + "\n")
        given.out.with_suffix(".md").write_text(report(measured, given))


if __name__ == "__main__":
    main()
