"""Find the coded frames in encapsulated pixel data (PS3.5, A.4), also where tables and counts are missing or wrong."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from rtseg.sources.files.coded_size import begins_frame
from rtseg.sources.files.dicom_file import DicomFile
from rtseg.sources.pixels.jpeg_segments import joined_jpegs

ITEM = b"\xfe\xff\x00\xe0"
_MOST_FRAGMENTS = 1 << 20
_HEAD_BYTES = 16  # enough to recognize the start of a coded frame


@dataclass(frozen=True, slots=True)
class Fragment:
    """Describes one piece of encapsulated data."""

    offset: int  # of its first byte in the file
    length: int  # in bytes
    begins: bool  # whether it starts as a coded frame does


@dataclass(frozen=True, slots=True)
class Fragments:
    """Holds the pieces of a file's pixel data."""

    pieces: tuple[Fragment, ...]
    starts: frozenset[int]  # the pieces at which a frame starts by the file's offset tables

    def frames(self, stated: int) -> list[tuple[Fragment, ...]]:
        """Return the pieces of each frame. stated: the number of frames in the header, 0 where there is none.

        A frame starts where a table says so, and where the data start as a coded frame does. Without both, each piece is a
        frame if there are as many as stated.
        """
        count = len(self.pieces)
        begins = {number for number, piece in enumerate(self.pieces) if piece.begins}
        if stated == count and (count == 1 or not self.starts):
            return [(piece,) for piece in self.pieces]
        agreed = 0 in begins and len(begins) == stated
        starts = sorted(begins if agreed else {0} | set(self.starts) | begins)
        if not self.starts and not begins and stated > 1:
            starts = list(range(count))
        ends = [*starts[1:], count]
        return [self.pieces[start:end] for start, end in zip(starts, ends, strict=True)] if count else []


def read_fragments(file: BinaryIO, dicom: DicomFile) -> Fragments:
    """Return the pieces of encapsulated pixel data, up to where the file ends. Raises ValueError where they have no items."""
    file.seek(dicom.offset)
    table, pieces = _item(file), list[Fragment]()
    if table is None:
        raise ValueError("its encapsulated pixel data are missing or cut off")
    first = file.tell() + table
    offsets = file.read(min(table, 4 * _MOST_FRAGMENTS))
    file.seek(first)
    while (length := _item(file)) is not None and len(pieces) < _MOST_FRAGMENTS:
        at = file.tell()
        if length:
            pieces.append(Fragment(at, length, begins_frame(file.read(min(length, _HEAD_BYTES)))))
        file.seek(at + length)
    if len(pieces) == 1:
        pieces = _joined(file, pieces[0])
    places = {piece.offset - 8 - first: number for number, piece in enumerate(pieces)}
    stated = struct.unpack(f"<{len(offsets) // 4}I", offsets[: len(offsets) // 4 * 4])
    extended = _extended(dicom.header)
    return Fragments(tuple(pieces), frozenset(places[at] for at in (*stated, *extended) if at in places))


def _joined(file: BinaryIO, piece: Fragment) -> list[Fragment]:
    """Return the pieces of the JPEGs that a single piece holds, one after the other."""
    file.seek(piece.offset)
    coded, pieces, at = file.read(piece.length), list[Fragment](), piece.offset
    for picture in joined_jpegs(coded) if coded.startswith(b"\xff\xd8") else [coded]:
        pieces.append(Fragment(at, len(picture), piece.begins))
        at += len(picture)
    return [piece] if len(pieces) == 1 else pieces


def read_frame(file: BinaryIO, pieces: Sequence[Fragment]) -> bytes:
    """Return the bytes of a frame. Raises ValueError where the file ends before it does."""
    coded = bytearray()
    for piece in pieces:
        file.seek(piece.offset)
        coded += file.read(piece.length)
    if len(coded) < sum(piece.length for piece in pieces):
        raise ValueError("its pixel data are cut off")
    return bytes(coded)


def _item(file: BinaryIO) -> int | None:
    """Return the length of the item at the file's position; None for its delimiter, its end, or what is no item."""
    head = file.read(8)
    if len(head) < 8 or head[:4] != ITEM:
        return None
    (length,) = struct.unpack_from("<I", head, 4)
    return None if length == 0xFFFFFFFF else int(length)


def _extended(header: Any) -> tuple[int, ...]:
    value = header.get("ExtendedOffsetTable")
    data = bytes(value) if isinstance(value, (bytes, bytearray)) else b""
    return struct.unpack(f"<{len(data) // 8}Q", data[: len(data) // 8 * 8])
