"""Measures glass-to-glass latency: writes the time into a stream's pixels and reads it back from the overlay's pixels.

The measured path covers encoding, decoding, an optional artificial delay, the pipeline and its overlay. It runs in software on
any machine. With a screen and a grabber, the stamp would be drawn on the screen and captured by the grabber.
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
from rtseg.histogram import Histogram
from rtseg.overlay import Overlay
from rtseg.pipeline import Pipeline
from rtseg.result import Result
from rtseg.session.sector import WholeFrame
from rtseg.session.session import Session
from rtseg.sinks.preview import DrawSink
from rtseg.sources import Source
from rtseg.sources.base import SourceWrapper

Clock = Callable[[], int]  # nanoseconds


class StampedSource(SourceWrapper):
    """Stamps each frame of a source with the time, encodes and decodes it, and delivers it `delay_ms` later.

    The H.264 encoder is tuned for zero latency, as for a live stream. clock: returns nanoseconds. wait: blocks for seconds;
    by default until then or until `close`.
    """

    def __init__(
        self,
        source: Source,
        delay_ms: float = 0.0,
        *,
        clock: Clock = perf_counter_ns,
        wait: Callable[[float], Any] | None = None,
    ) -> None:
        super().__init__(source)
        self._delay_ns, self._clock = round(delay_ms * 1e6), clock
        self._closed = threading.Event()
        self._wait = wait or self._closed.wait

    @property
    def info(self) -> StreamInfo:
        """Return the source's stream info, with the even height and width that H.264 requires."""
        info = self._source.info
        return replace(info, height=info.height // 2 * 2, width=info.width // 2 * 2)

    def keep_newest(self, expect: Callable[[Frame], None] | None = None) -> None:  # noqa: ARG002  a stamped frame is another one
        """Let a live source drop frames that were not taken; `expect` is never called."""
        super().keep_newest()

    def __iter__(self) -> Iterator[Frame]:
        link = _CodecLoopback(self.info)
        for frame in self._source:
            if self._closed.is_set():
                return
            shown_ns = self._clock()
            grey = graycode.draw_stamp(_grey(frame.image)[: self.info.height, : self.info.width], shown_ns)
            seen = link.encode_and_decode(grey)
            left_s = (shown_ns + self._delay_ns - self._clock()) / 1e9
            if self._delay_ns and left_s > 0:
                self._wait(left_s)
            if seen is not None:
                yield Frame(seen, frame.index, self._clock())

    def close(self) -> None:
        """Close the source."""
        self._closed.set()
        self._source.close()


class _CodecLoopback:
    """Passes pictures through an H.264 encoder and a decoder."""

    def __init__(self, info: StreamInfo) -> None:
        coder: Any = CodecContext.create("libx264", "w")
        coder.width, coder.height, coder.pix_fmt = info.width, info.height, "yuv420p"
        coder.framerate = round(info.fps) or 1
        coder.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "23"}
        self._coder, self._decoder = coder, CodecContext.create("h264", "r")
        self._decoder.thread_count = 1  # frame threading would delay the output by one frame a thread

    def encode_and_decode(self, grey: Image) -> Image | None:
        """Encode and decode one gray picture (H, W) uint8; return None while the codec buffers it."""
        seen: Image | None = None
        for packet in self._coder.encode(av.VideoFrame.from_ndarray(grey, "gray")):
            for decoded in self._decoder.decode(packet):
                seen = np.asarray(decoded.to_ndarray(format="gray"), np.uint8)
        return seen


class StampReader:
    """Draws results as a sink and reads the time stamp from each drawing.

    elapsed: histogram of the time since each stamp. unread: number of drawings without a readable stamp.
    warmup: number of first drawings that are skipped.
    """

    def __init__(self, overlay: Overlay | None = None, *, clock: Clock = perf_counter_ns, warmup: int = 0) -> None:
        self._drawn, self._clock, self._warmup = DrawSink(overlay), clock, warmup
        self.elapsed, self.unread = Histogram(), 0

    def open(self, info: StreamInfo) -> None:
        """Prepare for a stream."""
        self._drawn.open(info)

    def write(self, result: Result) -> None:
        """Draw the result and read the stamp from the drawing."""
        self._drawn.write(result)
        now_ns = self._clock()
        if self._warmup:
            self._warmup -= 1
            return
        stamped = graycode.read_stamp(self._drawn.last) if self._drawn.last is not None else None
        if stamped is None:
            self.unread += 1
        else:
            self.elapsed.add(round(max(0.0, graycode.elapsed_ms(now_ns, stamped)) * 1e6))

    def close(self) -> None:
        """Do nothing: no resource is held."""


def measure_glass_to_glass(source: Source, session: Session, warmup: int = 30) -> dict[str, Any]:
    """Run the pipeline on a stamped source until it ends and return the latency statistics.

    glass_to_glass_ms: from the stamp to the drawn overlay. line_ms: the part of it from the captured frame on.
    Raises ReportError if no stamp is readable.
    """
    session.locator = WholeFrame()
    reader = StampReader(warmup=warmup)
    pipeline = Pipeline(source, session, reader, warmup=warmup, keep_surroundings=True)  # redaction would black out the stamp
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
