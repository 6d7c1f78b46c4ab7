"""Reads frames that a file stores one after the other, plain or compressed, as MetaImage and NRRD do."""

import math
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from rtseg.errors import SourceError
from rtseg.frame import Image, Spacing
from rtseg.limits import check_size
from rtseg.sources.base import DEFAULT_FPS, stream_info
from rtseg.sources.files.orientation import Orientation
from rtseg.sources.files.sequence import FrameSequence, StoredFrame
from rtseg.sources.files.tracked_frames import TrackedFrames
from rtseg.sources.pixels.intensity import IntensityWindow, Pixels, full_range_window

_CHUNK = 1 << 16
_ANY_HEADER = 47  # zlib's code for "a zlib or a gzip header, detect which"

MAX_SIDE = 16384  # pixels
_FAR = 1 << 62  # bytes: past the end of any file
_MAX_INTERLEAVED = 1 << 30  # bytes: interleaved frames are read all at once


class InflateReader:
    """Decompresses `file` from its position on; memory is that of one read, whatever the file claims.

    has_header: false for the bare deflate stream of DICOM.
    """

    def __init__(self, file: BinaryIO, *, has_header: bool = True) -> None:
        self._file = file
        self._zlib = zlib.decompressobj(_ANY_HEADER if has_header else -zlib.MAX_WBITS)

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer only where the stream ends. Raises zlib.error where it is broken."""
        unpacked = bytearray()
        while len(unpacked) < size and not self._zlib.eof:
            packed = self._zlib.unconsumed_tail or self._file.read(_CHUNK)
            unpacked += self._zlib.decompress(packed, size - len(unpacked)) if packed else self._zlib.flush()
            if not packed:
                break
        return bytes(unpacked)


class FrameStore(Protocol):
    """Declares frames that can be read from the first to the last, any number of times.

    dtype: of a pixel. shape: of one frame, (H, W) or (H, W, 3). frames: their number.
    """

    @property
    def dtype(self) -> "np.dtype[Any]": ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def frames(self) -> int: ...

    def pixels(self) -> Iterator[Pixels]:
        """Yield each frame. Raises SourceError after the last whole one."""


@dataclass(frozen=True, slots=True)
class RawFrames:
    """Describes where a file stores its frames, and reads them."""

    data: Path  # the file with the pixels
    offset: int  # of the first byte in `data`; -1: so that the frames end with the file
    is_compressed: bool  # by zlib or gzip
    dtype: "np.dtype[np.generic]"  # of a pixel, with its byte order
    shape: tuple[int, ...]  # of one frame as stored, (H, W) or (H, W, 3)
    frames: int  # how many
    is_interleaved: bool = False
    """The first pixel of every frame comes first, then the second of every frame, as in 3D Slicer's sequences."""

    def __post_init__(self) -> None:
        check_size(self.data, *self.shape[:2])

    @property
    def frame_bytes(self) -> int:
        """Return the bytes of one frame."""
        return prod(self.shape) * self.dtype.itemsize

    def pixels(self) -> Iterator[Pixels]:
        """Yield each frame. Raises SourceError after the last whole one."""
        try:
            with self.data.open("rb") as file:
                yield from self._read(self._at_the_first(file))
        except zlib.error as error:
            raise SourceError(f"{self.data} is damaged ({error}): copy or record it again") from error
        except SourceError:
            raise
        except OSError as error:
            raise SourceError(f"{self.data} cannot be read ({error.strerror}): check its permissions") from error

    def _at_the_first(self, file: BinaryIO) -> "BinaryIO | InflateReader":
        file.seek(min(self.offset, _FAR) if self.offset >= 0 else max(0, file.seek(0, 2) - self.frames * self.frame_bytes))
        return InflateReader(file) if self.is_compressed else file

    def _read(self, stream: "BinaryIO | InflateReader") -> Iterator[Pixels]:
        if self.is_interleaved:
            yield from self._deinterleaved(stream)
            return
        for index in range(self.frames):
            if self._left(stream) < self.frame_bytes:
                raise self._truncation_error(index)  # else Python would allocate all of it
            data = stream.read(self.frame_bytes)
            if len(data) < self.frame_bytes:
                raise self._truncation_error(index)
            yield np.frombuffer(data, self.dtype).reshape(self.shape)

    def _left(self, stream: "BinaryIO | InflateReader") -> float:
        """Return the file's bytes after the position of `stream`; infinite for a compressed one, where it is unknown."""
        return math.inf if isinstance(stream, InflateReader) else self.data.stat().st_size - stream.tell()

    def _deinterleaved(self, stream: "BinaryIO | InflateReader") -> Iterator[Pixels]:
        size = self.frames * self.frame_bytes
        if size > _MAX_INTERLEAVED:
            raise SourceError(f"{self.data} keeps time in front of space, {size >> 20} MiB at once: save it as .igs.mha")
        if self._left(stream) < size:
            raise self._truncation_error(0)
        data = stream.read(size)
        if len(data) < size:
            raise self._truncation_error(0)
        yield from np.moveaxis(np.frombuffer(data, self.dtype).reshape(*self.shape, self.frames), -1, 0)

    def _truncation_error(self, index: int) -> SourceError:
        whole = f"{index} of its {self.frames} frames could be read"
        return SourceError(f"{self.data} is cut off: {whole}; go on with those, or copy it again")


def open_frame_store(
    store: FrameStore,
    orientation: Orientation,
    tracked: TrackedFrames,
    fps: float | None = None,
    spacing_mm: Spacing | None = None,
) -> FrameSequence:
    """Return a source of the frames, upright and in 8 bits, with the metadata of each.

    Pixels other than 8 bits are scaled from the minimum to the maximum of the whole recording. Raises ConfigError.
    """
    window = None if store.dtype == np.uint8 else full_range_window(_readable_frames(store))
    height, width = orientation.to_upright((store.shape[0], store.shape[1]))
    rate = fps if fps is not None else tracked.fps() or DEFAULT_FPS
    info = stream_info(height, width, rate, spacing_mm, store.frames)
    return FrameSequence(info, _pictures(store, orientation, tracked, window))


def _pictures(
    store: FrameStore, orientation: Orientation, tracked: TrackedFrames, window: IntensityWindow | None
) -> Generator[StoredFrame, None, None]:
    for index, pixels in enumerate(store.pixels()):
        image: Image = pixels.astype(np.uint8, copy=False) if window is None else window.apply(pixels)
        yield StoredFrame(orientation.upright(image) if tracked.has_picture(index) else None, tracked.origin(index))


def _readable_frames(store: FrameStore) -> Iterator[Pixels]:
    """Yield the frames up to where the file is cut off, which is reported when they are played."""
    try:
        yield from store.pixels()
    except SourceError:
        return
