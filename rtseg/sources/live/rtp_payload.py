"""Takes the MPEG transport stream out of RTP packets that come by UDP, and tells where some are missing.

Source: RFC 3550, 5.1 (the header) and RFC 2250, 2 (whole transport packets in each RTP packet).
"""

import struct
from typing import NamedTuple

from rtseg.sources.live.byte_stream import ByteStream

_VERSION, _PADDING, _EXTENSION, _SOURCES = 0x80, 0x20, 0x10, 0x0F  # bits of the first byte
_HEADER, _WORD, _LAST = 12, 4, 0xFFFF  # bytes of the header, bytes of a word, and the last sequence number
_SYNC, _PACKET = 0x47, 188  # of a transport packet
_GAP = bytes(_PACKET)  # no transport packet: the repair of transport streams marks what comes after it


class RtpPayload(NamedTuple):
    """Holds what an RTP packet carries."""

    number: int
    """The sequence number, from 0 to 65535."""
    data: bytes
    """Whole transport packets."""


def rtp_payload(datagram: bytes) -> RtpPayload | None:
    """Return what an RTP packet with transport packets carries; None for any other datagram."""
    if len(datagram) < _HEADER + _PACKET or datagram[0] >> 6 != _VERSION >> 6:
        return None
    begin, end = _HEADER + _WORD * (datagram[0] & _SOURCES), len(datagram)
    if datagram[0] & _EXTENSION and begin + _WORD <= end:
        begin += _WORD + _WORD * int(struct.unpack_from(">H", datagram, begin + 2)[0])
    if datagram[0] & _PADDING:
        end -= datagram[-1]
    if begin >= end or (end - begin) % _PACKET or datagram[begin] != _SYNC:
        return None
    return RtpPayload(int(struct.unpack_from(">H", datagram, 2)[0]), datagram[begin:end])


class RtpBytes:
    """Reads datagrams without the headers of RTP; those of a transport stream without RTP pass unchanged.

    In place of missing ones stand zeros of the length of one transport packet, which no transport stream holds.
    """

    def __init__(self, datagrams: ByteStream) -> None:
        self._datagrams, self._expected = datagrams, -1

    def read(self, size: int) -> bytes:
        """Return what the next datagram carries, none at the end."""
        datagram = self._datagrams.read(size)
        payload = rtp_payload(datagram)
        if payload is None:
            return datagram
        has_gap = self._expected not in (-1, payload.number)
        self._expected = payload.number + 1 & _LAST
        return _GAP + payload.data if has_gap else payload.data

    def close(self) -> None:
        """Close the connection."""
        self._datagrams.close()
