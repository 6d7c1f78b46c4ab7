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
from rtseg.sources.files.sequence import Picture, Sequence
from rtseg.sources.files.tracked_frames import TrackedFrames
from rtseg.sources.pixels.intensity import Levels, Pixels, levels_between

_CHUNK = 1 << 16
_ANY_HEADER = 47  # zlib's code for "a zlib or a gzip header, detect which"

MOST_SIDE = 16384  # pixels
_FAR = 1 << 62  # bytes: past the end of any file
_MOST_WOVEN = 1 << 30  # bytes: interleaved frames are read all at once


class Inflating:
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


class Recording(Protocol):
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
class Stored:
    """Describes where a file stores its frames, and reads them."""

    data: Path  # the file with the pixels
    starts: int  # of the first byte in `data`; -1: so that the frames end with the file
    packed: bool  # by zlib or gzip
    dtype: "np.dtype[np.generic]"  # of a pixel, with its byte order
    shape: tuple[int, ...]  # of one frame as stored, (H, W) or (H, W, 3)
    frames: int  # how many
    woven: bool = False
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

    def _at_the_first(self, file: BinaryIO) -> "BinaryIO | Inflating":
        file.seek(min(self.starts, _FAR) if self.starts >= 0 else max(0, file.seek(0, 2) - self.frames * self.frame_bytes))
        return Inflating(file) if self.packed else file

    def _read(self, stream: "BinaryIO | Inflating") -> Iterator[Pixels]:
        if self.woven:
            yield from self._unwoven(stream)
            return
        for index in range(self.frames):
            if self._left(stream) < self.frame_bytes:
                raise self._cut(index)  # else Python would allocate all of it
            data = stream.read(self.frame_bytes)
            if len(data) < self.frame_bytes:
                raise self._cut(index)
            yield np.frombuffer(data, self.dtype).reshape(self.shape)

    def _left(self, stream: "BinaryIO | Inflating") -> float:
        """Return the file's bytes after the position of `stream`; infinite for a compressed one, where it is unknown."""
        return math.inf if isinstance(stream, Inflating) else self.data.stat().st_size - stream.tell()

    def _unwoven(self, stream: "BinaryIO | Inflating") -> Iterator[Pixels]:
        size = self.frames * self.frame_bytes
        if size > _MOST_WOVEN:
            raise SourceError(f"{self.data} keeps time in front of space, {size >> 20} MiB at once: save it as .igs.mha")
        if self._left(stream) < size:
            raise self._cut(0)
        data = stream.read(size)
        if len(data) < size:
            raise self._cut(0)
        yield from np.moveaxis(np.frombuffer(data, self.dtype).reshape(*self.shape, self.frames), -1, 0)

    def _cut(self, index: int) -> SourceError:
        whole = f"{index} of its {self.frames} frames could be read"
        return SourceError(f"{self.data} is cut off: {whole}; go on with those, or copy it again")


def open_stored(
    stored: Recording,
    orientation: Orientation,
    tracked: TrackedFrames,
    fps: float | None = None,
    spacing_mm: Spacing | None = None,
) -> Sequence:
    """Return a source of the frames, upright and in 8 bits, with the metadata of each.

    Pixels other than 8 bits are scaled from the minimum to the maximum of the whole recording. Raises ConfigError.
    """
    levels = None if stored.dtype == np.uint8 else levels_between(_whole(stored))
    height, width = orientation.turned((stored.shape[0], stored.shape[1]))
    rate = fps if fps is not None else tracked.fps() or DEFAULT_FPS
    info = stream_info(height, width, rate, spacing_mm, stored.frames)
    return Sequence(info, _pictures(stored, orientation, tracked, levels))


def _pictures(
    stored: Recording, orientation: Orientation, tracked: TrackedFrames, levels: Levels | None
) -> Generator[Picture, None, None]:
    for index, pixels in enumerate(stored.pixels()):
        image: Image = pixels.astype(np.uint8, copy=False) if levels is None else levels.of(pixels)
        yield Picture(orientation.upright(image) if tracked.has_picture(index) else None, tracked.origin(index))


def _whole(stored: Recording) -> Iterator[Pixels]:
    """Yield the frames up to where the file is cut off, which is reported when they are played."""
    try:
        yield from stored.pixels()
    except SourceError:
        return
