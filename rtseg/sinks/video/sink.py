"""A clip of the overlay as a file."""

from pathlib import Path

import cv2
import numpy as np

from rtseg.errors import ConfigError, SinkError
from rtseg.frame import Frame, Image, StreamInfo
from rtseg.kernels.network.fit import letterbox
from rtseg.overlay import Overlay
from rtseg.result import Result
from rtseg.sinks.video.encoder import CONTAINERS, PRESETS, TICKS, Encoder, fragment_frames
from rtseg.sinks.worker import Worker, depth_for

_DEPTH = 4  # pictures that wait for the encoder
_PICTURES = _DEPTH + 3  # and one that is drawn, one that is handed over, one that is encoded


class VideoSink:
    """Draws each result by `overlay` and writes an H.264 clip to `path`: .mp4, .mov or .mkv.

    Drawing happens in `write`, timed as the stage "overlay"; encoding has its own thread. A live stream never waits for it:
    what the encoder has no time for is left out of the clip and counted in `dropped`. A clip keeps time whatever was
    dropped: a file's frames stand where their index says, live frames where they were captured. When the process is killed,
    the last half second is missing at the most, by the stream's rate, as long as encoding keeps up. Frames of another size
    than the stream's are fitted into it.
    crf: 0 (lossless) to 51; preset: x264's, faster is larger. Raises ConfigError, SinkError.
    """

    def __init__(self, path: str | Path, overlay: Overlay | None = None, *, crf: int = 23, preset: str = "veryfast") -> None:
        self._path, self._overlay = Path(path), overlay or Overlay()
        if self._path.suffix.lower() not in CONTAINERS:
            raise SinkError(f"{self._path} is no kind of video that rtseg writes: end its name in {', '.join(CONTAINERS)}")
        if not 0 <= crf <= 51 or preset not in PRESETS:
            raise ConfigError(f"crf {crf}, preset {preset!r}: give a crf of 0 to 51 and one of {', '.join(PRESETS)}")
        self._crf, self._preset = crf, preset
        self._recording: _Recording | None = None
        self.dropped = 0

    def open(self, info: StreamInfo) -> None:
        """Begin the file anew. Raises SinkError."""
        self.close()
        if not self._path.parent.is_dir():
            raise SinkError(f"there is no folder {self._path.parent} for {self._path.name}: make it, or name another")
        if not 0 < info.fps < TICKS:
            raise SinkError(f"a clip of {info.fps} frames a second cannot be written: set the source's frame rate")
        self.dropped = 0
        encoder = Encoder(self._path, (info.height, info.width), info.fps, self._crf, self._preset)
        self._recording = _Recording(encoder, info)

    def write(self, result: Result) -> None:
        """Draw one result and hand it to the encoder. Raises SinkError: also for what broke in the encoder since."""
        if self._recording is None:
            raise SinkError(f"{self._path} is not open: call open(info) first, as Pipeline does")
        if not self._recording.has_room:
            self.dropped += 1
            return
        with result.trace.stage("overlay"):
            picture = self._recording.draw(self._overlay, result)
        self._recording.add(picture, result.frame)

    def close(self) -> None:
        """Wait for the encoder and finish the file. Raises SinkError for what broke, unless `write` did."""
        recording, self._recording = self._recording, None
        if recording is not None:
            recording.close()


class _Recording:
    """One file from open to close: the pictures in work, their times, and the thread that encodes them."""

    def __init__(self, encoder: Encoder, info: StreamInfo) -> None:
        self._encoder, self._info = encoder, info
        self._pictures = [np.empty((info.height, info.width, 3), np.uint8) for _ in range(_PICTURES)]
        self._first: Frame | None = None
        self._ticks = -1
        depth = _DEPTH if info.live else depth_for(info.fps, _DEPTH, fragment_frames(info.fps))
        self._worker = Worker[tuple[Image, int]]("rtseg-video", lambda item: encoder.add(*item), depth)

    @property
    def has_room(self) -> bool:
        """Whether a picture may be drawn: always for a file, which waits for the encoder instead."""
        return not (self._info.live and self._worker.full)

    def draw(self, overlay: Overlay, result: Result) -> Image:
        """The drawing in the stream's size, in the picture whose turn it is."""
        picture = self._pictures[0]
        if picture.shape[:2] == result.frame.image.shape[:2]:
            return overlay.draw(result, picture)
        return _fitted(overlay.draw(result), picture)

    def add(self, picture: Image, frame: Frame) -> None:
        """Hand a drawing to the encoder. Raises what the encoder raised."""
        self._worker.put((picture, self._time(frame)))
        self._pictures.append(self._pictures.pop(0))

    def close(self) -> None:
        """Let the encoder finish, then the file, whatever happens. Raises SinkError."""
        try:
            self._worker.close()
        finally:
            self._encoder.close()

    def _time(self, frame: Frame) -> int:
        """When the frame is shown, in TICKS; later than the one before, whatever the source says."""
        first = self._first = self._first or frame
        live_s, file_s = (frame.captured_ns - first.captured_ns) / 1e9, (frame.index - first.index) / self._info.fps
        self._ticks = max(self._ticks + 1, round(TICKS * (live_s if self._info.live else file_s)))
        return self._ticks


def _fitted(drawn: Image, picture: Image) -> Image:
    """The drawing, scaled into the middle of `picture`, with black around it."""
    top, left, height, width = letterbox((0, 0, *drawn.shape[:2]), (picture.shape[0], picture.shape[1])).inner
    picture[:] = 0
    picture[top : top + height, left : left + width] = cv2.resize(drawn, (width, height), interpolation=cv2.INTER_AREA)
    return picture
