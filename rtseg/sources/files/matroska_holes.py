"""Finds out whether bytes are missing or overwritten between two packets of a Matroska or WebM file."""

from pathlib import Path
from typing import Any, BinaryIO

from av import Packet

_CONTAINERS = frozenset({b"\x1f\x43\xb6\x75", b"\xa0"})  # a cluster and a group of blocks, whose content is walked through
_MAX_ELEMENTS = 10_000
_HEADER_BYTES = 12
_MATROSKA = b"\x1a\x45\xdf\xa3"


class MatroskaStructure:
    """Checks that the elements between two packets follow each other.

    The check is tried on two packets of a whole place first, since compressed and laced blocks defy it. path: of any file; one
    of another kind is never broken.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._applies: bool | None = None  # None: not tried yet

    def try_on(self, before: "Packet[Any]", after: "Packet[Any]") -> None:
        """Find out, once, whether the check applies to the file, by two packets between which nothing is missing."""
        if self._applies is None:
            self._applies = self._is_linked(before, after)

    @property
    def applies(self) -> bool:
        """Return whether the check was found to apply."""
        return bool(self._applies)

    def is_broken(self, before: "Packet[Any]", after: "Packet[Any]") -> bool:
        """Return whether the elements behind one packet do not lead to the next one."""
        return bool(self._applies) and not self._is_linked(before, after)

    def _is_linked(self, before: "Packet[Any]", after: "Packet[Any]") -> bool:
        if before.pos is None or after.pos is None or not 0 < before.pos < after.pos:
            return False
        try:
            with self._path.open("rb") as file:
                return file.read(4) == _MATROSKA and _leads_to(file, before.pos, before.size, after.pos)
        except OSError:
            return False


def _leads_to(file: BinaryIO, block: int, size: int, stop: int) -> bool:
    """Walk the elements from the end of a block on. block, stop: where the content of two blocks begins."""
    file.seek(block)
    at = block + 3 + len(_number(file.read(8))) + size  # the track, 16 bits of time and 8 of flags
    for _ in range(_MAX_ELEMENTS):
        file.seek(at)
        name, begin, content = element_header(file.read(_HEADER_BYTES))
        if not name:
            return False
        at += begin
        if at >= stop:
            return at == stop
        if name not in _CONTAINERS:
            at += content or 0
    return False


def element_header(data: bytes) -> tuple[bytes, int, int | None]:
    """Return an element's name, b"" for none, the bytes of its header, and the size of its content, None where unknown."""
    name = _number(data)
    length = _number(data[len(name) :])
    if not 0 < len(name) <= 4 or not length:
        return b"", 0, None
    most = (1 << 7 * len(length)) - 1
    size = int.from_bytes(length, "big") & most
    return name, len(name) + len(length), None if size == most else size


def _number(data: bytes) -> bytes:
    """Return the bytes of the EBML number at the start of `data`; empty where there is none."""
    size = 9 - data[0].bit_length() if data else 9
    return data[:size] if size <= min(8, len(data)) else b""
