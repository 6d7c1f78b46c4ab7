"""A sink for those who watch: the newest drawing as a JPEG, and the figures beside it."""

import threading
from typing import Any, Protocol

from rtseg.frame import Image, StreamInfo
from rtseg.overlay import Overlay
from rtseg.result import Result
from rtseg.sinks.view.broadcast import Broadcast
from rtseg.sinks.view.live_stats import Figures


class Painter(Protocol):
    """Draws results; `Overlay` is one."""

    def draw(self, result: Result, out: Image | None = None) -> Image:
        """The result as a picture (H, W, 3) RGB, in `out` where that is given and fits."""


class Screen:
    """Draws each result while somebody looks, and keeps the figures of all.

    painter may be set at any time, from any thread: when that returns, nothing is drawn by the one before any more. `redraw`
    shows the newest result by it when no other comes.
    """

    def __init__(self, painter: Painter | None = None, broadcast: Broadcast | None = None) -> None:
        self._painter: Painter = painter or Overlay()
        self.broadcast, self.figures = broadcast or Broadcast(), Figures()
        self._drawing = threading.Lock()
        self._newest: Result | None = None
        self._shape: tuple[int, ...] = ()

    @property
    def painter(self) -> Painter:
        """What draws."""
        return self._painter

    @painter.setter
    def painter(self, painter: Painter) -> None:
        with self._drawing:
            self._painter = painter

    def open(self, info: StreamInfo) -> None:
        """Get ready for a stream."""
        self.begin(info)
        self.broadcast.open()

    def begin(self, info: StreamInfo) -> None:
        """Take another stream for those who watch already."""
        self._newest = None
        self.figures.open(info)

    def write(self, result: Result) -> None:
        """Draw, timed as the stage "overlay", unless nobody looks, and count."""
        self._newest = result
        if self.broadcast.viewers:
            with result.trace.stage("overlay"):
                self._show(result)
        self.figures.add(result)

    def close(self) -> None:
        """End the stream: those who watch are told."""
        self.broadcast.close()

    def redraw(self) -> None:
        """Show the newest result again: to one who has just begun to look, or by another painter."""
        newest = self._newest
        if newest is not None and not self.broadcast.closed:
            self._show(newest)

    def snapshot(self) -> dict[str, Any]:
        """The figures as plain values, with the age of the newest picture when it was ready to be sent."""
        newest, told = self.broadcast.newest, self.figures.snapshot()
        age_ms = round(newest.age_ms, 1) if newest else None
        return told | {"age_ms": age_ms, "viewers": self.broadcast.viewers, "skipped": self.broadcast.skipped}

    def _show(self, result: Result) -> None:
        with self._drawing:
            out = self.broadcast.canvas(self._shape) if self._shape else None
            picture = self._painter.draw(result, out if out is not None and _fits(out, result) else None)
            self._shape = picture.shape
            self.broadcast.show(picture, result.frame.captured_ns)


def _fits(out: Image, result: Result) -> bool:
    return out.shape[:2] == result.frame.image.shape[:2]
