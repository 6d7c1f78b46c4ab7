"""Finds out whether packets of 188 bytes are missing or overwritten between two places of an MPEG transport stream."""

from pathlib import Path
from typing import Any

from av import Packet

_BYTES, _SYNC = 188, 0x47
_MAX_BYTES = 1 << 26


class TransportStructure:
    """Checks that each packet begins with its mark, and that those of the film count on. path: of the file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def try_on(self, before: "Packet[Any]", after: "Packet[Any]") -> None:
        """Do nothing, since the check applies to every transport stream."""

    def is_broken(self, before: "Packet[Any]", after: "Packet[Any]") -> bool:
        """Return whether bytes between the beginnings of two pictures are missing or overwritten."""
        if before.pos is None or after.pos is None or not 0 <= before.pos < after.pos <= before.pos + _MAX_BYTES:
            return False
        try:
            with self._path.open("rb") as file:
                file.seek(before.pos)
                return _is_broken(file.read(after.pos - before.pos))
        except OSError:
            return False


def _is_broken(data: bytes) -> bool:
    if len(data) % _BYTES or data[:1] != bytes([_SYNC]):
        return data[:1] == bytes([_SYNC])  # else the packets have another size, and nothing is known
    film, count = _stream(data, 0), data[3] & 15
    for at in range(_BYTES, len(data), _BYTES):
        if data[at] != _SYNC:
            return True
        if _stream(data, at) == film and data[at + 3] & 0x10:  # it has a payload
            count = (count + 1) % 16
            if data[at + 3] & 15 != count:
                return True
    return False


def _stream(data: bytes, at: int) -> int:
    return (data[at + 1] & 0x1F) << 8 | data[at + 2]
