"""Encode H.264 into a file that is playable at every moment, even after the process was killed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import PictureType
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream

from rtseg.errors import SinkError
from rtseg.frame import Image
from rtseg.sinks.recording.unbuffered_file import UnbufferedFile

TICKS = 90_000  # units of a timestamp per second
_MAX_ASPECT_TERM = 255  # of a sample aspect ratio's denominator
# A plain MP4 has its index at the end and cannot be played without it. A fragmented MP4 begins with an empty index.
_UNBUFFERED = {"flush_packets": "1"}  # the header, and each fragment or cluster, is written as soon as it is complete
_FRAGMENTED_MP4 = _UNBUFFERED | {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
CONTAINERS: dict[str, tuple[str, dict[str, str]]] = {  # by suffix: FFmpeg's name and options
    ".mp4": ("mp4", _FRAGMENTED_MP4),
    ".mov": ("mov", _FRAGMENTED_MP4),
    ".mkv": ("matroska", _UNBUFFERED | {"cluster_time_limit": "1"}),  # ms: one cluster per frame, so that the first are written
}
_BROKEN = (av.FFmpegError, OSError, ValueError)  # raised by PyAV when a file cannot be opened or written
PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")


class Encoder:
    """Encodes RGB images of one size to `path` as yuv420p in BT.709; the suffix selects the container.

    A frame is in the file a quarter of a second after it was added, or with the next frame at lower rates. size: (H, W). fps:
    the nominal rate, for the rate control and the fragments. crf: 0 (lossless) to 51. pixel_aspect: width of a pixel over its
    height, which the file declares as its sample aspect ratio. Raises SinkError.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        fps: float,
        crf: int = 23,
        preset: str = "veryfast",
        *,
        pixel_aspect: float = 1.0,
    ) -> None:
        self._path, self._failed, self._key_due = path, False, 0
        self._pixel_aspect = Fraction(pixel_aspect).limit_denominator(_MAX_ASPECT_TERM)
        kind, options = CONTAINERS[path.suffix.lower()]
        if "movflags" in options:
            options = options | {"frag_duration": str(_fragment_us(fps))}
        with self._writing():
            self._file = UnbufferedFile(path, "wb")  # opened here: PyAV would leak the file when its header cannot be written
        try:
            self._container = av.open(self._file, "w", kind, container_options=options, metadata_errors="replace")
            self._stream = self._add_stream(size, fps, {"crf": str(crf), "preset": preset, "tune": "zerolatency"})
            with self._writing():
                self._container.start_encoding()
        except BaseException:
            self._file.close()
            raise

    def add(self, picture: Image, ticks: int) -> None:
        """Encode one image (H, W, 3) uint8 RGB; `ticks`: its presentation time, greater than the last. Raises SinkError."""
        with self._writing():
            self._container.mux(self._stream.encode(self._frame(picture, ticks)))

    def _frame(self, picture: Image, ticks: int) -> av.VideoFrame:
        rgb = av.VideoFrame.from_ndarray(_pad_to_even(picture), format="rgb24")
        frame = rgb.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG)
        frame.pts, frame.time_base = ticks, Fraction(1, TICKS)
        if ticks >= self._key_due:  # by time, not by count, so that keyframes stay a second apart when frames are dropped
            frame.pict_type, self._key_due = PictureType.I, ticks + TICKS
        return frame

    def close(self) -> None:
        """Flush the encoder and close the file. Raises SinkError, unless `add` has raised one already."""
        told = self._failed
        try:
            with self._file, self._writing():
                self._finish()
        except SinkError:
            if not told:
                raise

    def _finish(self) -> None:
        try:
            self._container.mux(self._stream.encode(None))
        finally:
            self._container.close()

    def _add_stream(self, size: tuple[int, int], fps: float, options: dict[str, str]) -> VideoStream:
        height, width = size[0] + size[0] % 2, size[1] + size[1] % 2
        try:
            stream = self._container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001), options=options)
            codec = stream.codec_context
            codec.height, codec.width, codec.pix_fmt, codec.time_base = height, width, "yuv420p", Fraction(1, TICKS)
            codec.colorspace, codec.color_range = Colorspace.ITU709, ColorRange.MPEG
            codec.sample_aspect_ratio = self._pixel_aspect
            codec.thread_count = max(1, (os.cpu_count() or 1) // 2)  # the other half is the network's
            codec.thread_type = "SLICE"  # frame threads would each delay the output by one frame
            codec.open()
        except _BROKEN as error:
            remedy = "give frames of at most 16384 pixels a side, and PyPI's PyAV, which has libx264 (pip install av)"
            raise SinkError(f"H.264 of {width}x{height} pixels cannot be encoded ({_reason(error)}): {remedy}") from error
        return stream

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except SinkError:
            raise
        except _BROKEN as error:
            self._failed = True
            remedy = "free some space, or name a file in a folder you may write to"
            raise SinkError(f"{self._path} cannot be written ({_reason(error)}): {remedy}") from error


def fragment_frames(fps: float) -> int:
    """Return the maximum number of frames that are encoded but not yet in the file: a quarter of a second."""
    return max(1, int(fps / 4))


def _fragment_us(fps: float) -> int:
    """Return the duration of an MP4 fragment in microseconds; FFmpeg ends a fragment when the next frame arrives."""
    return max(1, int((fragment_frames(fps) - 0.5) / fps * 1e6))


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _pad_to_even(picture: Image) -> Image:
    """Return the image with even sides, which yuv420p requires; the last row and column are repeated."""
    below, beside = picture.shape[0] % 2, picture.shape[1] % 2
    if not below and not beside:
        return picture
    return np.pad(picture, ((0, below), (0, beside), (0, 0)), mode="edge")
