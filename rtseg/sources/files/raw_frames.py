"""Reads frames that files store one after the other, plain or compressed, as MetaImage and NRRD do."""

import math
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np

from rtseg.errors import SourceError
from rtseg.limits import check_size
from rtseg.sources.files.coded_values import is_other_byte_order
from rtseg.sources.files.source_notes import SourceNotes
from rtseg.sources.pixels.intensity import Pixels

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


@dataclass(frozen=True, slots=True)
class RawFrames:
    """Describes where files store their frames, and reads them."""

    files: tuple[Path, ...]
    """The files with the pixels: each holds as many frames as the others."""
    offset: int
    """Of the first byte in each file; -1: so that the frames end with the file."""
    is_compressed: bool
    """By zlib or gzip."""
    dtype: "np.dtype[np.generic]"
    """Of a pixel, with its byte order."""
    shape: tuple[int, ...]
    """Of one frame, (H, W) or (H, W, 3)."""
    frames: int
    """How many, in all files."""
    axes: str = ""
    """Order of the axes, the slowest first: t time, y down, x along, c components; "" for tyx or tyxc.

    3D Slicer's sequences are yxt: the first pixel of every frame comes first, then the second of every frame.
    """
    components: int = 3
    """Stored of a colored pixel; a fourth is dropped."""
    skip: int = 0
    """Bytes to skip after unpacking."""
    lines: int = 0
    """Lines to skip before `skip`."""
    notes: SourceNotes = field(default_factory=SourceNotes)

    def __post_init__(self) -> None:
        check_size(self.files[0], *self.shape[:2])

    @property
    def frame_bytes(self) -> int:
        """Return the bytes of one frame, as stored."""
        return prod(self.shape[:2]) * (self.components if len(self.shape) == 3 else 1) * self.dtype.itemsize

    @property
    def bytes_of_a_file(self) -> int:
        """Return the bytes of the frames in one file."""
        return self.frames // len(self.files) * self.frame_bytes

    def pixels(self) -> Iterator[Pixels]:
        """Yield each frame. Raises SourceError after the last whole one."""
        given = 0
        for path in self.files:
            try:
                with path.open("rb") as file:
                    for pixels in self._read(path, self._at_the_first(path, file), given):
                        given += 1
                        yield pixels
            except zlib.error as error:
                raise SourceError(f"{path} is damaged ({error}): copy or record it again") from error
            except SourceError:
                raise
            except OSError as error:
                raise SourceError(f"{path} cannot be read ({error.strerror}): check its permissions") from error

    def _at_the_first(self, path: Path, file: BinaryIO) -> "BinaryIO | InflateReader":
        """Return the stream of pixels at its first byte."""
        file.seek(min(self.offset, _FAR) if self.offset >= 0 else max(0, file.seek(0, 2) - self.bytes_of_a_file))
        for _ in range(self.lines):
            file.readline(_CHUNK)
        stream = InflateReader(file) if self.is_compressed else file
        left = self.skip
        while left > 0 and (skipped := len(stream.read(min(left, _CHUNK)))):
            left -= skipped
        if left > 0:
            raise SourceError(f"{path} is cut off: 0 of its {self.frames} frames could be read; copy it again")
        return stream

    def _read(self, path: Path, stream: "BinaryIO | InflateReader", given: int) -> Iterator[Pixels]:
        """Yield the frames of one file, before whose first one `given` others came."""
        axes = self.axes or ("tyx" if len(self.shape) == 2 else "tyxc")
        if not axes.startswith("t"):
            yield from self._all_at_once(path, stream, axes)
            return
        for index in range(given, given + self.frames // len(self.files)):
            if self._left(path, stream) < self.frame_bytes:
                raise self._truncation_error(path, index)  # else Python would allocate all of it
            data = stream.read(self.frame_bytes)
            if len(data) < self.frame_bytes:
                raise self._truncation_error(path, index)
            yield self._ordered(data, axes[1:], 1)[0]
        if self._left(path, stream) >= self.frame_bytes and len(stream.read(self.frame_bytes)) == self.frame_bytes:
            self.notes.leave_out(path, f"holds more pictures than the {self.frames} that its header states: those are left out")

    def _left(self, path: Path, stream: "BinaryIO | InflateReader") -> float:
        """Return the file's bytes after the position of `stream`; infinite for a compressed one, where it is unknown."""
        return math.inf if isinstance(stream, InflateReader) else path.stat().st_size - stream.tell()

    def _all_at_once(self, path: Path, stream: "BinaryIO | InflateReader", axes: str) -> Iterator[Pixels]:
        size = self.bytes_of_a_file
        if size > _MAX_INTERLEAVED:
            raise SourceError(f"{path} keeps time in front of space, {size >> 20} MiB at once: save it as .igs.mha")
        if self._left(path, stream) < size:
            raise self._truncation_error(path, 0)
        data = stream.read(size)
        if len(data) < size:
            raise self._truncation_error(path, 0)
        yield from self._ordered(data, axes, self.frames // len(self.files))

    def _ordered(self, data: bytes, axes: str, frames: int) -> Pixels:
        """Return frames (N, H, W) or (N, H, W, 3) of bytes whose axes lie in another order."""
        axes = axes if "t" in axes else f"t{axes}"
        sizes = {"t": frames, "y": self.shape[0], "x": self.shape[1], "c": self.components}
        block = np.frombuffer(data, self.dtype).reshape([sizes[axis] for axis in axes])
        ordered = block.transpose([axes.index(axis) for axis in "tyxc" if axis in axes])
        return ordered[..., :3] if "c" in axes else ordered

    def _truncation_error(self, path: Path, index: int) -> SourceError:
        whole = f"{index} of its {self.frames} frames could be read"
        return SourceError(f"{path} is cut off: {whole}; go on with those, or copy it again")


def with_proven_order(stored: RawFrames, path: Path) -> RawFrames:
    """Return the same frames in the byte order that makes them smooth, which is logged where it is not the declared one."""
    if stored.dtype.itemsize == 1:
        return stored
    with suppress(SourceError):
        for first in stored.pixels():
            if is_other_byte_order([first]):
                stored.notes.say(path, "declares another byte order than its pixels have: read in the order of the pixels")
                return replace(stored, dtype=stored.dtype.newbyteorder())
            break
    return stored


def proven_offset(stored: RawFrames, candidates: list[int], path: Path) -> RawFrames:
    """Return the frames at the first of some offsets at which they end with the file; at the first offset if at none.

    Compressed frames are left as they are.
    """
    if stored.is_compressed or stored.lines or not candidates or stored.axes.find("t") > 0:
        return stored
    length, need = stored.files[0].stat().st_size, stored.bytes_of_a_file
    proven = next((offset for offset in candidates if offset + need == length), candidates[0])
    if proven != candidates[0]:
        stored.notes.say(path, "states another start of its pixels than its length proves: read by its length")
    return replace(stored, offset=proven)
