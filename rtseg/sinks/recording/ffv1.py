"""Write lossless FFV1 video in Matroska, one cluster per frame, so that a killed process loses at most the last frame."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av

from rtseg.errors import SinkError
from rtseg.frame import Image
from rtseg.sinks.recording.unbuffered_file import UnbufferedFile
from rtseg.sources.files.recording import PIXEL_FORMATS

_CLUSTER_PER_FRAME = {"cluster_time_limit": "1", "flush_packets": "1"}  # the header is in the file at once
_FFV1 = {"level": "3", "slices": "4", "slicecrc": "1"}  # version 3 has checksums, which reveal damage
_TICKS = 1000  # per second
_BROKEN = (av.FFmpegError, OSError, ValueError)  # raised by PyAV when a file cannot be opened or written


class Ffv1Writer:
    """Writes images of one shape, (H, W) or (H, W, 3) uint8, to the new file `path`. Raises SinkError."""

    def __init__(self, path: Path, image: Image, fps: float) -> None:
        self._path, self.shape, self._ticks = path, image.shape, -1
        stored, self._input_format = PIXEL_FORMATS[image.ndim]
        with self._writing():
            self._file = UnbufferedFile(path, "xb")
        try:
            with self._writing():
                self._container = av.open(
                    self._file, "w", "matroska", container_options=_CLUSTER_PER_FRAME, metadata_errors="replace"
                )
                self._stream = self._container.add_stream("ffv1", rate=Fraction(fps).limit_denominator(1001), options=_FFV1)
                self._stream.height, self._stream.width, self._stream.pix_fmt = image.shape[0], image.shape[1], stored
                self._stream.codec_context.thread_count = max(1, (os.cpu_count() or 1) // 2)  # the other half is the network's
                self._stream.codec_context.time_base = Fraction(1, _TICKS)
                self._container.start_encoding()
        except BaseException:
            self._file.close()
            raise

    def add(self, image: Image, seconds: float) -> None:
        """Write one image with a presentation time of `seconds` after the first. Raises SinkError."""
        self._ticks = max(self._ticks + 1, round(seconds * _TICKS))
        frame = av.VideoFrame.from_ndarray(image, self._input_format)
        frame.pts, frame.time_base = self._ticks, Fraction(1, _TICKS)
        with self._writing():
            self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Flush the encoder and close the file. Raises SinkError."""
        with self._file, self._writing():
            try:
                self._container.mux(self._stream.encode(None))
            finally:
                self._container.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except SinkError:
            raise
        except _BROKEN as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise SinkError(f"{self._path} cannot be written ({reason}): free some space, or name another folder") from error
