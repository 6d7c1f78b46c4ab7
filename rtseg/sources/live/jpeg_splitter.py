"""Finds the JPEG pictures in a byte stream by their own structure, whatever stands between them.

Boundaries, headers and lengths of multipart streams are often wrong, and boundaries may occur inside of a picture. A JPEG
says itself where it ends (ITU-T T.81, annex B), so that nothing else is needed.
"""

import re
from collections.abc import Iterator

_START, _END, _SCAN = b"\xff\xd8", 0xD9, 0xDA
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})  # markers without a length
_IN_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # a marker that ends the coded data of a scan
_HEAD = re.compile(rb"^content-type[ \t]*:", re.IGNORECASE | re.MULTILINE)
_BOUNDARY = re.compile(rb"^--[^\s-]", re.MULTILINE)
_PADDED_START = re.compile(rb"[\0 \t\r\n]*\xff\xd8")  # right after a picture
_MAX_BYTES = 1 << 25  # of a picture
_MAX_GAP = 1 << 16  # bytes between two pictures that are held


class JpegSplitter:
    """Splits a stream into pictures. damaged: pictures that are cut off. others: parts that are no picture, such as a text."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._at = 0  # up to where the data were examined
        self._is_inside = self._is_scan = False  # of a picture, and of its coded data
        self._is_joint = True  # whether a picture may begin right here
        self._parts = 0  # begun since the last picture
        self.damaged = self.others = 0

    @property
    def is_inside(self) -> bool:
        """Return whether a picture has begun that did not end yet."""
        return self._is_inside

    def pictures(self, data: bytes) -> Iterator[bytes]:
        """Yield the pictures that the next bytes of the stream complete."""
        self._data += data
        while self._is_inside or self._find_start():
            end = self._find_end()
            if end is None:
                return
            if end:
                picture = bytes(self._data[:end])
                self._drop(end)
                self._is_joint = True
                yield picture
            else:
                self.damaged += 1
                self._is_joint = False
                self._at = len(_START)
            self._is_inside = self._is_scan = False

    def _find_start(self) -> bool:
        """Drop what stands before the next picture; return whether one begins."""
        if self._is_joint and (padding := _PADDED_START.match(self._data)):
            self._drop(padding.end() - len(_START))
        start = self._data.find(_START, self._at)
        while start > 0 and self._data[start - 1 : start] != b"\n":
            start = self._data.find(_START, start + 1)
        if start == 0 and not self._is_joint:
            start = self._data.find(b"\n" + _START) + 1 or -1
        if start < 0:
            self._at = max(0, len(self._data) - 1)
            if len(self._data) > _MAX_GAP:
                self._count_parts(len(self._data) - 64)
            return False
        self._count_parts(start)
        self.others += max(0, self._parts - 1)
        self._parts, self._is_inside, self._at = 0, True, len(_START)
        return True

    def _count_parts(self, end: int) -> None:
        """Drop the bytes before `end`, which belong to no picture, and count the parts that begin there."""
        gap = bytes(self._data[:end])
        self._parts += max(len(_HEAD.findall(gap)), len(_BOUNDARY.findall(gap)))
        self._drop(end)
        self._is_joint = False

    def _drop(self, end: int) -> None:
        del self._data[:end]
        self._at = max(0, self._at - end)

    def _find_end(self) -> int | None:
        """Return where the picture at the begin of the data ends; 0 where it is damaged, None where more data are needed."""
        while len(self._data) <= _MAX_BYTES:
            step = self._after_scan() if self._is_scan else self._after_segment()
            if step is not None:
                return None if step < 0 else step
        return 0

    def _after_scan(self) -> int | None:
        """Go to the marker that ends coded data; return -1 where it is missing yet, 0 for another picture's begin."""
        found = _IN_SCAN.search(self._data, self._at)
        if found is None:
            self._at = max(self._at, len(self._data) - 1)
            return -1
        self._at, self._is_scan = found.start(), False
        return None

    def _after_segment(self) -> int | None:
        """Go past a marker and its segment; return the picture's end, 0 for what is no marker, -1 where data are missing."""
        data, at = self._data, self._at
        if at + 4 > len(data) and not (at + 2 <= len(data) and data[at + 1] == _END):
            return -1
        marker = data[at + 1]
        if data[at] != 0xFF or marker in (0x00, 0xD8):
            return 0
        if marker == _END:
            return at + 2
        if marker == 0xFF:
            self._at += 1
        elif marker in _ALONE:
            self._at += 2
        else:
            length = int.from_bytes(data[at + 2 : at + 4], "big")
            if length < 2:
                return 0
            self._at, self._is_scan = at + 2 + length, marker == _SCAN
        return None
