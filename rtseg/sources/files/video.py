"""Reads a video file, decoded by FFmpeg through PyAV."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from time import perf_counter_ns

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.error import FFmpegError

from rtseg.errors import SourceError
from rtseg.frame import Frame, Spacing, StreamInfo
from rtseg.sources.base import existing_file, stream_info
from rtseg.sources.files.ending import find_truncation
from rtseg.sources.files.film import Film, FilmPicture
from rtseg.sources.files.frame_values import FrameValues
from rtseg.sources.pixels.decoder import size_limit
from rtseg.sources.pixels.nvdec import CPU, hardware_accelerator, is_decoded_by_gpu
from rtseg.sources.transport_packets import is_transport_stream
from rtseg.sources.transport_reader import RepairedFile
from rtseg.text.log_records import get_logger

_HEAD_BYTES = 1024  # enough to recognize a transport stream
_log = get_logger(__name__)


class VideoFile:
    """Yields the frames of a video file of any kind that FFmpeg reads.

    A frame is shown as the file says, turned and mirrored, with its own presentation time and pixel aspect. Of a damaged file
    every frame that does not depend on a lost one is yielded, with the index that it has in the whole file; then SourceError
    reports how many were lost. fps: overrides the file's own rate and times; the rate is measured where the file declares none
    or an absurd one, and 25 where there are no times, as in raw H.264. decode: "cpu", or "gpu" if there is one. Raises
    SourceError, SourceNotFound, ConfigError.
    """

    def __init__(
        self, path: str | Path, *, fps: float | None = None, spacing_mm: Spacing | None = None, decode: str = CPU
    ) -> None:
        self._path = existing_file(Path(path))
        self._lock = threading.Lock()  # FFmpeg is not thread-safe, and close() may come from another thread
        self._given = 0
        self._container: InputContainer | None = None
        self._bytes: RepairedFile | None = None  # of a transport stream
        self._pictures: Iterator[FilmPicture] = iter(())
        self._keeps_times = fps is None
        try:
            film = self._begin(hardware_accelerator(decode, str(self._path)))
            first = self._first_picture()
            info = stream_info(
                first.image.shape[0],
                first.image.shape[1],
                film.fps if fps is None else fps,
                spacing_mm,
                film.stream.frames or None,
            )
            self._info = replace(info, pixel_aspect=first.pixel_aspect)
        except BaseException:
            self.close()
            raise
        self._values = FrameValues(self._info)
        self._pictures = chain([first], self._pictures)

    @property
    def info(self) -> StreamInfo:
        """Return the first frame's size and pixel aspect, the rate, the pixel size, and the number of frames if declared."""
        return self._info

    def __iter__(self) -> Iterator[Frame]:
        while (picture := self._next_picture()) is not None:
            self._given += 1
            yield self._frame(picture)
        if self._container is not None:
            self._finish()

    def close(self) -> None:
        """Close the file and end the decoder's threads."""
        with self._lock:
            self._pictures = iter(())  # the decoder lives as long as it is referenced
            if self._container is not None:
                self._container.close()
                self._container = None
            if self._bytes is not None:
                self._bytes.close()

    def _frame(self, picture: FilmPicture) -> Frame:
        """Return the next frame; frames that were lost in front of it leave a gap in the index."""
        index = picture.number
        shown_ns = picture.presentation_ns if self._keeps_times else None
        return Frame(
            picture.image,
            index,
            perf_counter_ns(),
            spacing_mm=self._values.spacing_mm(picture.image, None, picture.pixel_aspect),
            presentation_ns=self._values.presentation_ns(index, shown_ns),
            damage=picture.damage,
            pixel_aspect=picture.pixel_aspect,
        )

    @property
    def is_decoded_by_gpu(self) -> bool:
        """Return whether a GPU decodes the file, at this moment."""
        return self._by_gpu

    def _begin(self, hardware: HWAccel | None) -> Film:
        """Open the file and start to read it from its first frame."""
        if _is_transport_stream(self._path):
            self._bytes = RepairedFile(self._path)
        self._container = container = _open(self._path, self._bytes, hardware)
        film = Film(container, self._path)
        self._by_gpu = is_decoded_by_gpu(film.stream, hardware, str(self._path))
        self._statistics = film.statistics
        self._pictures = iter(film)
        return film

    def _first_picture(self) -> FilmPicture:
        if (first := self._next_picture()) is not None:
            return first
        reason = self._statistics.problem() or "it is empty"
        raise SourceError(f"{self._path} has no frame that can be decoded ({reason}): record or convert it again")

    def _next_picture(self) -> FilmPicture | None:
        with self._lock:
            picture = next(self._pictures, None)
            return self._without_gpu() if self._container and self._by_gpu and self._statistics.lost else picture

    def _without_gpu(self) -> FilmPicture | None:
        """Return the next image and decode all later ones on the CPU: a failure may be the GPU's fault."""
        _log.warning("%s is decoded on the CPU from frame %d on: the GPU's decoder failed", self._path, self._given)
        if self._container is not None:
            self._container.close()
        self._begin(None)
        return next(islice(self._pictures, self._given, None), None)

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


def _is_transport_stream(path: Path) -> bool:
    """Return whether a file is a transport stream; one that cannot be read is none."""
    try:
        with path.open("rb") as file:
            return is_transport_stream(file.read(_HEAD_BYTES))
    except OSError:
        return False


def _open(path: Path, data: RepairedFile | None, hardware: HWAccel | None) -> InputContainer:
    try:
        # With "file:" FFmpeg mistakes no name for a protocol, and a playlist can lead to other files only, not to a network.
        return av.open(data or f"file:{path}", "r", options=size_limit(), hwaccel=hardware, metadata_errors="replace")
    except (FFmpegError, OSError) as error:
        raise SourceError(
            f"{path} cannot be read as a video ({error.strerror}): check that it is one and that its recording was finished, "
            "or convert it with `ffmpeg -i IN OUT.mp4`"
        ) from error
