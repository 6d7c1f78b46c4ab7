"""H.264 as RTP brings it: each NAL unit as soon as it is whole, and not when the next picture has begun."""

from collections.abc import Callable, Iterator
from typing import cast

from av import Packet
from av.container import InputContainer
from av.video.stream import VideoStream

from rtseg.errors import SourceError

_START = b"\0\0\0\1"  # FFmpeg's, in front of each unit
_BEFORE = len(_START) + 1  # what the first piece of a unit has in front of its share: the unit's header too
_NEARLY = 4  # bytes by which full pieces differ: some senders fill the first one less
_PROOF, _PROOF_IN_PIECES = 30, 2  # units
_MOST = 1 << 25  # bytes of a unit
_NO_PARSER = 0x20  # AVFMT_FLAG_NOPARSE


class NalUnits:
    """Joins the pieces in which RTP brings NAL units (RFC 6184, FU-A), as FFmpeg hands them out without its parser.

    Which piece ends a unit FFmpeg knows and does not tell, and its parser learns it from the next picture: one frame period
    late. But senders fill every piece up to the last, so that a shorter one is the end. This is believed of a connection once
    it was so for 30 units, 2 of them in pieces where there are such, and never again where it was once wrong. on_wrong: called
    when a unit was given out that was not whole; what else there is of its picture is left out.
    """

    def __init__(self, on_wrong: Callable[[], object]) -> None:
        self._on_wrong = on_wrong
        self._pieces: list[Packet[VideoStream]] = []  # of the unit at hand
        self._bytes = self._full = self._right = self._right_in_pieces = self._in_pieces = 0
        self._ended = self._given = self._refuted = False
        self._spoiled: int | None = None  # the time of a picture that is left out

    @property
    def is_sure(self) -> bool:
        """Whether a shorter piece is taken for the end."""
        in_pieces = not self._in_pieces or self._right_in_pieces >= _PROOF_IN_PIECES
        return self._right >= _PROOF and in_pieces and not self._refuted

    def add(self, piece: "Packet[VideoStream]") -> "Iterator[Packet[VideoStream]]":
        """The units that are whole now that `piece` came. Raises SourceError for one that never ends."""
        if self._spoiled is not None and piece.pts == self._spoiled:
            return
        begins = bytes(memoryview(piece)[: len(_START)]) == _START
        if begins:
            yield from self.rest()
            self._begin()
        else:
            self._go_on()
        self._keep(piece)
        self._ended = self._is_short(piece.size - _BEFORE * begins)
        if self._ended and self.is_sure:
            yield from self.rest()
            self._given = True

    def rest(self) -> "Iterator[Packet[VideoStream]]":
        """The unit at hand, as far as it came and was not given out."""
        if self._pieces and not self._given:
            yield _joined(self._pieces)

    def _begin(self) -> None:
        """Another unit begins: what was taken for the end of the one before was one."""
        self._right += self._ended
        self._right_in_pieces += self._ended and len(self._pieces) > 1
        self._pieces, self._bytes, self._given = [], 0, False

    def _go_on(self) -> None:
        """The unit has another piece: what was taken for its end was none."""
        self._in_pieces += len(self._pieces) == 1
        self._refuted = self._refuted or self._ended
        if self._given:
            self._spoiled = self._pieces[0].pts
            self._on_wrong()

    def _keep(self, piece: "Packet[VideoStream]") -> None:
        self._bytes += piece.size
        if self._bytes > _MOST:
            raise SourceError("a picture has no end: check what the peer sends, or say #fflags=flush_packets")
        self._pieces.append(piece)

    def _is_short(self, size: int) -> bool:
        if size > self._full + _NEARLY:
            self._right = self._right_in_pieces = 0  # what was seen so far was measured by another size
        self._full = max(self._full, size)
        return size < self._full - _NEARLY


def is_in_pieces(container: InputContainer) -> bool:
    """Whether FFmpeg gives what a container holds without its parser, as `fflags=noparse` has it."""
    return bool(container.flags & _NO_PARSER)


def whole_units(packets: "Iterator[Packet[VideoStream]]", on_wrong: Callable[[], object]) -> "Iterator[Packet[VideoStream]]":
    """The NAL units of RTP packets, with their times. on_wrong: as of NalUnits. Raises SourceError."""
    units = NalUnits(on_wrong)
    for packet in packets:
        if packet.size:
            yield from units.add(packet)
    yield from units.rest()


def _joined(pieces: "list[Packet[VideoStream]]") -> "Packet[VideoStream]":
    first = pieces[0]
    if len(pieces) == 1:
        return first
    unit = cast("Packet[VideoStream]", Packet(b"".join(map(bytes, pieces))))
    unit.stream, unit.time_base, unit.pts, unit.dts = first.stream, first.time_base, first.pts, first.dts
    return unit
