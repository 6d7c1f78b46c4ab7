"""Finds pictures that are missing in a transport stream, by the numbers at the begin of H.264's pictures.

A counter of four bits fits again after 16 lost packets. The rests of two pictures are then joined to one, which FFmpeg returns
when it reads the begin of the next: the numbers of that one show the loss just in time.
Source: ITU-T H.222.0, clauses 2.4.3.6 (PES packet) and 2.4.4.8 (program map).
"""

from dataclasses import dataclass, field

from rtseg.sources.pixels.frame_numbers import FrameNumberGaps
from rtseg.sources.pixels.h264_syntax import H264Parser

_BYTES = 188
_PAYLOAD, _ADAPTATION = 0x10, 0x20  # flags of a packet
_MAP, _H264 = 0x02, 0x1B  # a table, and the type of a stream
_PES = b"\0\0\1"
_KEY_UNIT = b"\0\0\1\x67", b"\0\0\1\x27"  # sequence parameters, in front of a key picture


@dataclass(slots=True)
class _Pictures:
    """Holds what the pictures of one stream have shown so far."""

    parser: H264Parser = field(default_factory=lambda: H264Parser(None))
    numbers: FrameNumberGaps = field(default_factory=FrameNumberGaps)


class TransportPictures:
    """Follows the first packets of all pictures of a transport stream."""

    def __init__(self) -> None:
        self._streams: dict[int, _Pictures] = {}

    def is_gap(self, packet: bytes) -> bool:
        """Return whether pictures are missing in front of the one that begins with this packet; other packets show none."""
        name, payload = (packet[1] & 0x1F) << 8 | packet[2], _payload(packet)
        if payload[:3] != _PES:
            self._read_map(payload)
            return False
        stream = self._streams.get(name)
        if stream is None or len(payload) < 9:
            return False
        coded = payload[9 + payload[8] :]
        start = stream.parser.parse(coded)
        if start is not None:
            return stream.numbers.missing_before(start) > 0
        if any(unit in coded for unit in _KEY_UNIT):  # its number stands in a later packet
            stream.numbers = FrameNumberGaps()
        return False

    def _read_map(self, payload: bytes) -> None:
        """Note the streams of H.264 that a program map names; what is no map, or continues later, is passed over."""
        table = payload[1 + payload[0] :] if payload else b""
        if len(table) < 12 or table[0] != _MAP:
            return
        end = min(len(table), 3 + ((table[1] & 15) << 8 | table[2])) - 4
        at = 12 + ((table[10] & 15) << 8 | table[11])
        while at + 5 <= end:
            name = (table[at + 1] & 0x1F) << 8 | table[at + 2]
            if table[at] == _H264:
                self._streams.setdefault(name, _Pictures())
            else:
                self._streams.pop(name, None)
            at += 5 + ((table[at + 3] & 15) << 8 | table[at + 4])


def _payload(packet: bytes) -> bytes:
    if not packet[3] & _PAYLOAD:
        return b""
    return packet[5 + packet[4] : _BYTES] if packet[3] & _ADAPTATION else packet[4:_BYTES]
