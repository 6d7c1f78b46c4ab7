"""Play the video streams of DICOM files: MPEG-2, MPEG-4 (H.264) and HEVC, through FFmpeg."""

import bisect
import io
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import BinaryIO

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from rtseg.frame import Image
from rtseg.sources.files.dicom_file import DicomFile
from rtseg.sources.files.dicom_fragments import Fragment, read_fragments
from rtseg.sources.files.film import Film
from rtseg.sources.pixels.decoder import frame_rate, size_limit, video_stream

_ROOT = "1.2.840.10008.1.2.4."
_VIDEO = frozenset(map(str, range(100, 109)))  # last parts of the transfer syntaxes; fragmentable ones have one more
_FORMATS = (None, "mpeg", "h264", "hevc", "mpegvideo")  # None: as FFmpeg recognizes the stream


def is_video(dicom: DicomFile) -> bool:
    """Return whether a file's frames are a video stream."""
    syntax = str(dicom.syntax)
    return syntax.startswith(_ROOT) and syntax.removeprefix(_ROOT).partition(".")[0] in _VIDEO


@dataclass(frozen=True, slots=True)
class VideoDescription:
    """Describes a video stream by its own header."""

    size: tuple[int, int]  # (height, width) in pixels
    fps: float  # frames a second
    pixel_aspect: float  # width of a pixel over its height


def describe_video(dicom: DicomFile) -> VideoDescription:
    """Return the description of a file's stream. Raises ValueError, SourceError, FFmpegError."""
    with dicom.open_data() as data, _open(dicom, data) as container:
        stream = video_stream(container, str(dicom.path))
        coder, aspect = stream.codec_context, stream.sample_aspect_ratio
        size = (coder.height, coder.width)
        return VideoDescription(size, frame_rate(container, stream), float(aspect) if aspect else 1.0)


def video_images(dicom: DicomFile) -> Generator[tuple[Image, str], None, None]:
    """Yield the pictures of a file's stream, each with the reason why it is not to be trusted or "".

    Raises ValueError after the last one where some could not be decoded.
    """
    with dicom.open_data() as data, _open(dicom, data) as container:
        film = Film(container, dicom.path)
        for picture in film:
            yield picture.image, picture.damage
        statistics = film.statistics
        if statistics.lost or statistics.damaged or statistics.dependent or statistics.read_error:
            raise ValueError(f"its video is damaged: {statistics.problem()}")


class FragmentStream(io.RawIOBase):
    """Joins the fragments of a file to one stream of bytes."""

    def __init__(self, data: BinaryIO, pieces: Sequence[Fragment]) -> None:
        self._data, self._pieces = data, pieces
        self._starts = [0, *accumulate(piece.length for piece in pieces)]
        self._at = 0

    def readable(self) -> bool:
        """Return true."""
        return True

    def seekable(self) -> bool:
        """Return true."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position, and return it."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._starts[-1]}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, fewer than `size` at the end of a fragment."""
        number = bisect.bisect_right(self._starts, self._at) - 1
        if number >= len(self._pieces):
            return b""
        inside, piece = self._at - self._starts[number], self._pieces[number]
        left = piece.length - inside
        self._data.seek(piece.offset + inside)
        read = self._data.read(left if size < 0 else min(size, left))
        self._at += len(read)
        return read


def _open(dicom: DicomFile, data: BinaryIO) -> InputContainer:
    """Open the stream, in one of the forms in which DICOM may hold it. Raises ValueError."""
    pieces, reasons = read_fragments(data, dicom).pieces, list[str]()
    for form in _FORMATS:
        try:
            container = av.open(FragmentStream(data, pieces), "r", form, options=size_limit(), metadata_errors="replace")
        except (FFmpegError, OSError) as error:
            reasons.append(str(error.strerror))
            continue
        if _is_known(container.streams.video):
            return container
        container.close()
    raise ValueError(f"its video cannot be read ({reasons[0] if reasons else 'no pictures'})")


def _is_known(streams: Sequence[VideoStream]) -> bool:
    return any(stream.codec_context and stream.codec_context.width for stream in streams)
