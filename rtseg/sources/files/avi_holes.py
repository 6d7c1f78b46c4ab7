"""Finds out how many pictures are missing between two packets of an AVI file, by its chunks and by its index.

The index outlives a hole: it says where each chunk was and how long, and a hole shifts all chunks behind it by its length.
"""

import re
import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from av import Packet

_HEADER, _LIST_HEADER = 8, 12  # bytes of a chunk's header, and of that of a list with the list's name
_LISTS = frozenset({b"movi", b"rec ", b"AVIX"})  # whose chunks are walked through
_INDEX, _ENTRY = b"idx1", np.dtype([("name", "S4"), ("flags", "<u4"), ("offset", "<u4"), ("size", "<u4")])
_PICTURES = (b"dc", b"db")  # ends of the names of chunks with pictures
_NAME = re.compile(rb"[ -~]{4}")  # of a chunk
_MAX_INDEX = 1 << 26  # bytes
_MAX_CHUNKS = 10_000  # between two pictures

Entries = npt.NDArray[np.void]


class AviStructure:
    """Checks that the chunks between two pictures follow each other, and numbers the pictures behind a hole.

    path: of the file. stream: number of the film's stream in it. A file of another kind is never broken.
    """

    def __init__(self, path: Path, stream: int) -> None:
        self._path = path
        self._places = np.empty(0, np.int64)  # of each picture's data, as the index says
        self._sizes = np.empty(0, np.int64)
        self._total_shift = 0  # of what stands behind all holes
        self._shift = 0  # of what stands behind the newest hole
        try:
            with path.open("rb") as file:
                self._read_index(file, f"{stream:02d}".encode())
        except OSError:
            pass

    def missing_between(self, before: "Packet[Any]", after: "Packet[Any]") -> int | None:
        """Return the number of pictures that are missing between two packets, 0 where it is unknown; None for no hole."""
        if before.pos is None or after.pos is None or before.pos >= after.pos:
            return None
        try:
            with self._path.open("rb") as file:
                if _leads_to(file, before.pos, after.pos):
                    return None
                number = self._number(before.pos - self._shift)
                following = self._number_behind_hole(after.pos, _size(file, after.pos), number)
        except OSError:
            return None
        return 0 if number is None or following is None else max(0, following - number - 1)

    def _number(self, place: int) -> int | None:
        """Return which picture stands at a place of the whole file."""
        at = int(np.searchsorted(self._places, place))
        return at if at < len(self._places) and self._places[at] == place else None

    def _number_behind_hole(self, place: int, size: int, number: int | None) -> int | None:
        """Return which picture stands at a place behind a hole, by the size of its chunk; note how far it is shifted."""
        alike = np.flatnonzero(self._sizes == size)
        shifts = [place - int(self._places[one]) for one in alike if number is None or one > number]
        known = [shift for shift in (self._total_shift, self._shift) if shift in shifts] or shifts
        if not known or (len(shifts) > 1 and known is shifts):
            return None
        self._shift = known[0]
        return self._number(place - self._shift)

    def _read_index(self, file: BinaryIO, stream: bytes) -> None:
        length = file.seek(0, 2)
        file.seek(0)
        movi = file.read(1 << 16).find(b"movi")
        if movi < 0:
            return
        first = max(movi, length - _MAX_INDEX)
        file.seek(first)
        tail = file.read()
        at = tail.rfind(_INDEX)
        if at < 0:
            return
        count = min(int.from_bytes(tail[at + 4 : at + 8], "little"), len(tail) - at - _HEADER) // _ENTRY.itemsize
        entries = np.frombuffer(tail, _ENTRY, count, at + _HEADER)
        file.seek(movi - 4)
        self._total_shift = first + at - (movi + (size := int.from_bytes(file.read(4), "little")) + size % 2)
        is_picture = [name[:2] == stream and name[2:] in _PICTURES for name in entries["name"]]
        pictures = entries[is_picture]
        if not len(pictures):
            return
        file.seek(int(pictures["offset"][0]))
        begin = 0 if file.read(4) == bytes(pictures["name"][0]) else movi  # both are in use
        self._places = pictures["offset"].astype(np.int64) + begin + _HEADER
        self._sizes = pictures["size"].astype(np.int64)


def _leads_to(file: BinaryIO, place: int, stop: int) -> bool:
    """Walk the chunks from one on. place, stop: where the content of two chunks begins."""
    at = place - _HEADER
    for _ in range(_MAX_CHUNKS):
        file.seek(at)
        header = file.read(_LIST_HEADER)
        if len(header) < _LIST_HEADER or not _NAME.match(header):
            return False
        (size,) = struct.unpack_from("<I", header, 4)
        at += _LIST_HEADER if header[8:12] in _LISTS and header[:4] in (b"LIST", b"RIFF") else _HEADER + size + size % 2
        if at >= stop - _HEADER:
            return at == stop - _HEADER
    return False


def _size(file: BinaryIO, place: int) -> int:
    """Return the size of the chunk whose content begins at a place."""
    file.seek(place - 4)
    return int.from_bytes(file.read(4), "little")
