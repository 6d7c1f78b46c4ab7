"""Draw the newest result as a JPEG for the viewers, and collect the statistics beside it."""

import threading
from typing import Any, Protocol

from rtseg.frame import Image, StreamInfo
from rtseg.overlay import Overlay
from rtseg.result import Result
from rtseg.sinks.view.broadcast import Broadcast
from rtseg.sinks.view.live_stats import LiveStats
from rtseg.sinks.view.result_feed import ResultFeed
from rtseg.sinks.view.shown_pictures import ShownPictures
from rtseg.sinks.view.stream_metrics import StreamMetrics
from rtseg.sinks.view.viewer_prompts import ViewerPrompts
from rtseg.text.safe_text import clean_values


class Painter(Protocol):
    """Draws a result as an image; `Overlay` implements it."""

    def draw(self, result: Result, out: Image | None = None) -> Image:
        """Return the drawing of a result, (H, W, 3) uint8 RGB; `out` is reused when it is given and fits."""


class Screen:
    """Draws each result while there are viewers, and collects the statistics of all results.

    `painter` may be set at any time, from any thread; the previous painter is not in use after that returns. `redraw` draws
    the newest result again by the new painter. prompts: passes on what viewers point at. feed: passes results on as JSON.
    metrics: counts them.
    """

    def __init__(self, painter: Painter | None = None, broadcast: Broadcast | None = None) -> None:
        self._painter: Painter = painter or Overlay()
        self.broadcast, self.stats = broadcast or Broadcast(), LiveStats()
        self.feed, self.metrics = ResultFeed(), StreamMetrics()
        self._pictures = ShownPictures()
        self.prompts = ViewerPrompts(self._pictures)
        self._drawing = threading.Lock()
        self._newest: Result | None = None
        self._shape: tuple[int, ...] = ()

    @property
    def painter(self) -> Painter:
        """Return the painter in use."""
        return self._painter

    @painter.setter
    def painter(self, painter: Painter) -> None:
        with self._drawing:
            self._painter = painter

    def open(self, info: StreamInfo) -> None:
        """Prepare for a stream and start the broadcast."""
        self.begin(info)
        self.broadcast.open()
        self.feed.open()

    def begin(self, info: StreamInfo) -> None:
        """Prepare for another stream; the viewers stay."""
        self._newest = None
        self._pictures.begin()
        self.prompts.begin()
        self.stats.open(info)
        self.metrics.begin(info)

    def write(self, result: Result) -> None:
        """Draw one result if there are viewers, timed as the stage "overlay", and add it to the statistics."""
        self._newest = result
        self._pictures.observe(result)
        self.prompts.observe(result)
        if self.broadcast.viewers:
            with result.trace.stage("overlay"):
                self._show(result)
        self.feed.publish(result)
        self.stats.add(result)
        self.metrics.add(result)

    def close(self) -> None:
        """End the broadcast for every viewer, and the feed."""
        self.metrics.end()
        self.feed.close()
        self.broadcast.close()

    def redraw(self) -> None:
        """Draw the newest result again, for a new viewer or by another painter."""
        newest = self._newest
        if newest is not None and not self.broadcast.is_closed:
            self._show(newest)

    def snapshot(self) -> dict[str, Any]:
        """Return the statistics as plain values, with the age of the newest image when it was ready to send."""
        newest, told = self.broadcast.newest, self.stats.snapshot()
        age_ms = round(newest.age_ms, 1) if newest else None
        told |= {"age_ms": age_ms, "viewers": self.broadcast.viewers, "skipped": self.broadcast.skipped}
        return told | {"pointing": clean_values(self.prompts.snapshot())}

    def _show(self, result: Result) -> None:
        with self._drawing:
            out = self.broadcast.take_canvas(self._shape) if self._shape else None
            picture = self._painter.draw(result, out if out is not None and _fits(out, result) else None)
            self._shape = picture.shape
            self.broadcast.show(picture, result.frame.captured_ns, self._pictures.add(result, picture.shape[1]))


def _fits(out: Image, result: Result) -> bool:
    return out.shape[:2] == result.frame.image.shape[:2]
