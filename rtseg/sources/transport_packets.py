"""Repairs the bytes of an MPEG transport stream for FFmpeg: packets that were sent twice, and places where bytes are missing.

Source: ITU-T H.222.0, clauses 2.4.3.2 and 2.4.3.3. FFmpeg takes a packet that was sent twice, which is legal, for new data, and
goes on after missing bytes without a word where the counter of four bits happens to fit.
"""

from dataclasses import dataclass, field

import numpy as np

from rtseg.sources.transport_pictures import TransportPictures

_SYNC, _BYTES, _NULL = 0x47, 188, 0x1FFF
_FORMS = ((188, 0), (192, 4), (204, 0))  # bytes of a packet, and those in front of its mark (M2TS), as FFmpeg reads them
_PROOF = 3  # marks in a row that make a transport stream
_SURE = 5  # the same, where a stream begins within a packet
_SEARCHED = _SURE * 204  # bytes
_MANY = 24  # packets, from which on they are examined all at once
_ERROR, _BEGIN, _PAYLOAD, _ADAPTATION, _CLOCK = 0x80, 0x40, 0x10, 0x20, 0x10  # flags


@dataclass(slots=True)
class _Counted:
    """Holds the last packet with a payload of one stream."""

    counter: int
    """Its counter, from 0 to 15."""
    content: bytes = b""
    """Its bytes, without those that may differ where it is sent twice."""
    is_doubtful: bool = field(default=False)
    """Whether the next packet must be marked, since bytes were missing."""


class TransportRepair:
    """Changes the bytes of a transport stream in place: as many come out as went in, and other streams unchanged.

    The second of two equal packets becomes padding; a packet in which bytes are missing, and what is no packet, too; the next
    packet of each stream is marked as erroneous after it, so that FFmpeg marks its picture.
    """

    def __init__(self) -> None:
        self._data = bytearray()  # not examined yet
        self._size, self._lead = 0, 0  # bytes of a packet, and those in front of its mark; 0: not known yet, or no such stream
        self._begin = 0  # bytes in front of the first packet
        self._is_other = self._is_broken = False
        self._streams: dict[int, _Counted] = {}
        self._pictures = TransportPictures()
        self.duplicates = self.breaks = 0
        """How many packets were sent twice, and at how many places bytes were missing."""

    def feed(self, data: bytes, *, is_drained: bool = False) -> bytes:
        """Return the bytes that are clear after the next ones; some are held until the packet behind them is there.

        is_drained: whether no more bytes are there to be read; what ends with a packet is then not held.
        """
        if self._is_other:
            return data
        self._data += data
        if not self._size and not self._recognize():
            return self.flush() if self._is_other else b""
        return self._examined(is_drained=is_drained)

    def flush(self) -> bytes:
        """Return the bytes that are held, at the end of the stream."""
        if self._size and self._data[self._lead : self._lead + 1] == bytes([_SYNC]):
            self._examine(len(self._data) // self._size)
        rest, self._data = bytes(self._data), bytearray()
        return rest

    def _recognize(self) -> bool:
        """Return whether the stream was found to consist of packets; a live one may begin within one."""
        for size, lead in _FORMS:
            marks = self._data[lead : size * _PROOF : size]
            if marks and all(mark == _SYNC for mark in marks):
                if len(marks) < _PROOF:
                    return False
                self._size, self._lead = size, lead
                return True
        self._is_other = len(self._data) > _SEARCHED + _FORMS[1][1]
        for size, lead in _FORMS if self._is_other else ():
            marks = np.frombuffer(self._data, np.uint8)[lead : lead + _SURE * size].reshape(_SURE, size) == _SYNC
            if (starts := marks.all(axis=0)).any():
                self._size, self._lead, self._begin = size, lead, int(starts.argmax())
                self._is_other = False
                return True
        return False

    def _examined(self, *, is_drained: bool) -> bytes:
        size, out = self._size, self._data[: self._begin]
        del self._data[: self._begin]
        self._begin = 0
        while len(self._data) > size + self._lead or (is_drained and len(self._data) == size):
            count = self._aligned(is_drained=is_drained)
            if count:
                self._is_broken = False
                self._examine(count)
                out += self._data[: count * size]
                del self._data[: count * size]
            elif (end := self._next_start()) is None:
                break
            else:
                out += self._padding(end)
        return bytes(out)

    def _aligned(self, *, is_drained: bool) -> int:
        """Return how many packets at the start of the data have a mark in front and another packet's behind, or the end."""
        marks = np.frombuffer(self._data, np.uint8)[self._lead :: self._size] == _SYNC
        if marks.all():
            return int(marks.size) - (0 if is_drained and len(self._data) % self._size == 0 else 1)
        return int(marks.argmin()) - 1 if marks[0] else 0

    def _next_start(self) -> int | None:
        """Return where packets begin again behind a damaged place; None where more data are needed."""
        marks = np.frombuffer(self._data, np.uint8) == _SYNC
        last = len(marks) - self._lead - (_PROOF - 1) * self._size
        if last < 2:
            return None
        found = np.ones(last - 1, bool)
        for number in range(_PROOF):
            at = 1 + self._lead + number * self._size
            found &= marks[at : at + last - 1]
        return 1 + int(found.argmax()) if found.any() else max(0, last - 1) or None

    def _padding(self, end: int) -> bytes:
        """Return zeros in place of what stands before `end`, and let the next packet of each stream be marked."""
        self.breaks += not self._is_broken
        self._is_broken = True
        for stream in self._streams.values():
            stream.is_doubtful = True
        del self._data[:end]
        return bytes(end)

    def _examine(self, count: int) -> None:
        """Go through the packets at the start of the data."""
        self._compare_pictures(count)
        if count >= _MANY and self._are_regular(count):
            return
        for at in range(self._lead, count * self._size, self._size):
            self._examine_packet(at)

    def _compare_pictures(self, count: int) -> None:
        """Mark the begin of each picture in front of which pictures are missing, so that FFmpeg marks the one before."""
        flags = np.frombuffer(self._data, np.uint8)[self._lead + 1 : count * self._size : self._size]
        begins = np.flatnonzero(flags & _BEGIN)
        del flags  # the data cannot be changed in size while it is seen
        for at in begins * self._size + self._lead:
            if self._pictures.is_gap(bytes(self._data[at : at + _BYTES])):
                self._data[at + 1] |= _ERROR

    def _are_regular(self, count: int) -> bool:
        """Return whether the counters of all packets follow each other, and remember the last ones."""
        if any(stream.is_doubtful for stream in self._streams.values()):
            return False
        data = np.frombuffer(self._data, np.uint8)[: count * self._size].reshape(count, self._size)[:, self._lead :]
        names = (data[:, 1] & np.uint8(0x1F)).astype(np.uint16) << 8 | data[:, 2]
        has_payload = (data[:, 3] & _PAYLOAD) != 0
        last: dict[int, _Counted] = {}
        for name in np.unique(names):
            places = np.flatnonzero((names == name) & has_payload)
            if name == _NULL or not places.size:
                continue
            counters = data[places, 3] & 15
            before = self._streams.get(int(name))
            if (before is not None and before.counter == counters[0]) or (counters[1:] == counters[:-1]).any():
                return False
            last[int(name)] = _Counted(int(counters[-1]), _content(data[places[-1], :_BYTES].tobytes()))
        self._streams |= last
        return True

    def _examine_packet(self, at: int) -> None:
        data = self._data
        name, flags = (data[at + 1] & 0x1F) << 8 | data[at + 2], data[at + 3]
        if name == _NULL or not flags & _PAYLOAD:
            return
        before, content = self._streams.get(name), _content(bytes(data[at : at + _BYTES]))
        if before is not None and before.counter == flags & 15 and before.content == content:
            self.duplicates += 1
            data[at + 1 : at + 4] = bytes([_NULL >> 8, _NULL & 0xFF, _PAYLOAD])
            return
        if before is not None and before.is_doubtful:
            data[at + 1] |= _ERROR
        self._streams[name] = _Counted(flags & 15, content)


def _content(packet: bytes) -> bytes:
    """Return a packet without its clock, which differs where the packet is sent twice."""
    if packet[3] & _ADAPTATION and packet[4] and packet[5] & _CLOCK:
        return packet[:6] + packet[12:]
    return packet


def is_transport_stream(head: bytes) -> bool:
    """Return whether a file that begins with these bytes is a transport stream."""
    marks = (head[lead : size * _PROOF : size] for size, lead in _FORMS)
    return any(len(found) == _PROOF and set(found) == {_SYNC} for found in marks)
