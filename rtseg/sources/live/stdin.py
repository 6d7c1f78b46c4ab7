"""Reads a stream on standard input, so that any capture program can be piped in."""

import os
import select
import stat
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import av
from av.container import InputContainer

from rtseg.errors import SourceError
from rtseg.frame import Frame, Spacing
from rtseg.sources.base import Source
from rtseg.sources.files.ending import TruncationDetector
from rtseg.sources.live.ffmpeg_link import LinkSettings, StreamLink
from rtseg.sources.live.reconnect import LinkLimits, ReconnectingSource
from rtseg.sources.pixels.decoder import size_limit
from rtseg.sources.transport_reader import RepairedReader

NAME = "standard input"
# A pipe is silent while its program starts, and it cannot be opened again.
LIMITS = LinkLimits(open_s=60.0, lost_s=threading.TIMEOUT_MAX / 2, give_up_s=0.0)


@dataclass(slots=True)
class _Pipe:
    """Reads the bytes of a descriptor for PyAV, until it ends or is closed here, from any thread."""

    descriptor: int  # of the open pipe or file
    closed: threading.Event  # set to end the stream
    ending: TruncationDetector = field(default_factory=TruncationDetector)  # finds out whether the stream was cut off

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes as soon as there are any; none at the end."""
        while not self.closed.is_set():
            if os.name == "nt" or select.select([self.descriptor], [], [], 0.1)[0]:  # Windows cannot select a pipe
                data = os.read(self.descriptor, size)
                self.ending.feed(data)
                return data
        return b""


class StdinLink(StreamLink):
    """Reads Matroska, NUT, MPEG-TS, y4m, or any format that FFmpeg recognizes without seeking, from a descriptor."""

    def __init__(self, descriptor: int, fps: float | None = None, spacing_mm: Spacing | None = None) -> None:
        self._pipe = _Pipe(descriptor, threading.Event())
        self.cut, self._given = "", 0
        super().__init__(self._open, LinkSettings(NAME, fps, spacing_mm, ends=True))

    def __iter__(self) -> Iterator[Frame]:
        for frame in super().__iter__():
            yield frame
            self._given += 1
        if not self._pipe.closed.is_set() and (problem := self._pipe.ending.problem() or self.ends_corrupt):
            self.cut = f"{NAME} is cut off: {self._given} frames could be read ({problem}); go on with those, or send it again"
            raise SourceError(self.cut)

    def close(self) -> None:
        """End the stream; a blocked read returns."""
        self._pipe.closed.set()
        super().close()

    def _open(self) -> InputContainer:
        options = {"analyzeduration": "500000", "fpsprobesize": "3", **size_limit()}
        return av.open(RepairedReader(self._pipe.read), mode="r", options=options, metadata_errors="replace")


def open_stdin(descriptor: int | None = None, *, fps: float | None = None, spacing_mm: Spacing | None = None) -> Source:
    """Open standard input: live for a pipe; for a file a recording, from which no frame is dropped.

    Raises SourceError.
    """
    descriptor = _standard_input() if descriptor is None else descriptor
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return StdinLink(descriptor, fps, spacing_mm)
    links: list[StdinLink] = []

    def open_link() -> StdinLink:
        if links:
            raise SourceError(links[0].cut or f"{NAME} cannot be read on: start the program before the pipe again")
        links.append(StdinLink(descriptor, fps, spacing_mm))
        return links[0]

    return ReconnectingSource(open_link, LIMITS, name=NAME)


def _standard_input() -> int:
    try:
        if not sys.stdin.isatty():
            return sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):  # a service has no standard input
        pass
    raise SourceError("there is no stream on standard input: pipe one in, as in `ffmpeg -i IN -f nut - | rtseg run -`")
