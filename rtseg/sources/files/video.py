"""Reads a video file, decoded by FFmpeg through PyAV."""

import threading
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from time import perf_counter_ns

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from rtseg.errors import SourceError
from rtseg.frame import Frame, Image, Spacing, StreamInfo
from rtseg.sources.base import existing_file, stream_info
from rtseg.sources.files.ending import find_truncation
from rtseg.sources.pixels.decoder import DecodeStatistics, decode, frame_rate, size_limit, start_statistics, video_stream
from rtseg.sources.pixels.nvdec import CPU, hardware_accelerator, is_decoded_by_gpu
from rtseg.sources.pixels.picture import PictureReader
from rtseg.text.log_records import get_logger

_log = get_logger(__name__)


class VideoFile:
    """Yields the frames of a video file of any kind that FFmpeg reads.

    Of a damaged file every frame that can be read is yielded; then SourceError reports how many were lost. fps: overrides
    the file's own rate; where neither is known, as in raw H.264, it is 25. decode: "cpu", or "gpu" if there is one. Raises
    SourceError, SourceNotFound, ConfigError.
    """

    def __init__(
        self, path: str | Path, *, fps: float | None = None, spacing_mm: Spacing | None = None, decode: str = CPU
    ) -> None:
        self._path = existing_file(Path(path))
        self._lock = threading.Lock()  # FFmpeg is not thread-safe, and close() may come from another thread
        self._given = 0
        self._container: InputContainer | None = None
        self._images: Iterator[Image] = iter(())
        try:
            container, stream = self._begin(hardware_accelerator(decode, str(self._path)))
            fps = frame_rate(container, stream) if fps is None else fps
            count = stream.frames or None
            first = self._first_image()
            self._info = stream_info(first.shape[0], first.shape[1], fps, spacing_mm, count)
        except BaseException:
            self.close()
            raise
        self._images = chain([first], self._images)

    @property
    def info(self) -> StreamInfo:
        """Return the first frame's size, the frame rate, the pixel size, and the number of frames if the file declares it."""
        return self._info

    def __iter__(self) -> Iterator[Frame]:
        while (image := self._next_image()) is not None:
            yield Frame(image, self._given, perf_counter_ns())
            self._given += 1
        if self._container is not None:
            self._finish()

    def close(self) -> None:
        """Close the file and end the decoder's threads."""
        with self._lock:
            self._images = iter(())  # the decoder lives as long as it is referenced
            if self._container is not None:
                self._container.close()
                self._container = None

    def _begin(self, hardware: HWAccel | None) -> tuple[InputContainer, VideoStream]:
        """Open the file and start to read it from its first frame."""
        self._container = container = _open(self._path, hardware)
        stream = video_stream(container, str(self._path))
        self._by_gpu = is_decoded_by_gpu(stream, hardware, str(self._path))
        self._statistics = start_statistics(container, stream)
        self._images = _read_images(container, stream, self._statistics)
        return container, stream

    def _first_image(self) -> Image:
        if (first := self._next_image()) is not None:
            return first
        reason = self._statistics.problem() or "it is empty"
        raise SourceError(f"{self._path} has no frame that can be decoded ({reason}): record or convert it again")

    def _next_image(self) -> Image | None:
        with self._lock:
            image = next(self._images, None)
            return self._without_gpu() if self._container and self._by_gpu and self._statistics.lost else image

    def _without_gpu(self) -> Image | None:
        """Return the next image and decode all later ones on the CPU: a failure may be the GPU's fault."""
        _log.warning("%s is decoded on the CPU from frame %d on: the GPU's decoder failed", self._path, self._given)
        if self._container is not None:
            self._container.close()
        self._begin(None)
        return next(islice(self._images, self._given, None), None)

    def _finish(self) -> None:
        self.close()
        problem = self._statistics.problem() or _truncation(self._path)
        if problem:
            raise SourceError(
                f"{self._path} is damaged or cut off: {self._given} frames could be read ({problem}); "
                "go on with those, or repair the file with `ffmpeg -i IN -c copy OUT.mkv`"
            )


def _truncation(path: Path) -> str:
    """Return what is wrong with the end of a file that was played to it, or ""."""
    try:
        return find_truncation(path)
    except OSError as error:
        return f"its end cannot be read: {error.strerror}"


def _read_images(container: InputContainer, stream: VideoStream, statistics: DecodeStatistics) -> Iterator[Image]:
    reader = PictureReader()
    for picture in decode(container, stream, statistics):
        yield reader.read(picture)


def _open(path: Path, hardware: HWAccel | None) -> InputContainer:
    try:
        # With "file:" FFmpeg mistakes no name for a protocol, and a playlist can lead to other files only, not to a network.
        return av.open(f"file:{path}", options=size_limit(), hwaccel=hardware, metadata_errors="replace")
    except (FFmpegError, OSError) as error:
        raise SourceError(
            f"{path} cannot be read as a video ({error.strerror}): check that it is one and that its recording was finished, "
            "or convert it with `ffmpeg -i IN OUT.mp4`"
        ) from error
