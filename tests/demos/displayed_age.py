"""Measure the frame rate and the age of the frames that a headless Chromium displays, by a timestamp in the pixels.

python tests/demos/displayed_age.py CLIP [--minutes 10] [--json FILE]      CLIP: python demos/phantom_clip.py phantom.mp4

Each image carries the wall clock at its capture, in ms, as 20 bits of 16x16 pixels. In the worker that draws on the page's
canvas, a script reads the stamp from the drawn image, and the time of the animation frame that shows it, to within one
refresh. (Reading the canvas from the page, on every animation frame, would cost more than showing it.) Screenshots, which
take long, confirm the age from outside: their stamp is reported as an upper bound.

--turns N: instead of minutes, measure the page's canvas and its fallback, an <img>, N times each, in turns of --seconds. The
<img> is read from the page, on every animation frame.
"""

import argparse
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from playwright.sync_api import Browser, Page, sync_playwright
from stamps import BITS, LISTEN, PROBE, READ, ROUND_MS, SHOWN, SIDE, STAMP, StampPainter, stamp_in

import rtseg
from rtseg.engines.load import load_engine
from rtseg.pipeline import Pipeline
from rtseg.session.session import Session
from rtseg.sinks.view.sink import ViewSink
from rtseg.sources.playback import LoopingSource, PacedSource
from rtseg.system.machine import describe_machine

SETTLE_S = 5.0
PICTURE = ".picture canvas, .picture img"
PAGE = Path(rtseg.__file__).parent / "sinks" / "view" / "page"
WITHOUT_CANVAS = "delete HTMLCanvasElement.prototype.transferControlToOffscreen"


class StreamedClip:
    """Segments a clip at its own rate, in a loop, and serves it to viewers."""

    def __init__(self, clip: Path) -> None:
        self._ready, self.url = threading.Event(), ""
        self.sink = ViewSink(port=0, on_ready=self._told)
        self.sink.screen.painter = StampPainter()
        self.source = PacedSource(LoopingSource(str(clip), 10**9))
        self._engine = load_engine("carotid-int8")
        self._pipeline = Pipeline(self.source, Session(self._engine), self.sink)
        self._thread = threading.Thread(target=self._pipeline.run)
        self._thread.start()
        self._ready.wait()

    def _told(self, url: str) -> None:
        self.url = url
        self._ready.set()

    def counts(self) -> dict[str, int]:
        """Return the number of frames segmented, dropped before segmentation, and skipped by the encoder so far."""
        told = self.sink.screen.snapshot()
        return {"segmented": told["frames"], "dropped_before_segmenting": told["dropped"], "skipped_by_coder": told["skipped"]}

    def close(self) -> None:
        self.source.close()
        self._thread.join()
        self._engine.close()


def processor_seconds() -> dict[str, float]:
    """Return the CPU seconds used so far by this process (pipeline and server), and by Chromium's processes, by type."""
    spent = {"rtseg": sum(psutil.Process().cpu_times()[:2])}
    for process in psutil.Process().children(recursive=True):
        try:
            command, used = " ".join(process.cmdline()), sum(process.cpu_times()[:2])
        except psutil.NoSuchProcess:
            continue
        if "chromium" in command.split(" ")[0]:
            kind = command.partition("--type=")[2].split(" ")[0] or "browser"
            spent[f"chromium {kind}"] = spent.get(f"chromium {kind}", 0.0) + used
    return spent


def watch(page: Page, line: StreamedClip, seconds: float) -> tuple[dict[str, Any], list[float]]:
    """Observe a page for some seconds; return the results, and the age in ms of each displayed image."""
    spent, counts, load = processor_seconds(), line.counts(), os.getloadavg()[0]
    has_canvas = page.locator(".picture canvas").count()
    seen = page.evaluate(LISTEN, seconds * 1000) if has_canvas else page.evaluate(READ, [BITS, SIDE, seconds * 1000])
    spent = {name: used - spent.get(name, 0.0) for name, used in processor_seconds().items()}
    ages = [(now - stamp) % ROUND_MS for stamp, now in seen]
    told = {
        "shown_fps": round((len(seen) - 1) * 1000 / (seen[-1][1] - seen[0][1]), 2),
        "age_ms": spread(ages),
        **{name: count - counts[name] for name, count in line.counts().items()},
        "cpu_ms_a_shown_picture": {name: round(1000 * used / len(seen), 1) for name, used in spent.items() if used > 0},
        "cores_busy": round(sum(spent.values()) / seconds, 2),
        "load_average": [round(load, 2), round(os.getloadavg()[0], 2)],
    }
    return told, ages


def spread(ages: list[float]) -> dict[str, float]:
    """Return percentiles of the ages; misread: the number of stamps that lie in the future."""
    p50, p95, p99, most = np.percentile(ages, [50, 95, 99, 100]).round(1).tolist()
    return {"p50": p50, "p95": p95, "p99": p99, "max": most, "misread": sum(age > ROUND_MS / 2 for age in ages)}


def screenshot_age(page: Page, line: StreamedClip) -> dict[str, float]:
    """Return the age in ms of the image in a screenshot, at the end of the screenshot: an upper bound."""
    bounds = []
    for _ in range(20):
        shot, ended_ms = page.screenshot(), time.time_ns() // 1_000_000
        box = page.locator(PICTURE).bounding_box() or {}
        bounds.append((ended_ms - stamp_in(shot, box, line.source.info.width / line.source.info.height)) % ROUND_MS)
    return {"p50": float(np.median(bounds)), "max": float(max(bounds))}


@contextmanager
def opened_page(browser: Browser, line: StreamedClip, viewport: tuple[int, int], script: str = "") -> Iterator[Page]:
    """Open the page and yield it once it shows images; script: runs in the page before its own scripts."""
    context = browser.new_context(viewport={"width": viewport[0], "height": viewport[1]})
    context.add_init_script(STAMP + script)
    player = PROBE.replace("SOURCE_WIDTH", str(line.source.info.width)) + (PAGE / "player.js").read_text()
    context.route("**/player.js", lambda route: route.fulfill(body=player, content_type="text/javascript"))
    page = context.new_page()
    page.goto(line.url)
    page.wait_for_function(SHOWN, arg=PICTURE)
    time.sleep(SETTLE_S)
    yield page
    context.close()


def by_minute(browser: Browser, line: StreamedClip, viewport: tuple[int, int], minutes: int, seconds: float) -> dict[str, Any]:
    """Measure one page, minute by minute."""
    with opened_page(browser, line, viewport) as page:
        watched = [watch(page, line, seconds) for _ in range(minutes)]
        box = page.locator(PICTURE).bounding_box() or {}
        bounds = screenshot_age(page, line)
    ages = [age for _, some in watched for age in some]
    return {
        "picture_on_the_page": [box["width"], box["height"]],
        "shown_fps": round(float(np.mean([told["shown_fps"] for told, _ in watched])), 2),
        "slowest_minute_fps": min(told["shown_fps"] for told, _ in watched),
        "age_ms": spread(ages),
        "worst_minute_p95_ms": max(told["age_ms"]["p95"] for told, _ in watched),
        "screenshot_age_ms_at_most": bounds,
        "minutes": [told for told, _ in watched],
    }


def in_turns(browser: Browser, line: StreamedClip, viewport: tuple[int, int], turns: int, seconds: float) -> dict[str, Any]:
    """Measure the canvas and the <img> in turns; each comes first every other time."""
    told: dict[str, Any] = {"canvas": [], "img": []}
    for turn in range(turns):
        for way in ("canvas", "img") if turn % 2 == 0 else ("img", "canvas"):
            with opened_page(browser, line, viewport, WITHOUT_CANVAS if way == "img" else "") as page:
                told[way].append(watch(page, line, seconds)[0])
    return told


def main(arguments: argparse.Namespace) -> None:
    """Serve the clip, measure the page, and write the report."""
    viewport = tuple(map(int, arguments.viewport.split("x")))
    with closing(StreamedClip(arguments.clip)) as line, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        found = (
            in_turns(browser, line, viewport, arguments.turns, arguments.seconds)
            if arguments.turns
            else by_minute(browser, line, viewport, arguments.minutes, arguments.seconds)
        )
        chromium, info = browser.version, line.source.info
        browser.close()
    report = {
        "source": f"{arguments.clip.name}, {info.width}x{info.height} at {info.fps:g} fps, paced, carotid-int8",
        "page": arguments.viewport,
        "chromium": f"{chromium}, headless, no GPU",
        **found,
        "machine": describe_machine(),
    }
    text = json.dumps(report, indent=1)
    sys.stdout.write(text + "\n")
    if arguments.json:
        arguments.json.write_text(text + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=60, help="of a minute, or of a turn")
    parser.add_argument("--turns", type=int, default=0)
    parser.add_argument("--viewport", default="1600x900", help="the browser's window")
    parser.add_argument("--json", type=Path)
    main(parser.parse_args())
