"""Finds the segments of a JPEG picture, the coded data of its scans, and pictures that follow it (ITU-T T.81, annex B)."""

import re
from collections.abc import Iterator
from typing import NamedTuple

START, END, SCAN, TABLES = 0xD8, 0xD9, 0xDA, 0xC4  # markers
CODED = 0  # stands for the coded data of a scan, which have no marker
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length
_ENDS_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_FOLLOWS = re.compile(rb"\0*(?=\xff\xd8\xff)")  # padding, and the start of another picture
_MOST_PICTURES = 1 << 20


class Segment(NamedTuple):
    """Describes one part of a JPEG."""

    marker: int
    """The second byte of its marker; CODED for coded data."""
    begin: int
    """Offset of its content, after its marker and length."""
    end: int
    """Offset of the first byte after it."""


def jpeg_segments(coded: bytes | bytearray, at: int = 0) -> Iterator[Segment]:
    """Yield the segments of the picture that starts at `at`, up to its END or the end of the data.

    Bytes between two segments, which decoders skip, are passed over.
    """
    at += 2
    while 0 <= (at := coded.find(b"\xff", at)) < len(coded) - 1:
        marker = coded[at + 1]
        if marker in (0, 0xFF) or (marker in _ALONE and marker != START):
            at += 1 if marker == 0xFF else 2
            continue
        if marker in (START, END):
            yield Segment(marker, at + 2, at + 2)
            return
        end = at + 2 + max(2, int.from_bytes(coded[at + 2 : at + 4], "big"))
        yield Segment(marker, at + 4, end)
        at = end
        if marker == SCAN:
            found = _ENDS_SCAN.search(coded, at)
            at = found.start() if found else len(coded)
            yield Segment(CODED, end, at)


def joined_jpegs(coded: bytes | bytearray) -> list[bytes | bytearray]:
    """Return the pictures that stand one after the other in the data, zeros between them or none; the data if it is one.

    What follows a picture and is none belongs to it.
    """
    starts = [0]
    while len(starts) < _MOST_PICTURES:
        last = next((part.end for part in jpeg_segments(coded, starts[-1]) if part.marker == END), None)
        found = _FOLLOWS.match(coded, last) if last else None
        if found is None:
            break
        starts.append(found.end())
    return [coded[begin:end] for begin, end in zip(starts, [*starts[1:], len(coded)], strict=True)] if starts[1:] else [coded]
