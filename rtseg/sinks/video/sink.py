"""Encode the overlay as an H.264 clip."""

import math
from pathlib import Path

import cv2
import numpy as np

from rtseg.errors import ConfigError, SinkError, require_members
from rtseg.frame import Frame, Image, StreamInfo
from rtseg.kernels.network.fit import letterbox
from rtseg.overlay import Overlay
from rtseg.result import Result
from rtseg.sinks.video.encoder import CONTAINERS, PRESETS, TICKS, Encoder, fragment_frames
from rtseg.sinks.worker import Worker, queue_depth

_QUEUE_DEPTH = 4  # images queued for the encoder
_SQUARE = 0.005  # relative: a pixel size that differs by less is that of square pixels
_MAX_ASPECT = 100.0  # beyond it, or below its inverse, a pixel size is taken for a mistake
_BUFFERS = _QUEUE_DEPTH + 3  # plus one being drawn, one being queued and one being encoded


class VideoSink:
    """Draws each result by `overlay` and writes an H.264 clip to `path`: .mp4, .mov or .mkv.

    Drawing happens in `write`, timed as the stage "overlay"; encoding has its own thread. A live stream never blocks on it:
    frames that do not fit into the queue are left out of the clip and counted in `dropped`. Presentation times are correct
    even after drops and at a variable rate: frames of a file are placed by their presentation time, or by index where they
    have none, live frames by time of capture. Where pixels are not square, the file declares their aspect. A killed process
    loses at most the last half second, as long as encoding keeps up. Frames whose size differs from the
    stream's are letterboxed.

    crf: 0 (lossless) to 51. preset: x264's; a faster one gives a larger file. Raises ConfigError, SinkError.
    """

    def __init__(self, path: str | Path, overlay: Overlay | None = None, *, crf: int = 23, preset: str = "veryfast") -> None:
        self._path, self._overlay = Path(path), overlay or Overlay()
        require_members(self._overlay, ("draw",), "the overlay of a video", "make it by rtseg.Overlay(opacity=0.4)")
        if self._path.suffix.lower() not in CONTAINERS:
            raise SinkError(f"{self._path} is no kind of video that rtseg writes: end its name in {', '.join(CONTAINERS)}")
        if not 0 <= crf <= 51 or preset not in PRESETS:
            raise ConfigError(f"crf {crf}, preset {preset!r}: give a crf of 0 to 51 and one of {', '.join(PRESETS)}")
        self._crf, self._preset = crf, preset
        self._clip: _ClipWriter | None = None
        self.dropped = 0

    def open(self, info: StreamInfo) -> None:
        """Create or overwrite the file. Raises SinkError."""
        self.close()
        if not self._path.parent.is_dir():
            raise SinkError(f"there is no folder {self._path.parent} for {self._path.name}: make it, or name another")
        if not 0 < info.fps < TICKS:
            raise SinkError(f"a clip of {info.fps} frames a second cannot be written: set the source's frame rate")
        self.dropped = 0
        size, aspect = (info.height, info.width), _pixel_aspect(info)
        encoder = Encoder(self._path, size, info.fps, self._crf, self._preset, pixel_aspect=aspect)
        self._clip = _ClipWriter(encoder, info)

    def write(self, result: Result) -> None:
        """Draw one result and queue it for the encoder. Raises SinkError, also for an earlier failure of the encoder."""
        if self._clip is None:
            raise SinkError(f"{self._path} is not open: call open(info) first, as Pipeline does")
        if not self._clip.has_room:
            self.dropped += 1
            return
        with result.trace.stage("overlay"):
            picture = self._clip.draw(self._overlay, result)
        self._clip.add(picture, result.frame)

    def close(self) -> None:
        """Drain the queue and finish the file. Raises SinkError for a failure that `write` has not raised."""
        recording, self._clip = self._clip, None
        if recording is not None:
            recording.close()


class _ClipWriter:
    """Writes one clip: holds the image buffers, the presentation times and the encoding thread."""

    def __init__(self, encoder: Encoder, info: StreamInfo) -> None:
        self._encoder, self._info = encoder, info
        self._buffers = [np.empty((info.height, info.width, 3), np.uint8) for _ in range(_BUFFERS)]
        self._first: Frame | None = None
        self._ticks = -1
        depth = _QUEUE_DEPTH if info.live else queue_depth(info.fps, _QUEUE_DEPTH, fragment_frames(info.fps))
        self._worker = Worker[tuple[Image, int]]("rtseg-video", lambda item: encoder.add(*item), depth)

    @property
    def has_room(self) -> bool:
        """Return whether a frame can be queued; always True for a file, where `add` blocks instead."""
        return not (self._info.live and self._worker.is_full)

    def draw(self, overlay: Overlay, result: Result) -> Image:
        """Draw a result into the next image buffer, in the stream's size, and return that buffer."""
        picture = self._buffers[0]
        if picture.shape[:2] == result.frame.image.shape[:2]:
            return overlay.draw(result, picture)
        return _letterboxed(overlay.draw(result), picture)

    def add(self, picture: Image, frame: Frame) -> None:
        """Queue a drawing for the encoder. Raises the encoder's stored error, if any."""
        self._worker.put((picture, self._presentation_ticks(frame)))
        self._buffers.append(self._buffers.pop(0))

    def close(self) -> None:
        """Drain the queue and finish the file, even after an error. Raises SinkError."""
        try:
            self._worker.close()
        finally:
            self._encoder.close()

    def _presentation_ticks(self, frame: Frame) -> int:
        """Return the frame's presentation time in units of 1/TICKS s, strictly increasing for any source."""
        first = self._first = self._first or frame
        if self._info.live:
            seconds = (frame.captured_ns - first.captured_ns) / 1e9
        elif frame.presentation_ns is not None and first.presentation_ns is not None:
            seconds = (frame.presentation_ns - first.presentation_ns) / 1e9
        else:
            seconds = (frame.index - first.index) / self._info.fps
        self._ticks = max(self._ticks + 1, round(TICKS * seconds))
        return self._ticks


def _pixel_aspect(info: StreamInfo) -> float:
    """Return the width of a pixel over its height, as the source states it, or as it follows from the pixel size."""
    if info.pixel_aspect != 1 or info.spacing_mm is None:
        return info.pixel_aspect
    down, along = info.spacing_mm
    aspect = along / down
    return aspect if 1 / _MAX_ASPECT < aspect < _MAX_ASPECT and not math.isclose(aspect, 1, rel_tol=_SQUARE) else 1.0


def _letterboxed(drawn: Image, picture: Image) -> Image:
    """Scale the drawing into the center of `picture`, with black borders, and return `picture`."""
    top, left, height, width = letterbox((0, 0, *drawn.shape[:2]), (picture.shape[0], picture.shape[1])).inner
    picture[:] = 0
    picture[top : top + height, left : left + width] = cv2.resize(drawn, (width, height), interpolation=cv2.INTER_AREA)
    return picture
