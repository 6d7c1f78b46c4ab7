"""Assembles H.264 NAL units from RTP packets as soon as each is complete, not when the next picture begins."""

from collections.abc import Callable, Iterator
from typing import cast

from av import Packet
from av.container import InputContainer
from av.video.stream import VideoStream

from rtseg.errors import SourceError

_START = b"\0\0\0\1"  # FFmpeg's start code, in front of each unit
_BEFORE = len(_START) + 1  # bytes in front of the first piece's payload: start code and unit header
_TOLERANCE = 4  # bytes by which full pieces may differ: some senders fill the first one less
_MIN_RIGHT, _MIN_RIGHT_IN_PIECES = 30, 2  # units whose end was found right, before the rule is used
_MAX_BYTES = 1 << 25  # bytes of a unit
_NO_PARSER = 0x20  # AVFMT_FLAG_NOPARSE


class NalUnitAssembler:
    """Joins the pieces of NAL units in RTP (RFC 6184, FU-A), as FFmpeg returns them without its parser.

    FFmpeg does not report which piece ends a unit; its parser learns it from the next picture, one frame period late. But
    senders fill every piece except the last, so a shorter piece is the end. The rule is used once it held for 30 units, 2
    of them in pieces if there are such, and never again after it failed. on_incomplete: called when an incomplete unit was
    returned; the rest of its picture is left out.
    """

    def __init__(self, on_incomplete: Callable[[], object]) -> None:
        self._on_incomplete = on_incomplete
        self._pieces: list[Packet[VideoStream]] = []  # of the current unit
        self._bytes = self._full = self._right = self._right_in_pieces = self._in_pieces = 0
        self._ended = self._given = self._refuted = False
        self._dropped_pts: int | None = None  # presentation time of a picture that is left out

    @property
    def is_reliable(self) -> bool:
        """Return whether a shorter piece counts as the end of a unit."""
        in_pieces = not self._in_pieces or self._right_in_pieces >= _MIN_RIGHT_IN_PIECES
        return self._right >= _MIN_RIGHT and in_pieces and not self._refuted

    def add(self, piece: "Packet[VideoStream]") -> "Iterator[Packet[VideoStream]]":
        """Yield the units that `piece` completes. Raises SourceError for a unit that never ends."""
        if self._dropped_pts is not None and piece.pts == self._dropped_pts:
            return
        begins = bytes(memoryview(piece)[: len(_START)]) == _START
        if begins:
            yield from self.flush()
            self._begin()
        else:
            self._go_on()
        self._keep(piece)
        self._ended = self._is_short(piece.size - _BEFORE * begins)
        if self._ended and self.is_reliable:
            yield from self.flush()
            self._given = True

    def flush(self) -> "Iterator[Packet[VideoStream]]":
        """Yield the current unit as far as it was received, unless it was returned before."""
        if self._pieces and not self._given:
            yield _joined(self._pieces)

    def _begin(self) -> None:
        """Start another unit, which confirms the end found for the one before."""
        self._right += self._ended
        self._right_in_pieces += self._ended and len(self._pieces) > 1
        self._pieces, self._bytes, self._given = [], 0, False

    def _go_on(self) -> None:
        """Continue the unit, which refutes an end found for it."""
        self._in_pieces += len(self._pieces) == 1
        self._refuted = self._refuted or self._ended
        if self._given:
            self._dropped_pts = self._pieces[0].pts
            self._on_incomplete()

    def _keep(self, piece: "Packet[VideoStream]") -> None:
        self._bytes += piece.size
        if self._bytes > _MAX_BYTES:
            raise SourceError("a picture has no end: check what the peer sends, or say #fflags=flush_packets")
        self._pieces.append(piece)

    def _is_short(self, size: int) -> bool:
        if size > self._full + _TOLERANCE:
            self._right = self._right_in_pieces = 0  # the ends so far were found by a smaller size
        self._full = max(self._full, size)
        return size < self._full - _TOLERANCE


def is_unparsed(container: InputContainer) -> bool:
    """Return whether FFmpeg reads the container without its parser, as `fflags=noparse` sets it."""
    return bool(container.flags & _NO_PARSER)


def assemble_units(
    packets: "Iterator[Packet[VideoStream]]", on_incomplete: Callable[[], object]
) -> "Iterator[Packet[VideoStream]]":
    """Yield the NAL units of RTP packets, with their times. Raises SourceError.

    on_incomplete: as in `NalUnitAssembler`.
    """
    units = NalUnitAssembler(on_incomplete)
    for packet in packets:
        if packet.size:
            yield from units.add(packet)
    yield from units.flush()


def _joined(pieces: "list[Packet[VideoStream]]") -> "Packet[VideoStream]":
    first = pieces[0]
    if len(pieces) == 1:
        return first
    unit = cast("Packet[VideoStream]", Packet(b"".join(map(bytes, pieces))))
    unit.stream, unit.time_base, unit.pts, unit.dts = first.stream, first.time_base, first.pts, first.dts
    return unit
