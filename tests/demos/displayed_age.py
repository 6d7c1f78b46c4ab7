"""How many frames a second a browser shows, and how old they are then: a time stamp in the pixels, read in headless Chromium.

python tests/demos/displayed_age.py CLIP [--seconds 60] [--json FILE]      CLIP: python demos/phantom_clip.py phantom.mp4

Each picture carries the wall clock at its capture, in ms, as 20 bits of 16x16 pixels. A script in the page reads it on every
animation frame: what the page could show then, to within the screen's own refresh. Screenshots, which take long themselves,
confirm it from outside: their stamp must be older than their end, and is given as an upper bound.
"""

import argparse
import json
import os
import shutil
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import Page, sync_playwright

from rtseg.engines.load import load_engine
from rtseg.frame import Image
from rtseg.machine import describe
from rtseg.overlay import Overlay
from rtseg.pipeline import Pipeline
from rtseg.result import Result
from rtseg.session import Session
from rtseg.sinks.view import ViewSink
from rtseg.sources.paced import Paced
from rtseg.sources.repeat import Repeated

BITS, SIDE = 20, 16
ROUND_MS = 1 << BITS
READ = """
([bits, side]) => new Promise((done) => {
  const video = document.querySelector(".picture img"), canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  canvas.width = bits * side; canvas.height = side;
  const seen = [], started = performance.now(), lasts = %d;
  function look() {
    const now = performance.timeOrigin + performance.now();
    if (video.naturalWidth) {
      context.drawImage(video, 0, 0, canvas.width, side, 0, 0, canvas.width, side);
      const pixels = context.getImageData(0, side / 2, canvas.width, 1).data;
      let stamp = 0;
      for (let i = 0; i < bits; i += 1) stamp = stamp * 2 + (pixels[4 * (i * side + side / 2)] > 127 ? 1 : 0);
      if (!seen.length || seen[seen.length - 1][0] !== stamp) seen.push([stamp, now]);
    }
    if (performance.now() - started < lasts) requestAnimationFrame(look); else done(seen);
  }
  look();
})
"""


class Stamped:
    """Draws by an overlay, and writes the time of capture into the top left corner."""

    def __init__(self) -> None:
        self._overlay = Overlay(legend=False, notice=False)

    def draw(self, result: Result, out: Image | None = None) -> Image:
        picture = self._overlay.draw(result, out)
        captured_ms = (time.time_ns() - (time.perf_counter_ns() - result.frame.captured_ns)) // 1_000_000 % ROUND_MS
        bits = [captured_ms >> (BITS - 1 - i) & 1 for i in range(BITS)]
        picture[:SIDE, : BITS * SIDE] = np.repeat(np.array(bits, np.uint8) * 255, SIDE)[None, :, None]
        return picture


def stamp_in(screenshot: bytes, box: dict[str, float], size: tuple[int, int]) -> int:
    """The stamp in a screenshot of the picture's place, which shows a picture of size (H, W) as large as it fits."""
    shot = cv2.imdecode(np.frombuffer(screenshot, np.uint8), cv2.IMREAD_GRAYSCALE)
    scale = min(box["width"] / size[1], box["height"] / size[0])
    left, top = (box["width"] - size[1] * scale) / 2, (box["height"] - size[0] * scale) / 2
    row = shot[round(top + SIDE * scale / 2)]
    bits = [int(row[round(left + (i + 0.5) * SIDE * scale)] > 127) for i in range(BITS)]
    return int("".join(map(str, bits)), 2)


def measure(page: Page, seconds: float, size: tuple[int, int]) -> dict[str, object]:
    """Frames a second and ages in ms."""
    seen = page.evaluate(READ % (seconds * 1000), [BITS, SIDE])
    ages = [(now - stamp) % ROUND_MS for stamp, now in seen]
    late = sum(age > ROUND_MS / 2 for age in ages)
    picture = page.locator(".rtseg-live .picture")
    bounds = []
    for _ in range(20):
        shot, ended_ms = picture.screenshot(), time.time_ns() // 1_000_000
        bounds.append((ended_ms - stamp_in(shot, picture.bounding_box() or {}, size)) % ROUND_MS)
    p50, p95, p99, most = np.percentile(ages, [50, 95, 99, 100]).round(1).tolist()
    return {
        "shown_fps": round((len(seen) - 1) * 1000 / (seen[-1][1] - seen[0][1]), 2),
        "pictures": len(seen),
        "age_ms": {"p50": p50, "p95": p95, "p99": p99, "max": most},
        "misread": late,
        "screenshot_age_ms_at_most": {"p50": float(np.median(bounds)), "max": float(max(bounds))},
    }


def main(clip: Path, seconds: float, out: Path | None) -> None:
    """Serve the clip at its own pace, and watch it."""
    ready, told = threading.Event(), []
    sink = ViewSink(port=0, on_ready=lambda url: (told.append(url), ready.set()))
    sink.screen.painter = Stamped()
    source = Paced(Repeated(str(clip), 10**9))
    with closing(load_engine("carotid-int8")) as engine:
        pipeline = Pipeline(source, Session(engine), sink)
        thread = threading.Thread(target=pipeline.run)
        thread.start()
        ready.wait()
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1600, "height": 900})
            page.goto(told[0])
            while not page.evaluate("document.querySelector('.picture img')?.naturalWidth"):
                time.sleep(0.1)
            time.sleep(3)
            load = os.getloadavg()[0]
            found = measure(page, seconds, (source.info.height, source.info.width))
            skipped = sink.screen.broadcast.skipped
            browser.close()
        source.close()
        thread.join()
    report = {
        "source": f"{clip.name}, {source.info.width}x{source.info.height} at {source.info.fps:g} fps, paced",
        **found,
        "line": {"p50_ms": pipeline.report.percentile_ms(50), "p95_ms": pipeline.report.percentile_ms(95)},
        "dropped": pipeline.report.counts.dropped,
        "pictures_skipped_by_the_coder": skipped,
        "load_average": [round(load, 2), round(os.getloadavg()[0], 2)],
        "machine": describe(),
    }
    text = json.dumps(report, indent=1)
    sys.stdout.write(text + "\n")
    if out:
        out.write_text(text + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    main(arguments.clip, arguments.seconds, arguments.json)
