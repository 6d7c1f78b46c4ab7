"""Joins the NAL units of H.264 pictures that are coded in several slices.

A decoder that gets a whole picture finds out that a part of it is missing; one that gets slice after slice does not.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import cast

from av import Packet
from av.video.stream import VideoStream

_UNIT = re.compile(rb"\x00\x00\x01(.)(?=(.?))", re.DOTALL)  # its header, and the byte behind it
_SLICES, _KEY = (1, 5), 5  # NAL unit types
_ALONE_BYTES = 1 << 12  # a larger packet holds one unit; a smaller one may join several
_HEAD_BYTES = 8  # of a packet, in which its first unit begins
_CONSTANT = 30  # pictures in a row with as many slices, before that number counts as the end of a picture


def slices_of(packets: "Sequence[Packet[VideoStream]]") -> int:
    """Return the number of slices of the first picture in these packets."""
    coded = [packet for packet in packets if _slices(packet)]
    following = takewhile(lambda packet: packet.pts == coded[0].pts and not _is_first_slice(packet), coded[1:])
    return sum(map(_slices, [*coded[:1], *following]))


def ends_picture(packets: "Sequence[Packet[VideoStream]]") -> bool:
    """Return whether these packets hold a whole picture, and the begin of another one."""
    times = [packet.pts for packet in packets if _slices(packet)]
    return len(packets) > 0 and any(time != packets[-1].pts for time in times)


def assemble_pictures(units: "Iterator[Packet[VideoStream]]") -> "Iterator[Packet[VideoStream]]":
    """Yield whole pictures: where the next one begins, or with its last slice, see `PictureAssembler`."""
    pictures = PictureAssembler()
    for unit in units:
        yield from pictures.add(unit)
    yield from pictures.flush()


class PictureAssembler:
    """Joins the units of one picture.

    After 30 pictures in a row with as many slices, a key picture among them, that number ends a picture. One with fewer has
    lost some; one with more ends the use of the number for good.
    """

    def __init__(self) -> None:
        self._units: list[Packet[VideoStream]] = []
        self._pts: int | None = None
        self._count = self._usual = self._run = 0
        self._is_key = self._has_key = self._is_given = self._is_constant = self._is_refuted = False

    def add(self, unit: "Packet[VideoStream]") -> "Iterator[Packet[VideoStream]]":
        """Yield the picture before a unit that begins another one, and the unit's own picture if it is its last one."""
        if unit.pts != self._pts or (self._count and _is_first_slice(unit)):
            yield from self.flush()
        kinds = _kinds(unit)
        slices = sum(kind in _SLICES for kind in kinds)
        self._pts, self._count, self._is_key = unit.pts, self._count + slices, self._is_key or _KEY in kinds
        self._is_refuted = self._is_refuted or (self._is_given and slices > 0)
        self._units.append(unit)
        if self._is_constant and not self._is_refuted and slices and self._count == self._usual:
            yield _joined(self._units)
            self._units, self._is_given = [], True

    def flush(self) -> "Iterator[Packet[VideoStream]]":
        """Yield the rest of the current picture."""
        if self._count and not self._is_constant:
            is_usual = self._count == self._usual
            self._run, self._has_key = (self._run + 1 if is_usual else 1), (is_usual and self._has_key) or self._is_key
            self._usual, self._is_constant = self._count, self._run >= _CONSTANT and self._has_key
        if self._units:
            yield _joined(self._units)
        self._units, self._count, self._is_given, self._is_key = [], 0, False, False


def _is_first_slice(packet: "Packet[VideoStream]") -> bool:
    """Return whether a slice holds macroblock 0, which begins a picture (ITU-T H.264, 7.3.3).

    The time does not tell alone: FFmpeg gives two pictures one time where the first one's RTP timestamp is 0.
    """
    found = _UNIT.search(bytes(memoryview(packet)[:_HEAD_BYTES]))
    return found is not None and found[1][0] & 31 in _SLICES and found[2] >= b"\x80"


def _slices(packet: "Packet[VideoStream]") -> int:
    return sum(kind in _SLICES for kind in _kinds(packet))


def _kinds(packet: "Packet[VideoStream]") -> list[int]:
    """Return the types of a packet's units."""
    data = memoryview(packet)
    begin = bytes(data[: _HEAD_BYTES if packet.size > _ALONE_BYTES else packet.size])
    return [header[0] & 31 for header, _ in _UNIT.findall(begin)]


def _joined(units: "Sequence[Packet[VideoStream]]") -> "Packet[VideoStream]":
    first = units[0]
    if len(units) == 1:
        return first
    picture = cast("Packet[VideoStream]", Packet(b"".join(map(bytes, units))))
    picture.time_base, picture.pts, picture.dts = first.time_base, first.pts, first.dts
    if first.stream is not None:
        picture.stream = first.stream
    return picture
