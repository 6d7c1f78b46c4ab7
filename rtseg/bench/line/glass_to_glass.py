"""Glass to glass: the time is written into a stream's pixels, and read again from the overlay's own pixels.

What lies between is the whole loop: coding, decoding, a delay that may be planted, the line and its overlay. This is the loop
in software, which runs anywhere; with a screen and a grabber the stamp would be drawn on the one and seen by the other.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from time import perf_counter_ns
from typing import Any

import av
import numpy as np
from av.codec.context import CodecContext

from rtseg.bench.line import graycode
from rtseg.errors import ReportError
from rtseg.frame import Frame, Image, StreamInfo
from rtseg.overlay import Overlay
from rtseg.pipeline import Pipeline
from rtseg.result import Result
from rtseg.session.sector import WholeFrame
from rtseg.session.session import Session
from rtseg.sinks.preview import DrawSink
from rtseg.sources import Source
from rtseg.trace import Histogram

Clock = Callable[[], int]  # nanoseconds


class Stamped:
    """A source whose every frame is stamped with the time, coded and decoded again, and delivered `delay_ms` later.

    The H.264 coder is tuned as for a live stream: what goes in comes out at once. clock, wait: time, and how it is waited for.
    """

    def __init__(
        self,
        source: Source,
        delay_ms: float = 0.0,
        *,
        clock: Clock = perf_counter_ns,
        wait: Callable[[float], Any] | None = None,
    ) -> None:
        self._source, self._delay_ns, self._clock = source, round(delay_ms * 1e6), clock
        self._closed = threading.Event()
        self._wait = wait or self._closed.wait

    @property
    def info(self) -> StreamInfo:
        """The source's, with sides that a coder takes."""
        info = self._source.info
        return replace(info, height=info.height // 2 * 2, width=info.width // 2 * 2)

    def __iter__(self) -> Iterator[Frame]:
        link = _Link(self.info)
        for frame in self._source:
            if self._closed.is_set():
                return
            shown_ns = self._clock()
            grey = graycode.stamp(_grey(frame.image)[: self.info.height, : self.info.width], shown_ns)
            seen = link.through(grey)
            left_s = (shown_ns + self._delay_ns - self._clock()) / 1e9
            if self._delay_ns and left_s > 0:
                self._wait(left_s)
            if seen is not None:
                yield Frame(seen, frame.index, self._clock())

    def close(self) -> None:
        """Close the source."""
        self._closed.set()
        self._source.close()


class _Link:
    """A coder and a decoder, one behind the other."""

    def __init__(self, info: StreamInfo) -> None:
        coder: Any = CodecContext.create("libx264", "w")
        coder.width, coder.height, coder.pix_fmt = info.width, info.height, "yuv420p"
        coder.framerate = round(info.fps) or 1
        coder.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "23"}
        self._coder, self._decoder = coder, CodecContext.create("h264", "r")
        self._decoder.thread_count = 1  # a decoder holds back a frame for each of its threads

    def through(self, grey: Image) -> Image | None:
        """The picture as it comes out; None where the coder keeps it for now."""
        seen: Image | None = None
        for packet in self._coder.encode(av.VideoFrame.from_ndarray(grey, "gray")):
            for decoded in self._decoder.decode(packet):
                seen = np.asarray(decoded.to_ndarray(format="gray"), np.uint8)
        return seen


class StampReader:
    """A sink that draws, and reads the stamp from what it drew.

    elapsed: the time since each stamp. unread: drawings on which none could be read. warmup: the first ones are not looked at.
    """

    def __init__(self, overlay: Overlay | None = None, *, clock: Clock = perf_counter_ns, warmup: int = 0) -> None:
        self._drawn, self._clock, self._warmup = DrawSink(overlay), clock, warmup
        self.elapsed, self.unread = Histogram(), 0

    def open(self, info: StreamInfo) -> None:
        """Get ready for a stream."""
        self._drawn.open(info)

    def write(self, result: Result) -> None:
        """Draw and read."""
        self._drawn.write(result)
        now_ns = self._clock()
        if self._warmup:
            self._warmup -= 1
            return
        stamped = graycode.read(self._drawn.last) if self._drawn.last is not None else None
        if stamped is None:
            self.unread += 1
        else:
            self.elapsed.add(round(max(0.0, graycode.elapsed_ms(now_ns, stamped)) * 1e6))

    def close(self) -> None:
        """Nothing is held."""


def measure_loop(source: Source, session: Session, warmup: int = 30) -> dict[str, Any]:
    """The figures of a loop over a source that is stamped already, until it ends. Raises ReportError where nothing is read.

    glass_to_glass_ms: from the stamp to the drawn overlay. line_ms: of that, from the captured frame on.
    """
    session.locator = WholeFrame()
    reader = StampReader(warmup=warmup)
    pipeline = Pipeline(source, session, reader, warmup=warmup, keep_surroundings=True)  # the guard would black the stamp
    with closing(iter(pipeline)) as results:
        for _ in results:
            pass
    if not reader.elapsed.count:
        raise ReportError(
            "no time stamp was read in the overlay: stamp the source, and keep the upper right of its pictures free"
        )
    counts = pipeline.report.counts
    return {
        "frames": reader.elapsed.count,
        "unread": reader.unread,
        "dropped": counts.dropped,
        "resolution_ms": graycode.UNIT_NS / 1e6,
        "glass_to_glass_ms": reader.elapsed.summary(),
        "line_ms": pipeline.report.stages["total"].summary(),
    }


def _grey(image: Image) -> Image:
    return image if image.ndim == 2 else np.ascontiguousarray(image[..., 1])
